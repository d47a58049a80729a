-- Queries of stored registers. :r is a register, :v its version; an entry is in force in the spans that hold :v.

-- IN_FORCE
s.register_id = :r AND s.first <= :v AND (s.gone IS NULL OR s.gone > :v)

-- REGISTERS
SELECT id, name, country FROM registers WHERE (:n IS NULL OR name = :n) AND (:c IS NULL OR country = :c)

-- NEXT_SUBNET_SIZE
-- The sizes that occur, found by hopping along the index.
SELECT family, prefix FROM register_subnets WHERE (family, prefix) > (?, ?) ORDER BY family, prefix LIMIT 1

-- BY_NAME
-- The host's own rows, and masks and exact names of its parents.
SELECT how, name, entry_id FROM register_names WHERE name = ? AND how <= 3
UNION ALL SELECT how, name, entry_id FROM register_names WHERE name IN ({marks}) AND how <= 2

-- ENTRIES
-- Everything of many entries at once: a query for each costs more than what it finds. ?3 is the register's
-- first version: an entry that was in it needs no search for when it was first seen.
SELECT e.id, e.urls, e.ref, e.key, e.block_type, e.basis, d.authority, d.number, d.date, e.listed_on,
    e.listed_at, e.until, s.gone, CASE WHEN s.first = ?3 THEN s.first ELSE (
        SELECT min(o.first) FROM register_entries k JOIN register_spans o ON o.entry_id = k.id
        WHERE k.key = e.key AND k.register_id = e.register_id) END
FROM register_entries e JOIN register_decisions d ON d.id = e.decision_id
JOIN register_spans s ON s.entry_id = e.id AND s.register_id = ?1 AND s.first <= ?2 AND (s.gone IS NULL OR s.gone > ?2)
WHERE e.id IN ({marks})

-- LAST_GONE
SELECT max(gone) FROM register_spans WHERE entry_id = :e AND gone <= :v

-- SHARING
-- Names of entries in force that give an address as what they resolve to.
SELECT e.names FROM register_addresses i
JOIN register_spans s ON s.entry_id = i.entry_id AND {IN_FORCE}
JOIN register_entries e ON e.id = i.entry_id WHERE i.address = :a LIMIT :limit

-- OWN_ADDRESSES
-- What a name resolves to, as its own entries in force say.
SELECT e.resolved FROM register_names i
JOIN register_spans s ON s.entry_id = i.entry_id AND {IN_FORCE}
JOIN register_entries e ON e.id = i.entry_id WHERE i.name = :n LIMIT 1000

-- URLS_ON_HOST
-- Single http URLs on a host, counted up to :limit.
SELECT count(*) FROM (SELECT 1 FROM register_names i
    JOIN register_spans s ON s.entry_id = i.entry_id AND {IN_FORCE}
    WHERE i.name = :n AND i.how = 4 LIMIT :limit)

-- HOSTS
-- Every listed host with the entries in force that name it, in the order of names.
SELECT i.name, d.authority, coalesce(e.basis, ''), coalesce(e.entry_type, ''),
    coalesce(e.listed_on, nullif(d.date, ''), '')
FROM register_names i CROSS JOIN register_spans s ON s.entry_id = i.entry_id AND {IN_FORCE}
JOIN register_entries e ON e.id = i.entry_id JOIN register_decisions d ON d.id = e.decision_id ORDER BY i.name

-- STORED_SAMPLE
SELECT as_of, left_out, strata, targets FROM register_samples
WHERE register = ? AND size = ? AND seed = ? AND include = ? AND drawn_at / 86400 = ? ORDER BY drawn_at DESC LIMIT 1

-- ONLY_IN
-- The rows of the version :here that the version :there lacks.
SELECT e.key, e.ref, e.block_type, e.names, e.urls, e.subnets, e.resolved, e.basis, e.entry_type,
    e.urgency, e.listed_on, e.until, d.authority, d.number, d.date
FROM register_spans s CROSS JOIN register_entries e ON e.id = s.entry_id
JOIN register_decisions d ON d.id = e.decision_id
WHERE s.register_id = :r AND s.first <= :here AND (s.gone IS NULL OR s.gone > :here)
AND NOT (s.first <= :there AND (s.gone IS NULL OR s.gone > :there)) AND NOT EXISTS (
    SELECT 1 FROM register_spans o WHERE o.entry_id = s.entry_id
    AND o.first <= :there AND (o.gone IS NULL OR o.gone > :there))
ORDER BY e.id

-- NEWEST_TIMES
SELECT r.name, max(v.at) FROM registers r JOIN register_versions v ON v.register_id = r.id
WHERE ?1 IS NULL OR r.country = ?1 GROUP BY r.name ORDER BY r.name

-- NEWEST
-- The newest version of each register, with its counts.
SELECT r.id, r.name, r.country, v.format, v.at, v.rows, v.kept, v.skipped, v.entries,
    (SELECT count(*) FROM register_versions w WHERE w.register_id = r.id),
    (SELECT min(at) FROM register_versions w WHERE w.register_id = r.id)
FROM registers r JOIN register_versions v ON v.register_id = r.id
    AND v.at = (SELECT max(at) FROM register_versions w WHERE w.register_id = r.id) ORDER BY r.name

-- KINDS
-- What the entries of the newest version are like.
SELECT e.block_type, d.authority, e.basis, count(*)
FROM register_spans s JOIN register_entries e ON e.id = s.entry_id JOIN register_decisions d ON d.id = e.decision_id
WHERE s.gone IS NULL AND s.register_id = ? GROUP BY 1, 2, 3

-- DISTINCT
SELECT count(DISTINCT {what}) FROM {table} i CROSS JOIN register_spans s ON s.entry_id = i.entry_id
WHERE s.gone IS NULL AND s.register_id = ?

-- EXPORTED_VERSION
-- The newest version of a register, as it is exported.
SELECT r.name, r.country, r.id, v.at, v.updated, v.entries FROM registers r JOIN register_versions v
ON v.register_id = r.id WHERE r.name = ? ORDER BY v.at DESC LIMIT 1

-- EXPORTED_ENTRIES
SELECT e.key, e.block_type, e.names, e.urls, e.subnets, e.resolved, e.ref, d.authority, d.number, d.date, e.entry_type,
    e.urgency, e.listed_on, e.listed_at, e.until, e.basis
FROM register_spans s JOIN register_entries e ON e.id = s.entry_id JOIN register_decisions d ON d.id = e.decision_id
WHERE s.register_id = ? AND s.gone IS NULL ORDER BY e.id
