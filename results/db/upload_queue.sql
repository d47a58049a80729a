-- NEW
SELECT m.number, t.host FROM measurements m JOIN vantages w ON w.id = m.vantage_id JOIN targets t ON t.id = m.target_id
JOIN verdicts v ON v.measurement = m.number
WHERE m.number > ? AND m.control_of IS NULL AND w.name = ? ORDER BY m.number

-- WAITING
SELECT o.measurement, m.id FROM outbox o JOIN measurements m ON m.number = o.measurement
WHERE o.hub = ? AND o.refused IS NULL ORDER BY o.measurement LIMIT ?

-- ENROL
INSERT INTO hubs (url, name, token, token_at, since, queued)
VALUES (:url, :name, :token, :now, :now, (SELECT ifnull(max(number), 0) FROM measurements))
ON CONFLICT (url) DO UPDATE SET name = :name, token = :token, token_at = :now, failures = 0, not_before = NULL,
    said = NULL

-- QUEUED
UPDATE hubs SET queued = max(queued, (SELECT ifnull(max(number), 0) FROM measurements)) WHERE url = ?

-- CLAIM
UPDATE hubs SET failures = failures + 1, not_before = ?
WHERE url = ? AND failures = ? AND not_before IS ? AND sent = ?

-- TAKEN
DELETE FROM outbox WHERE hub = ? AND measurement = ?

-- REFUSED
UPDATE outbox SET refused = ? WHERE hub = ? AND measurement = ?

-- SENT
UPDATE hubs SET sent = sent + ?, sent_at = ?, failures = 0, not_before = NULL, said = NULL WHERE url = ?

-- FAILED
UPDATE hubs SET said = ?, not_before = ifnull(?, not_before) WHERE url = ?

-- COUNTS
SELECT count(*) - count(refused), count(refused) FROM outbox WHERE hub = ?

-- REFUSALS
SELECT m.id, t.text, o.refused FROM outbox o JOIN measurements m ON m.number = o.measurement
JOIN targets t ON t.id = m.target_id
WHERE o.hub = ? AND o.refused IS NOT NULL ORDER BY o.measurement DESC LIMIT ?
