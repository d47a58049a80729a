"""The tables of a hub, and those of an agent that sends to one: both are in every database, and empty where unused."""

from __future__ import annotations

TABLES = """
CREATE TABLE hubs (
    url TEXT PRIMARY KEY, name TEXT NOT NULL, token TEXT NOT NULL, token_at TEXT NOT NULL, since TEXT NOT NULL,
    queued INTEGER NOT NULL, sent INTEGER NOT NULL DEFAULT 0, sent_at TEXT,
    failures INTEGER NOT NULL DEFAULT 0, not_before TEXT, said TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
    hub TEXT NOT NULL REFERENCES hubs (url) ON DELETE CASCADE,
    measurement INTEGER NOT NULL REFERENCES measurements (number) ON DELETE CASCADE,
    refused TEXT, PRIMARY KEY (hub, measurement)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_by_measurement ON outbox (measurement);
CREATE TABLE members (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, since TEXT NOT NULL, revoked_at TEXT
) STRICT;
CREATE TABLE invitations (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, salt BLOB NOT NULL, hash BLOB NOT NULL, until TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (
    id TEXT PRIMARY KEY, member INTEGER NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    salt BLOB NOT NULL, hash BLOB NOT NULL, made_at TEXT NOT NULL, used INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_by_member ON tokens (member);
CREATE TABLE received (
    measurement INTEGER PRIMARY KEY REFERENCES measurements (number) ON DELETE CASCADE,
    member INTEGER NOT NULL REFERENCES members (id), at TEXT NOT NULL, flag TEXT
) STRICT;
CREATE INDEX received_by_member ON received (member);
"""

CORRECTIONS = """
CREATE TABLE corrections (
    number INTEGER PRIMARY KEY, measurement INTEGER NOT NULL REFERENCES measurements (number) ON DELETE CASCADE,
    at TEXT NOT NULL,
    was_outcome TEXT NOT NULL, was_method TEXT, was_confidence TEXT, was_agreement TEXT NOT NULL,
    was_rules_version TEXT NOT NULL,
    outcome TEXT NOT NULL, method TEXT, confidence TEXT, agreement TEXT NOT NULL, rules_version TEXT NOT NULL
) STRICT;
CREATE INDEX corrections_by_measurement ON corrections (measurement);
CREATE TABLE examined (id INTEGER PRIMARY KEY CHECK (id = 1), measurement INTEGER NOT NULL) STRICT;
CREATE INDEX received_flagged ON received (measurement) WHERE flag IS NOT NULL;
"""
