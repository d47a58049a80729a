-- JOINED
JOIN targets t ON t.id = m.target_id JOIN vantages w ON w.id = m.vantage_id
LEFT JOIN measurements c ON c.number = m.control_of
WHERE m.number > ? AND m.number <= ?

-- EXPECTED
iif(json_valid(v.expectation), v.expectation, NULL)

-- VERDICTS
SELECT m.id, 0, ifnull(c.started_at, m.started_at), m.started_at, t.text, t.service, w.name, w.country, w.asn,
    w.network_name, w.path, w.id, c.id, (SELECT f.id FROM measurements f WHERE f.number = {m.repeats}), m.round_id,
    r.network, t.scheme, t.host, t.port, t.request_path, t.required, m.runtime_s, m.context, v.outcome, v.method,
    v."trigger", v.confidence, v.rules, v.evidence, v.control, v.rules_version,
    json_extract({EXPECTED}, '$.register'), json_extract({EXPECTED}, '$.listed'),
    ifnull(json_extract({EXPECTED}, '$.listed_at'), json_extract({EXPECTED}, '$.since')),
    json_extract({EXPECTED}, '$.as_of'), {EXPECTED}, v.agreement
FROM measurements m LEFT JOIN verdicts v ON v.measurement = m.number LEFT JOIN rounds r ON r.id = m.round_id
{JOINED} ORDER BY m.number

-- OBSERVATIONS
SELECT m.id, o.place, ifnull(c.started_at, m.started_at), t.text, t.service, w.name, w.country, w.asn, w.network_name,
    w.path, w.id, {columns}
FROM observations o JOIN measurements m ON m.number = o.measurement
{JOINED} ORDER BY o.measurement, o.place

-- LAST
SELECT max(number) FROM (SELECT number FROM measurements WHERE number > ? ORDER BY number LIMIT ?)
