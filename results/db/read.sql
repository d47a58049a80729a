-- MEASUREMENT
SELECT m.id, m.started_at, m.runtime_s, (SELECT f.id FROM measurements f WHERE f.number = m.repeats),
    t.text, t.scheme, t.host, t.port, t.request_path, t.service, t.required,
    w.name, w.country, w.asn, w.network_name, w.path

-- WHOLE
{MEASUREMENT}, m.number, (SELECT c.id FROM measurements c WHERE c.number = m.control_of), m.internal_error
FROM measurements m JOIN targets t ON t.id = m.target_id JOIN vantages w ON w.id = m.vantage_id

-- CONTROLS
{WHOLE} WHERE m.control_of = (SELECT number FROM measurements WHERE id = ?) ORDER BY m.number

-- VERDICT
v.outcome, v.method, v."trigger", v.confidence, v.rules, v.evidence, v.control, v.rules_version, v.expectation,
v.agreement

-- JUDGED
SELECT {VERDICT}, m.round_id FROM measurements m JOIN verdicts v ON v.measurement = m.number WHERE m.id = ?

-- COLUMNS
{MEASUREMENT}, {VERDICT}, r.network, (SELECT l.id FROM measurements l WHERE l.repeats = m.number)

-- FROM
JOIN vantages w ON w.id = m.vantage_id LEFT JOIN rounds r ON r.id = m.round_id WHERE m.control_of IS NULL

-- BY_TIME
FROM measurements m JOIN verdicts v ON v.measurement = m.number JOIN targets t ON t.id = m.target_id {FROM}

-- BY_VERDICT
FROM verdicts v CROSS JOIN measurements m ON m.number = v.measurement JOIN targets t ON t.id = m.target_id {FROM}

-- BY_TARGET
FROM targets t CROSS JOIN measurements m ON m.target_id = t.id CROSS JOIN verdicts v ON v.measurement = m.number {FROM}
