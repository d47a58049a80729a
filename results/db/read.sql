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

-- LAST_RUNS
SELECT t.text, t.scheme, t.host, t.port, t.request_path, t.service, t.required, m.started_at, v.outcome
FROM json_each(?) wanted
CROSS JOIN targets t ON t.text = wanted.value
CROSS JOIN vantages w ON w.name = ? AND w.country IS ? AND w.asn IS ? AND w.network_name IS ? AND w.path = ?
JOIN measurements m ON m.number = (
    SELECT number FROM measurements
    WHERE target_id = t.id AND vantage_id = w.id AND control_of IS NULL AND started_at <= ?
    ORDER BY started_at DESC LIMIT 1
)
LEFT JOIN verdicts v ON v.measurement = m.number

-- RECENT_OUTCOMES
SELECT v.outcome
FROM targets t
CROSS JOIN vantages w ON w.name = ? AND w.country IS ? AND w.asn IS ? AND w.network_name IS ? AND w.path = ?
CROSS JOIN measurements m ON m.target_id = t.id AND m.vantage_id = w.id
JOIN verdicts v ON v.measurement = m.number
LEFT JOIN rounds r ON r.id = m.round_id
WHERE t.text = ? AND r.network_key IS ? AND {COUNTED} AND m.started_at <= ?
ORDER BY m.started_at DESC LIMIT ?

-- NEWEST
SELECT t.text, t.service, m.number, m.started_at, m.runtime_s, v.outcome, v.method, max(m.started_at)
FROM json_each(?) wanted
CROSS JOIN targets t ON t.text = wanted.value
CROSS JOIN vantages w ON w.name = ? AND w.path = ?
JOIN measurements m ON m.number = (
    SELECT number FROM measurements WHERE target_id = t.id AND vantage_id = w.id AND control_of IS NULL
    ORDER BY started_at DESC LIMIT 1
)
JOIN verdicts v ON v.measurement = m.number
GROUP BY wanted.key, t.text, t.service
ORDER BY wanted.key, t.id

-- STEPS
SELECT o.step, o.duration_s, o.failure, o.http_status, c.der
FROM observations o LEFT JOIN certificates c ON c.id = json_extract(o.tls_chain, '$[0]')
WHERE o.measurement = ? AND o.role = 'main' AND o.hop = 0

-- RECORDED_ELSEWHERE
SELECT m.id, w.name, v.outcome, max(m.started_at) AS at
FROM targets t JOIN measurements m ON m.target_id = t.id JOIN vantages w ON w.id = m.vantage_id
JOIN verdicts v ON v.measurement = m.number
WHERE t.text = :text AND m.control_of IS NULL AND m.started_at BETWEEN :since AND :until
    AND NOT (w.name = :name AND w.path = :path)
    AND (w.country <> :country OR w.name IN (SELECT value FROM json_each(:vantages)))
GROUP BY w.id ORDER BY at DESC
