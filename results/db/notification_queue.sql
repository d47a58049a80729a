-- RECENT_VERDICTS
WITH here AS (
    SELECT w.id, (SELECT max(started_at) FROM measurements
        WHERE target_id = t.id AND vantage_id = w.id AND control_of IS NULL AND started_at <= :until) AS at
    FROM targets t CROSS JOIN vantages w WHERE t.text = :target AND w.name = :name AND w.path = :path
)
SELECT m.id, m.started_at, v.outcome, v.method, v."trigger", v.confidence,
    json_extract(v.expectation, '$.register'), json_extract(v.expectation, '$.listed'),
    json_extract(v.expectation, '$.as_of')
FROM targets t
JOIN measurements m ON m.target_id = t.id
    AND m.vantage_id = (SELECT id FROM here WHERE at IS NOT NULL ORDER BY at DESC LIMIT 1)
JOIN verdicts v ON v.measurement = m.number
WHERE t.text = :target AND {COUNTED} AND m.started_at <= :until
ORDER BY m.started_at DESC LIMIT :limit

-- WAITING
SELECT n.number, n.key, n.what, n.at, n.said FROM untold u JOIN notices n ON n.number = u.notice
WHERE u.receiver = ? ORDER BY n.at, n.number

-- CLAIM
UPDATE receivers SET failures = failures + 1, not_before = ?
WHERE name = ? AND failures = ? AND not_before IS ? AND told_at IS ?

-- DELIVERED
UPDATE receivers SET told_at = ?, failures = 0, not_before = NULL WHERE name = ?

-- WAITING_COUNTS
SELECT r.name, count(u.notice) FROM receivers r LEFT JOIN untold u ON u.receiver = r.name GROUP BY r.name

-- LOST
SELECT count(*) FROM untold u JOIN notices n ON n.number = u.notice WHERE n.at < ?
