-- MEASUREMENTS
{COLUMNS}, m.number, x.at, x.flag
FROM measurements m CROSS JOIN targets t ON t.id = m.target_id CROSS JOIN vantages w ON w.id = m.vantage_id
CROSS JOIN verdicts v ON v.measurement = m.number
LEFT JOIN rounds r ON r.id = m.round_id LEFT JOIN received x ON x.measurement = m.number
WHERE m.number > ? AND m.number <= ? AND m.control_of IS NULL

-- CORRECTIONS
SELECT c.number, m.id, t.text, w.name, c.at,
    c.was_outcome, c.was_method, c.was_confidence, c.was_agreement, c.was_rules_version,
    c.outcome, c.method, c.confidence, c.agreement, c.rules_version
FROM corrections c JOIN measurements m ON m.number = c.measurement JOIN targets t ON t.id = m.target_id
JOIN vantages w ON w.id = m.vantage_id WHERE c.number > ? ORDER BY c.number LIMIT ?
