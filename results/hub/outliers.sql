-- UNCHECKED
SELECT x.measurement, x.member, m.target_id, m.started_at, v.outcome, w.name, w.country, w.asn, w.path
FROM received x CROSS JOIN measurements m ON m.number = x.measurement CROSS JOIN verdicts v ON v.measurement = m.number
CROSS JOIN vantages w ON w.id = m.vantage_id
WHERE x.measurement > ? AND x.at <= ? ORDER BY x.measurement LIMIT ?

-- OTHERS
SELECT id, name, asn FROM vantages WHERE country = ? AND path = 'direct' AND name <> ?
ORDER BY asn IS NOT ?, id DESC LIMIT ?

-- AGREES
SELECT max(v.outcome = ?) FROM targets t CROSS JOIN measurements m ON m.target_id = t.id CROSS JOIN verdicts v
    ON v.measurement = m.number
WHERE t.text = (SELECT text FROM targets WHERE id = ?) AND m.vantage_id = ? AND m.control_of IS NULL
    AND m.started_at >= ? AND m.started_at < ? AND v.outcome IN ('blocked', 'reachable')
