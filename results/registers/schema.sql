-- The tables of registers, all prefixed `register`.
--
-- An entry is one distinct row as it once was in a register; `spans` say in which versions. Times are
-- seconds since the epoch (UTC); `register_overview` and `register_listing` show them as text for people who browse.
-- An entry lists a name by `how`: 1 exact, 2 as a mask, 3 as the host of an https URL, 4 as that of an http URL.

-- TABLES
CREATE TABLE IF NOT EXISTS registers (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, country TEXT NOT NULL) STRICT;

CREATE TABLE IF NOT EXISTS register_versions (
    register_id INTEGER NOT NULL REFERENCES registers(id), at INTEGER NOT NULL, updated INTEGER,
    format TEXT NOT NULL, rows INTEGER NOT NULL, kept INTEGER NOT NULL, skipped INTEGER NOT NULL,
    entries INTEGER NOT NULL, files TEXT NOT NULL, imported_at INTEGER NOT NULL,
    PRIMARY KEY (register_id, at)) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS register_decisions (
    id INTEGER PRIMARY KEY, authority TEXT NOT NULL, number TEXT NOT NULL, date TEXT NOT NULL,
    UNIQUE (authority, number, date)) STRICT;

CREATE TABLE IF NOT EXISTS register_entries (
    id INTEGER PRIMARY KEY, register_id INTEGER NOT NULL REFERENCES registers(id),
    content BLOB NOT NULL, key INTEGER NOT NULL, ref TEXT,
    decision_id INTEGER NOT NULL REFERENCES register_decisions(id), block_type TEXT NOT NULL, entry_type TEXT,
    basis TEXT, urgency TEXT, listed_on TEXT, listed_at INTEGER, until TEXT,
    names TEXT, urls TEXT, subnets TEXT, resolved TEXT) STRICT;

CREATE UNIQUE INDEX IF NOT EXISTS register_entries_content ON register_entries (register_id, content);

CREATE INDEX IF NOT EXISTS register_entries_key ON register_entries (key);

CREATE TABLE IF NOT EXISTS register_spans (
    entry_id INTEGER NOT NULL REFERENCES register_entries(id), first INTEGER NOT NULL, gone INTEGER,
    register_id INTEGER NOT NULL REFERENCES registers(id), PRIMARY KEY (entry_id, first)) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS register_names (
    name TEXT NOT NULL, how INTEGER NOT NULL, entry_id INTEGER NOT NULL REFERENCES register_entries(id),
    PRIMARY KEY (name, how, entry_id)) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS register_urls (
    hash INTEGER NOT NULL, entry_id INTEGER NOT NULL REFERENCES register_entries(id),
    PRIMARY KEY (hash, entry_id)) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS register_subnets (
    family INTEGER NOT NULL, prefix INTEGER NOT NULL, network BLOB NOT NULL,
    entry_id INTEGER NOT NULL REFERENCES register_entries(id),
    PRIMARY KEY (family, prefix, network, entry_id)) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS register_addresses (
    address BLOB NOT NULL, entry_id INTEGER NOT NULL REFERENCES register_entries(id),
    PRIMARY KEY (address, entry_id)) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS register_sources (
    register TEXT NOT NULL, url TEXT NOT NULL, etag TEXT, modified TEXT, fetched_at INTEGER NOT NULL,
    PRIMARY KEY (register, url)) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS register_samples (
    register TEXT NOT NULL, size INTEGER NOT NULL, seed INTEGER NOT NULL, include TEXT NOT NULL,
    as_of TEXT NOT NULL, drawn_at INTEGER NOT NULL, left_out INTEGER NOT NULL, strata TEXT NOT NULL,
    targets TEXT NOT NULL, PRIMARY KEY (register, size, seed, include, as_of)) STRICT, WITHOUT ROWID;

CREATE VIEW IF NOT EXISTS register_overview AS
    SELECT r.name AS register, r.country, v.format, strftime('%Y-%m-%dT%H:%M:%SZ', v.at, 'unixepoch') AS version,
           v.rows, v.kept, v.skipped, v.entries,
           strftime('%Y-%m-%dT%H:%M:%SZ', v.imported_at, 'unixepoch') AS imported_at
    FROM register_versions v JOIN registers r ON r.id = v.register_id;

CREATE VIEW IF NOT EXISTS register_listing AS
    SELECT r.name AS register, e.id AS entry_id, e.ref, e.block_type, e.names, e.urls, e.subnets, e.basis,
           d.authority, d.number AS decision_number, d.date AS decision_date, e.listed_on,
           strftime('%Y-%m-%dT%H:%M:%SZ', s.first, 'unixepoch') AS first_seen,
           strftime('%Y-%m-%dT%H:%M:%SZ', s.gone, 'unixepoch') AS gone
    FROM register_spans s JOIN register_entries e ON e.id = s.entry_id
    JOIN registers r ON r.id = e.register_id JOIN register_decisions d ON d.id = e.decision_id
