-- EXPECTATION
json_extract(expectation, '$.register') AS register, json_extract(expectation, '$.listed') AS listed,
ifnull(json_extract(expectation, '$.listed_at'), json_extract(expectation, '$.since')) AS listed_at

-- CELLS
WITH RECURSIVE {PAIRS},
{RANKED}
SELECT service, text AS target, country, asn, network_name, path, outcome, method, agreement,
    count(DISTINCT name) AS vantages, max(started_at) AS last_at, "trigger", {EXPECTATION}
FROM newest WHERE place = 1 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 12, 9, 13, 14, 15

-- SELECTED_PAIRS
pairs (target_id, vantage_id) AS (
    SELECT t.id, w.id FROM targets t CROSS JOIN vantages w
    WHERE (:service IS NULL OR t.service = :service) AND (:target IS NULL OR t.text = :target)
        AND (:vantage IS NULL OR w.name = :vantage)
)

-- LATEST
WITH RECURSIVE {SELECTED_PAIRS},
{RANKED}
SELECT service, text, name, country, asn, network_name, path, id, started_at, outcome, method, "trigger", confidence,
    agreement, {EXPECTATION}
FROM newest WHERE place = 1 ORDER BY started_at DESC, id LIMIT :most

-- DAYS
SELECT substr(m.started_at, 1, 10), t.text, {NETWORK}, w.path, v.outcome, count(*)
FROM targets t CROSS JOIN vantages w CROSS JOIN measurements m ON m.target_id = t.id AND m.vantage_id = w.id
JOIN verdicts v ON v.measurement = m.number
WHERE (:service IS NULL OR t.service = :service) AND (:target IS NULL OR t.text = :target)
    AND {COUNTED} AND {WITHIN}
GROUP BY 1, 2, 3, 4, 5, 6, 7 LIMIT :most

-- LAST_SEEN
WITH RECURSIVE {PAIRS}
SELECT w.name, ifnull(max(iif(w.path = 'direct', w.country, NULL)), max(w.country)), min((
    SELECT m.started_at FROM measurements m WHERE m.target_id = p.target_id AND m.vantage_id = p.vantage_id
        AND m.control_of IS NULL ORDER BY m.started_at LIMIT 1
)), max((
    SELECT m.started_at FROM measurements m WHERE m.target_id = p.target_id AND m.vantage_id = p.vantage_id
        AND m.control_of IS NULL ORDER BY m.started_at DESC LIMIT 1
)), count(DISTINCT t.text)
FROM pairs p JOIN vantages w ON w.id = p.vantage_id JOIN targets t ON t.id = p.target_id GROUP BY 1 ORDER BY 4 DESC, 1

-- CORRECTIONS
SELECT c.at, t.service, t.text, w.name, {NETWORK}, w.path, m.id, c.was_outcome, c.was_method, c.was_agreement,
    c.was_rules_version, c.outcome, c.method, c.agreement, c.rules_version
FROM corrections c JOIN measurements m ON m.number = c.measurement JOIN targets t ON t.id = m.target_id
JOIN vantages w ON w.id = m.vantage_id
WHERE (:measurement IS NULL OR m.id = :measurement) AND c.at >= :since AND c.at < :until
ORDER BY c.number DESC LIMIT :most

-- REQUIRED
SELECT DISTINCT service, text AS target FROM targets WHERE required

-- COUNTRIES
SELECT DISTINCT country FROM vantages WHERE country IS NOT NULL
