-- RESULTS
SELECT m.id, m.started_at, t.text, t.service, t.required, w.name, w.country, w.asn, w.network_name, w.path,
    v.outcome, v.method, v.agreement, v.confidence, v.evidence,
    ifnull(r.network, m.context) LIKE '%restricted%', v.expectation, v.rules_version
FROM measurements m JOIN targets t ON t.id = m.target_id JOIN vantages w ON w.id = m.vantage_id
JOIN verdicts v ON v.measurement = m.number LEFT JOIN rounds r ON r.id = m.round_id
WHERE m.control_of IS NULL {later}

-- OUTSIDE
SELECT count(*) FROM measurements m WHERE m.control_of IS NULL {later} AND {when}
