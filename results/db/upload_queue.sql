-- NEW
SELECT m.number, t.host FROM measurements m JOIN vantages w ON w.id = m.vantage_id JOIN targets t ON t.id = m.target_id
JOIN verdicts v ON v.measurement = m.number
WHERE m.number > ? AND m.control_of IS NULL AND w.name = ? ORDER BY m.number

-- WAITING
SELECT o.measurement, m.id FROM outbox o JOIN measurements m ON m.number = o.measurement
WHERE o.hub = ? AND o.refused IS NULL ORDER BY o.measurement LIMIT ?
