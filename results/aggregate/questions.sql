-- Each query starts at the index that leaves the fewest rows; columns have the names of the rows' fields.

-- NETWORK
w.country, w.asn, w.network_name

-- WITHIN
m.started_at >= :since AND m.started_at < :until

-- BY_TIME
FROM measurements m CROSS JOIN verdicts v ON v.measurement = m.number
JOIN targets t ON t.id = m.target_id JOIN vantages w ON w.id = m.vantage_id
WHERE {COUNTED} AND {WITHIN}

-- BY_VERDICT
FROM verdicts v CROSS JOIN measurements m ON m.number = v.measurement
JOIN targets t ON t.id = m.target_id JOIN vantages w ON w.id = m.vantage_id
WHERE {COUNTED} AND v.started_at >= :since AND v.started_at < :until

-- PAIRS
-- The pairs of target and vantage with measurements, by a loose index scan.
pairs (target_id, vantage_id) AS (
    SELECT * FROM (
        SELECT target_id, vantage_id FROM measurements WHERE control_of IS NULL ORDER BY target_id, vantage_id LIMIT 1)
    UNION ALL
    SELECT m.target_id, m.vantage_id FROM pairs p JOIN measurements m ON m.number = (
        SELECT number FROM measurements WHERE control_of IS NULL
            AND (target_id, vantage_id) > (p.target_id, p.vantage_id)
        ORDER BY target_id, vantage_id LIMIT 1)
)

-- LAST
SELECT m.number FROM measurements m JOIN verdicts v ON v.measurement = m.number
WHERE m.target_id = p.target_id AND m.vantage_id = p.vantage_id AND {COUNTED} AND {WITHIN}

-- RANKED
found AS (
    SELECT *, ifnull((
        {LAST} AND v.outcome NOT IN {UNDETERMINED} ORDER BY m.started_at DESC, m.id DESC LIMIT 1
    ), (
        {LAST} ORDER BY m.started_at DESC, m.id DESC LIMIT 1
    )) AS number
    FROM pairs p
),
newest AS (
    SELECT t.service, t.text, w.name, {NETWORK}, w.path, m.id, m.started_at, v.outcome, v.method, v."trigger",
        v.confidence, v.agreement, v.expectation, row_number() OVER (
        PARTITION BY t.service, t.text, w.id ORDER BY v.outcome IN {UNDETERMINED}, m.started_at DESC, m.id DESC
    ) AS place
    FROM found f JOIN measurements m ON m.number = f.number JOIN verdicts v ON v.measurement = m.number
    JOIN targets t ON t.id = m.target_id JOIN vantages w ON w.id = m.vantage_id
)

-- MATRIX
WITH RECURSIVE {PAIRS},
{RANKED}
SELECT service, text AS target, country, asn, network_name, path, outcome, method, agreement,
    count(DISTINCT name) AS vantages, max(started_at) AS last_at
FROM newest WHERE place = 1 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9

-- AGREEMENT_OVER_TIME
SELECT substr(m.started_at, 1, 10) AS day, w.country, v.agreement, count(*) AS findings,
    count(DISTINCT t.text) AS targets, count(DISTINCT w.name) AS vantages
{BY_TIME} GROUP BY 1, 2, 3

-- BLOCKS
SELECT t.service, t.text AS target, {NETWORK}, v.method, v."trigger", v.agreement,
    count(DISTINCT w.name) AS vantages, count(*) AS findings, min(v.started_at) AS first_at, max(v.started_at) AS last_at
{BY_VERDICT} AND v.agreement <> 'undecided'

-- UNLISTED_BLOCKS
{BLOCKS} AND v.agreement = 'unlisted-block' GROUP BY 1, 2, 3, 4, 5, 6, 7

-- COLLATERAL
{BLOCKS} AND v.agreement = 'collateral' GROUP BY 1, 2, 3, 4, 5, 6, 7

-- METHODS_BY_NETWORK
SELECT {NETWORK}, v.method, count(DISTINCT t.text) AS targets, count(*) AS findings
{BY_VERDICT} AND v.outcome = 'blocked' AND v.method IS NOT NULL GROUP BY 1, 2, 3, 4

-- LISTINGS
SELECT t.text, w.country,
    min(ifnull(json_extract(v.expectation, '$.listed_at'), json_extract(v.expectation, '$.since'))) AS listed_at
{BY_VERDICT} AND instr(v.expectation, '"listed":true') > 0 AND json_extract(v.expectation, '$.listed') = 1
GROUP BY 1, 2 HAVING listed_at IS NOT NULL

-- ENFORCEMENT_DELAY
-- The blocks of each target on a network, each with the `reachable` before it.
WITH listed AS ({LISTINGS}), seen AS (
    SELECT s.text, {NETWORK}, s.listed_at, m.started_at, v.outcome, sum(v.outcome = 'reachable') OVER (
        PARTITION BY s.text, {NETWORK} ORDER BY m.started_at, m.id ROWS UNBOUNDED PRECEDING
    ) AS block
    FROM listed s JOIN targets t ON t.text = s.text CROSS JOIN measurements m ON m.target_id = t.id
    JOIN verdicts v ON v.measurement = m.number JOIN vantages w ON w.id = m.vantage_id AND w.country IS s.country
    WHERE {COUNTED} AND {WITHIN} AND w.path = 'direct'
        AND (v.outcome = 'reachable' OR v.outcome = 'blocked' AND v.confidence IN {SURE})
)
SELECT text AS target, country, asn, network_name, listed_at, block,
    max(iif(outcome = 'reachable', started_at, NULL)) AS opened_at,
    min(iif(outcome = 'blocked', started_at, NULL)) AS first_at,
    max(iif(outcome = 'blocked', started_at, NULL)) AS last_at
FROM seen GROUP BY 1, 2, 3, 4, 5, block

-- CHANGES
WITH inside AS (
    SELECT m.number, row_number() OVER series AS place, lag(m.number) OVER series AS earlier
    {BY_TIME} AND v.outcome IN ('blocked', 'reachable')
    WINDOW series AS (PARTITION BY t.service, t.text, w.id ORDER BY m.started_at, m.id)
), pairs AS (
    SELECT n.number, ifnull(n.earlier, iif(n.place > 1 OR :since = '', NULL, (
        SELECT b.number FROM measurements o JOIN targets ot ON ot.id = o.target_id
        JOIN targets t ON t.text = ot.text AND t.service IS ot.service
        CROSS JOIN measurements b ON b.number = (
            SELECT m.number FROM measurements m CROSS JOIN verdicts v ON v.measurement = m.number
            WHERE m.target_id = t.id AND m.vantage_id = o.vantage_id AND {COUNTED} AND m.started_at < :since
                AND v.outcome IN ('blocked', 'reachable')
            ORDER BY m.started_at DESC, m.id DESC LIMIT 1)
        WHERE o.number = n.number ORDER BY b.started_at DESC, b.id DESC LIMIT 1
    ))) AS earlier FROM inside n
)
SELECT t.service, t.text AS target, w.name AS vantage, {NETWORK}, w.path, was.outcome AS was, now.outcome AS now,
    ifnull(now.method, was.method) AS method, was.started_at AS last_was_at, now.started_at AS first_now_at, m.id
FROM pairs p JOIN verdicts was ON was.measurement = p.earlier JOIN verdicts now ON now.measurement = p.number
JOIN measurements m ON m.number = p.number
JOIN targets t ON t.id = m.target_id JOIN vantages w ON w.id = m.vantage_id
WHERE was.outcome <> now.outcome
