-- ROUNDS
SELECT r.id, r.started_at, r.network, r.evidence, r.network_key, w.name, w.country, w.asn, w.network_name
FROM (
    SELECT DISTINCT round_id, vantage_id FROM measurements
    WHERE control_of IS NULL AND round_id IS NOT NULL AND started_at >= ? AND started_at < ?
) m
JOIN rounds r ON r.id = m.round_id JOIN vantages w ON w.id = m.vantage_id
WHERE w.path = 'direct' ORDER BY r.started_at, r.id

-- SILENT
o.failure IN ('generic_timeout_error', 'connection_reset', 'connection_refused', 'host_unreachable',
    'network_unreachable')

-- CAME_BACK
(o.failure IS NULL OR o.failure LIKE 'ssl#_%' ESCAPE '#')

-- ANSWERS
-- Listed targets are left out: what blocks them says nothing of the network.
SELECT m.round_id, ifnull(t.service, t.host),
    max(CASE WHEN o.step IN ({OVER_UDP}) THEN CASE WHEN {SILENT} THEN 0 WHEN {CAME_BACK} THEN 1 END END),
    max(CASE WHEN o.step IN ({ADDRESSED}) AND o.address LIKE '%:%'
        THEN CASE WHEN {SILENT} THEN 0 WHEN {CAME_BACK} THEN 1 END END),
    max(CASE WHEN o.port = 443 AND o.step = 'tls' AND {CAME_BACK} THEN 1
        WHEN o.port = 443 AND o.step = 'tcp' AND {SILENT} THEN 0
        WHEN o.port = 443 AND o.step = 'tls' AND o.failure = 'connection_reset' THEN 0 END)
FROM measurements m JOIN targets t ON t.id = m.target_id JOIN vantages w ON w.id = m.vantage_id
JOIN observations o ON o.measurement = m.number LEFT JOIN verdicts v ON v.measurement = m.number
WHERE m.control_of IS NULL AND m.round_id IS NOT NULL AND m.started_at >= ? AND m.started_at < ? AND w.path = 'direct'
    AND o.role = 'main' AND ifnull(json_extract(v.expectation, '$.listed'), 0) = 0
GROUP BY 1, 2
