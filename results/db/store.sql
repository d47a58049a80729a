-- EARLIER
FROM targets t CROSS JOIN vantages w CROSS JOIN measurements m ON m.target_id = t.id AND m.vantage_id = w.id
JOIN verdicts v ON v.measurement = m.number
LEFT JOIN rounds r ON r.id = m.round_id
WHERE r.network_key IS ? AND w.name = ? AND w.country IS ? AND w.asn IS ? AND w.network_name IS ? AND w.path = ?
    AND t.text = ? AND {COUNTED} AND m.started_at < ? AND m.id IS NOT ?

-- HISTORY
SELECT m.started_at, v.outcome, v.failed_by {EARLIER}
ORDER BY m.started_at DESC LIMIT ?

-- RATES
SELECT m.context {EARLIER} AND v.outcome <> 'offline'
ORDER BY m.started_at DESC LIMIT ?

-- OF_A_SERIES
-- Other programs' records of a target on one network, however its name is written.
FROM targets t CROSS JOIN vantages w CROSS JOIN measurements m ON m.target_id = t.id AND m.vantage_id = w.id
JOIN verdicts v ON v.measurement = m.number
WHERE t.text = ? AND w.name = ? AND w.path = ? AND m.control_of IS NULL
    AND json_extract(m.context, '$.recording') IS NOT NULL

-- RECORDED
SELECT m.started_at, v.outcome, v.failed_by {OF_A_SERIES} AND m.started_at < ? ORDER BY 1 DESC LIMIT ?

-- RECORDED_BLOCKS
SELECT m.id, m.started_at, m.context {OF_A_SERIES}
AND m.started_at > ? AND v.outcome = 'blocked' ORDER BY 2
