-- VANTAGES
SELECT DISTINCT {VANTAGE} FROM seen ORDER BY {VANTAGE}

-- SERVICES
CREATE TEMP TABLE services AS
SELECT target, min(service) AS service, max(required) AS required FROM seen WHERE service IS NOT NULL GROUP BY target

-- BY_SERVICE
SELECT coalesce(s.service, o.service, s.target) AS "row", coalesce(s.service, o.service) IS NOT NULL,
    {VANTAGE}, at, outcome, method, agreement, confidence, failing, s.target,
    CASE WHEN s.service IS NULL THEN ifnull(o.required, 1) ELSE s.required END, restricted, since
FROM seen s LEFT JOIN services o ON o.target = s.target
ORDER BY 2 DESC, 1, {VANTAGE}, at, s.target, id

-- BY_TARGET
SELECT target, 0, {VANTAGE}, at, outcome, method, agreement, confidence, failing, target, 1, restricted, since
FROM seen ORDER BY 1, {VANTAGE}, at, id
