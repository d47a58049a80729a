-- FIND_REPEATED
SELECT 1 FROM measurements m JOIN received r ON r.measurement = m.number JOIN targets t ON t.id = m.target_id
WHERE m.id = ? AND r.member = ? AND t.text = ? AND m.id <> ?

-- FIND_OWNER
-- The id of the member who sent it, 0 for none.
SELECT ifnull(r.member, 0) FROM measurements m LEFT JOIN received r ON r.measurement = m.number
WHERE m.id = ? AND m.control_of IS NULL
