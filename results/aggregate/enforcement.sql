-- ROWS
SELECT m.id, t.text, w.name, w.country, w.asn, w.network_name, w.path, m.started_at, v.outcome, v.confidence,
    json_extract(v.expectation, '$.register'), json_extract(v.expectation, '$.listed'),
    json_extract(v.expectation, '$.as_of'), json_extract(v.expectation, '$.entries')
FROM measurements m JOIN targets t ON t.id = m.target_id JOIN vantages w ON w.id = m.vantage_id
JOIN verdicts v ON v.measurement = m.number
WHERE {COUNTED} AND t.text = ?

-- LISTED
-- The first condition is that of an index.
SELECT DISTINCT t.text
FROM verdicts v JOIN measurements m ON m.number = v.measurement JOIN targets t ON t.id = m.target_id
WHERE instr(v.expectation, '"listed":true') > 0 AND json_extract(v.expectation, '$.listed') = 1 ORDER BY 1

-- DIRECT
SELECT name, asn, network_name FROM vantages WHERE path = 'direct'

-- VERSIONS
SELECT r.name, v.at FROM registers r JOIN register_versions v ON v.register_id = r.id ORDER BY v.at
