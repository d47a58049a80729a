"""What a person who browses the database is shown: canned questions, facets, what each column holds, and no secret."""

from __future__ import annotations

import sqlite3
import tomllib
from importlib.resources import files
from typing import Any

import msgspec

from results.db import schema_docs

NAME = "reachprobe"
FACETS = {
    "findings": ["outcome", "agreement", "service", "vantage", "path", "method"],
    "latest": ["outcome", "agreement", "service", "vantage", "path", "method"],
    "steps": ["step", "role", "failure", "vantage", "path"],
    "register_listing": ["register", "basis", "block_type"],
}
NEWEST_FIRST = {"findings": "started_at", "latest": "started_at", "rounds": "started_at"}
SECRETS = frozenset({
    ("hubs", "token"), ("tokens", "salt"), ("tokens", "hash"), ("invitations", "salt"), ("invitations", "hash"),
    ("rounds", "network_key"),
})  # fmt: skip
"""Columns that read as NULL: nobody's question needs them, and a browser's window may be seen by others."""
HIDDEN = frozenset({
    "hubs", "outbox", "members", "invitations", "tokens", "received", "consents", "notices", "receivers", "untold",
    "pauses", "traffic", "bodies", "certificates", "register_decisions", "register_entries", "register_spans",
    "register_names", "register_urls", "register_subnets", "register_addresses", "register_sources",
    "_sqlite_migrations",
})  # fmt: skip
"""Tables that are not on the first page."""
FORBIDDEN_TABLES = frozenset({"sqlite_dbpage", "dbstat"})
"""Through which a file can be read page by page."""


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question that is asked often."""

    title: str
    description: str
    sql: str


def queries() -> dict[str, Query]:
    """Every canned question by the name that its address ends with."""
    read = tomllib.loads((files("results.datasette_metadata") / "queries.toml").read_text("utf-8"))
    return msgspec.convert(read, dict[str, Query])


def metadata() -> dict[str, Any]:
    """What Datasette shows beside the data: titles, canned queries, facets, a line for each column."""
    shown: dict[str, dict[str, Any]] = {
        table.name: {
            "description": table.says,
            "columns": {column.name: column.says for column in table.columns},
            **({"facets": FACETS[table.name]} if table.name in FACETS else {}),
            **({"sort_desc": NEWEST_FIRST[table.name]} if table.name in NEWEST_FIRST else {}),
        }
        for table in schema_docs.tables()
    }
    for name in HIDDEN:
        shown.setdefault(name, {})["hidden"] = True
    return {
        "title": "reachprobe",
        "description": "What was measured from here. Begin with a question below, or with the view `findings`.",
        "databases": {NAME: {"queries": {name: msgspec.to_builtins(one) for name, one in queries().items()},
                             "tables": shown}},
    }  # fmt: skip


def without_secrets(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """An authorizer (SQLite's C interface, sqlite3_set_authorizer): secrets read as NULL, no other file is opened."""
    if action == sqlite3.SQLITE_READ:
        if first in FORBIDDEN_TABLES:
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_IGNORE if (first, second) in SECRETS else sqlite3.SQLITE_OK
    if action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK
