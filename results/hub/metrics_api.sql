-- MEMBERS
SELECT m.name, m.revoked_at, (SELECT at FROM received r WHERE r.member = m.id ORDER BY measurement DESC LIMIT 1)
FROM members m ORDER BY m.name

-- COUNTS
SELECT (SELECT count(*) FROM received), (SELECT count(*) FROM received WHERE flag IS NOT NULL)
