-- HELD
SELECT count(*) AS measurements, count(DISTINCT target) AS targets, count(DISTINCT vantage_key) AS vantages,
    min(started_at) AS first_at, max(started_at) AS last_at
FROM verdicts WHERE control_of IS NULL AND version = 0

-- STEPS
SELECT count(*) AS observations FROM observations

-- NEWEST
SELECT max(version) AS newest FROM verdicts

-- READ
SELECT source, max(position) AS reached, CAST(sum(measurements) AS BIGINT) AS loaded, max("at") AS last_at
FROM loads GROUP BY source ORDER BY source
