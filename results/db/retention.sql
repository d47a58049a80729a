-- OLDEST
SELECT m.number FROM measurements m JOIN vantages w ON w.id = m.vantage_id
WHERE m.control_of IS NULL AND m.started_at < ? AND (? IS NULL OR w.name = ?)
ORDER BY m.started_at LIMIT ?
