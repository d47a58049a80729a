-- STAGES
-- On the disk, and gone with the connection: a process that dies leaves nothing behind.
CREATE TEMP TABLE register_seen (entry_id INTEGER PRIMARY KEY);
CREATE TEMP TABLE staged_decisions (
    id INTEGER PRIMARY KEY, authority TEXT, number TEXT, date TEXT, stored INTEGER, UNIQUE (authority, number, date));
CREATE TEMP TABLE staged_entries (
    id INTEGER PRIMARY KEY, content BLOB UNIQUE, key INTEGER, ref TEXT, decision INTEGER,
    block_type TEXT, entry_type TEXT, basis TEXT, urgency TEXT, listed_on TEXT, listed_at INTEGER, until TEXT,
    names TEXT, urls TEXT, subnets TEXT, resolved TEXT);
CREATE TEMP TABLE staged_names (name TEXT, how INTEGER, entry INTEGER);
CREATE TEMP TABLE staged_urls (hash INTEGER, entry INTEGER);
CREATE TEMP TABLE staged_subnets (family INTEGER, prefix INTEGER, network BLOB, entry INTEGER);
CREATE TEMP TABLE staged_addresses (address BLOB, entry INTEGER)

-- DROP
DROP TABLE IF EXISTS temp.register_seen;
DROP TABLE IF EXISTS temp.staged_decisions;
DROP TABLE IF EXISTS temp.staged_entries;
DROP TABLE IF EXISTS temp.staged_names;
DROP TABLE IF EXISTS temp.staged_urls;
DROP TABLE IF EXISTS temp.staged_subnets;
DROP TABLE IF EXISTS temp.staged_addresses

-- MEANWHILE
-- Rows that another process has stored while they were staged here.
INSERT OR IGNORE INTO register_seen SELECT e.id FROM staged_entries s
    CROSS JOIN register_entries e ON e.register_id = :r AND e.content = s.content;
DELETE FROM staged_entries WHERE EXISTS (
    SELECT 1 FROM register_entries e WHERE e.register_id = :r AND e.content = staged_entries.content);
DELETE FROM staged_names WHERE entry NOT IN (SELECT id FROM staged_entries);
DELETE FROM staged_urls WHERE entry NOT IN (SELECT id FROM staged_entries);
DELETE FROM staged_subnets WHERE entry NOT IN (SELECT id FROM staged_entries);
DELETE FROM staged_addresses WHERE entry NOT IN (SELECT id FROM staged_entries)

-- ENTER
INSERT OR IGNORE INTO register_decisions (authority, number, date)
    SELECT authority, number, date FROM staged_decisions ORDER BY id;
UPDATE staged_decisions AS s SET stored = (SELECT d.id FROM register_decisions d
    WHERE d.authority = s.authority AND d.number = s.number AND d.date = s.date);
INSERT INTO register_entries SELECT s.id + :base, :r, s.content, s.key, s.ref, d.stored, s.block_type,
    s.entry_type, s.basis, s.urgency, s.listed_on, s.listed_at, s.until, s.names, s.urls, s.subnets, s.resolved
    FROM staged_entries s CROSS JOIN staged_decisions d ON d.id = s.decision ORDER BY s.id;
INSERT OR IGNORE INTO register_names SELECT name, how, entry + :base FROM staged_names ORDER BY 1, 2, 3;
INSERT OR IGNORE INTO register_urls SELECT hash, entry + :base FROM staged_urls ORDER BY 1, 2;
INSERT OR IGNORE INTO register_subnets
    SELECT family, prefix, network, entry + :base FROM staged_subnets ORDER BY 1, 2, 3, 4;
INSERT OR IGNORE INTO register_addresses SELECT address, entry + :base FROM staged_addresses ORDER BY 1, 2

-- CHANGES
-- How many entries this version adds to and drops from the version :v.
SELECT (SELECT count(*) FROM register_seen w WHERE NOT EXISTS (
            SELECT 1 FROM register_spans s WHERE s.entry_id = w.entry_id
            AND s.first <= :v AND (s.gone IS NULL OR s.gone > :v))),
       (SELECT count(*) FROM register_spans s WHERE s.register_id = :r
            AND s.first <= :v AND (s.gone IS NULL OR s.gone > :v)
            AND NOT EXISTS (SELECT 1 FROM register_seen w WHERE w.entry_id = s.entry_id))

-- AROUND
-- The versions just before and just after a moment.
SELECT (SELECT max(at) FROM register_versions WHERE register_id = :r AND at < :t),
       (SELECT min(at) FROM register_versions WHERE register_id = :r AND at > :t)

-- When each entry was in a register is stored as spans of versions, independent of the order of imports. A span
-- `[first, gone)` goes from the first version with the entry to the first without it; `gone` is NULL while the newest
-- version has it. Spans of one entry neither touch nor overlap. :t is the version, :p and :s those around it.

-- APPEND
-- The newest version: what it lacks has gone, what was not there yet begins.
UPDATE register_spans SET gone = :t WHERE gone IS NULL AND register_id = :r
    AND NOT EXISTS (SELECT 1 FROM register_seen w WHERE w.entry_id = register_spans.entry_id);
INSERT INTO register_spans (entry_id, first, register_id) SELECT entry_id, :t, :r FROM register_seen w
    WHERE NOT EXISTS (SELECT 1 FROM register_spans s WHERE s.entry_id = w.entry_id AND s.gone IS NULL)

-- INSERT
-- A version between others (:p may be NULL, :s is not). What both neighbours have and it lacks is split; what
-- only the earlier has ends here; what only the later has begins here; what neither has stands alone.
INSERT INTO register_spans (entry_id, first, gone, register_id) SELECT entry_id, :s, gone, :r
    FROM register_spans WHERE first <= :p AND (gone IS NULL OR gone > :s) AND register_id = :r
    AND NOT EXISTS (SELECT 1 FROM register_seen w WHERE w.entry_id = register_spans.entry_id);
UPDATE register_spans SET gone = :t WHERE first <= :p AND (gone IS NULL OR gone >= :s) AND register_id = :r
    AND NOT EXISTS (SELECT 1 FROM register_seen w WHERE w.entry_id = register_spans.entry_id);
UPDATE register_spans SET first = :t WHERE first = :s AND register_id = :r
    AND entry_id IN (SELECT entry_id FROM register_seen);
INSERT INTO register_spans (entry_id, first, gone, register_id) SELECT entry_id, :t, :s, :r FROM register_seen w
    WHERE NOT EXISTS (SELECT 1 FROM register_spans s WHERE s.entry_id = w.entry_id
        AND s.first <= :t AND (s.gone IS NULL OR s.gone > :t))

-- FORGET
-- A version taken out, before it is read again with other content. What only it had goes; what only it lacked
-- becomes one span again, for which -1 marks that the later half has no end.
DELETE FROM register_spans WHERE first = :t AND gone IS :s AND register_id = :r;
UPDATE register_spans SET gone = NULL WHERE gone = :t AND :s IS NULL AND register_id = :r;
UPDATE register_spans SET first = :s WHERE first = :t AND register_id = :r;
UPDATE register_spans SET gone = coalesce((SELECT coalesce(later.gone, -1) FROM register_spans later
        WHERE later.entry_id = register_spans.entry_id AND later.first = :s), :s)
    WHERE gone = :t AND register_id = :r;
DELETE FROM register_spans WHERE first = :s AND register_id = :r AND EXISTS (
    SELECT 1 FROM register_spans earlier WHERE earlier.entry_id = register_spans.entry_id
    AND earlier.first < :s AND (earlier.gone = -1 OR earlier.gone > :s));
UPDATE register_spans SET gone = NULL WHERE gone = -1 AND register_id = :r
