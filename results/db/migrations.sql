-- MEASUREMENTS
CREATE TABLE vantages (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, country TEXT, asn INTEGER, network_name TEXT, path TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX vantages_once
    ON vantages (name, path, ifnull(country, ''), ifnull(asn, 0), ifnull(network_name, ''));

CREATE TABLE targets (
    id INTEGER PRIMARY KEY, text TEXT NOT NULL, scheme TEXT NOT NULL, host TEXT NOT NULL, port INTEGER NOT NULL,
    request_path TEXT, service TEXT, required INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX targets_once ON targets (text, ifnull(service, ''), required);
CREATE INDEX targets_host ON targets (host);

CREATE TABLE rounds (
    id TEXT PRIMARY KEY, started_at TEXT NOT NULL, network TEXT NOT NULL, evidence TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE measurements (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    target_id INTEGER NOT NULL REFERENCES targets (id),
    vantage_id INTEGER NOT NULL REFERENCES vantages (id),
    round_id TEXT REFERENCES rounds (id),
    started_at TEXT NOT NULL,
    runtime_s REAL NOT NULL,
    control_of INTEGER REFERENCES measurements (number) ON DELETE CASCADE,
    context TEXT
) STRICT;
CREATE INDEX measurements_by_time ON measurements (started_at) WHERE control_of IS NULL;
CREATE INDEX measurements_by_target ON measurements (target_id, vantage_id, started_at) WHERE control_of IS NULL;
CREATE INDEX measurements_by_control ON measurements (control_of) WHERE control_of IS NOT NULL;

CREATE TABLE certificates (id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, der BLOB NOT NULL) STRICT;
CREATE TABLE bodies (sha256 TEXT PRIMARY KEY, zlib BLOB NOT NULL) STRICT;

CREATE TABLE verdicts (
    measurement INTEGER PRIMARY KEY REFERENCES measurements (number) ON DELETE CASCADE,
    outcome TEXT NOT NULL, method TEXT, "trigger" TEXT, confidence TEXT,
    rules TEXT NOT NULL, evidence TEXT NOT NULL, control TEXT, rules_version TEXT NOT NULL,
    expectation TEXT, agreement TEXT NOT NULL, failed_by TEXT
) STRICT;
CREATE INDEX verdicts_by_outcome ON verdicts (outcome);

CREATE TABLE consents (id INTEGER PRIMARY KEY, given_at TEXT NOT NULL, text_version INTEGER NOT NULL) STRICT;

CREATE TABLE observations (
    measurement INTEGER NOT NULL REFERENCES measurements (number) ON DELETE CASCADE,
    place INTEGER NOT NULL, id TEXT NOT NULL, step TEXT NOT NULL, PRIMARY KEY (measurement, place)
) STRICT, WITHOUT ROWID;

-- VIEWS
CREATE VIEW findings AS
SELECT m.number, m.id, m.started_at, m.runtime_s, t.text AS target, t.host, t.service, t.required,
    w.name AS vantage, w.country, w.asn, w.network_name, w.path,
    v.outcome, v.method, v."trigger", v.confidence, v.agreement,
    json_extract(v.expectation, '$.register') AS register,
    json_extract(v.expectation, '$.listed') AS listed,
    json_extract(v.expectation, '$.since') AS since,
    json_extract(v.expectation, '$.basis') AS basis,
    v.control, r.network, v.rules, v.evidence, v.rules_version
FROM measurements m
JOIN targets t ON t.id = m.target_id
JOIN vantages w ON w.id = m.vantage_id
JOIN verdicts v ON v.measurement = m.number
LEFT JOIN rounds r ON r.id = m.round_id
WHERE m.control_of IS NULL;

CREATE VIEW latest AS
SELECT f.* FROM targets t CROSS JOIN vantages w JOIN findings f ON f.number = (
    SELECT m.number FROM measurements m
    WHERE m.target_id = t.id AND m.vantage_id = w.id AND m.control_of IS NULL
    ORDER BY m.started_at DESC LIMIT 1
);

CREATE VIEW steps AS
SELECT m.id AS measurement_id, t.text AS target, w.name AS vantage, w.path, m.control_of IS NOT NULL AS is_control, o.*
FROM observations o
JOIN measurements m ON m.number = o.measurement
JOIN targets t ON t.id = m.target_id
JOIN vantages w ON w.id = m.vantage_id;

-- REPEATS
ALTER TABLE measurements ADD COLUMN repeats INTEGER REFERENCES measurements (number) ON DELETE SET NULL;
CREATE INDEX measurements_by_repeat ON measurements (repeats) WHERE repeats IS NOT NULL;
DROP VIEW latest;
DROP VIEW findings;

CREATE VIEW findings AS
SELECT m.number, m.id, m.started_at, m.runtime_s, t.text AS target, t.host, t.service, t.required,
    w.name AS vantage, w.country, w.asn, w.network_name, w.path,
    v.outcome, v.method, v."trigger", v.confidence, v.agreement,
    json_extract(v.expectation, '$.register') AS register,
    json_extract(v.expectation, '$.listed') AS listed,
    json_extract(v.expectation, '$.since') AS since,
    json_extract(v.expectation, '$.basis') AS basis,
    v.control, r.network,
    (SELECT f.id FROM measurements f WHERE f.number = m.repeats) AS repeats,
    (SELECT l.id FROM measurements l WHERE l.repeats = m.number) AS repeated_by, v.rules, v.evidence, v.rules_version
FROM measurements m
JOIN targets t ON t.id = m.target_id
JOIN vantages w ON w.id = m.vantage_id
JOIN verdicts v ON v.measurement = m.number
LEFT JOIN rounds r ON r.id = m.round_id
WHERE m.control_of IS NULL;

CREATE VIEW latest AS
SELECT f.* FROM targets t CROSS JOIN vantages w JOIN findings f ON f.number = (
    SELECT m.number FROM measurements m
    WHERE m.target_id = t.id AND m.vantage_id = w.id AND m.control_of IS NULL
    ORDER BY m.started_at DESC LIMIT 1
);

-- NOTICES
CREATE TABLE notices (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, what TEXT NOT NULL, at TEXT NOT NULL, said TEXT NOT NULL
) STRICT;
CREATE TABLE receivers (
    name TEXT PRIMARY KEY, since TEXT NOT NULL, told_at TEXT, failures INTEGER NOT NULL, not_before TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE untold (
    receiver TEXT NOT NULL REFERENCES receivers (name) ON DELETE CASCADE,
    notice INTEGER NOT NULL REFERENCES notices (number) ON DELETE CASCADE,
    PRIMARY KEY (receiver, notice)
) STRICT, WITHOUT ROWID;
CREATE INDEX untold_by_notice ON untold (notice);

-- NETWORKS
ALTER TABLE rounds ADD COLUMN network_key TEXT;
ALTER TABLE rounds ADD COLUMN asn_source TEXT;
CREATE TABLE traffic (month TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT;
CREATE TABLE pauses (id INTEGER PRIMARY KEY CHECK (id = 1), until TEXT) STRICT;

-- EARLIER_SPANS
DROP VIEW register_listing;
ALTER TABLE register_spans RENAME TO earlier_spans;

-- SPANS_BY_REGISTER
INSERT INTO register_spans (entry_id, first, gone, register_id)
SELECT s.entry_id, s.first, s.gone, e.register_id
FROM earlier_spans s JOIN register_entries e ON e.id = s.entry_id;
DROP TABLE earlier_spans;

-- HUB
CREATE TABLE hubs (
    url TEXT PRIMARY KEY, name TEXT NOT NULL, token TEXT NOT NULL, token_at TEXT NOT NULL, since TEXT NOT NULL,
    queued INTEGER NOT NULL, sent INTEGER NOT NULL DEFAULT 0, sent_at TEXT,
    failures INTEGER NOT NULL DEFAULT 0, not_before TEXT, said TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
    hub TEXT NOT NULL REFERENCES hubs (url) ON DELETE CASCADE,
    measurement INTEGER NOT NULL REFERENCES measurements (number) ON DELETE CASCADE,
    refused TEXT, PRIMARY KEY (hub, measurement)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_by_measurement ON outbox (measurement);
CREATE TABLE members (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, since TEXT NOT NULL, revoked_at TEXT
) STRICT;
CREATE TABLE invitations (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, salt BLOB NOT NULL, hash BLOB NOT NULL, until TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (
    id TEXT PRIMARY KEY, member INTEGER NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    salt BLOB NOT NULL, hash BLOB NOT NULL, made_at TEXT NOT NULL, used INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_by_member ON tokens (member);
CREATE TABLE received (
    measurement INTEGER PRIMARY KEY REFERENCES measurements (number) ON DELETE CASCADE,
    member INTEGER NOT NULL REFERENCES members (id), at TEXT NOT NULL, flag TEXT
) STRICT;
CREATE INDEX received_by_member ON received (member);

-- TIMES_OF_VERDICTS
ALTER TABLE verdicts ADD COLUMN started_at TEXT;
UPDATE verdicts SET started_at = (SELECT started_at FROM measurements WHERE number = measurement);
DROP INDEX verdicts_by_outcome;
CREATE INDEX verdicts_by_outcome ON verdicts (outcome, started_at);
CREATE INDEX verdicts_by_agreement ON verdicts (agreement, started_at) WHERE agreement <> 'undecided';
CREATE INDEX verdicts_listed ON verdicts (measurement) WHERE instr(expectation, '"listed":true') > 0;
CREATE INDEX rounds_by_time ON rounds (started_at);
CREATE INDEX targets_service ON targets (service) WHERE service IS NOT NULL;

-- CORRECTIONS
CREATE TABLE corrections (
    number INTEGER PRIMARY KEY, measurement INTEGER NOT NULL REFERENCES measurements (number) ON DELETE CASCADE,
    at TEXT NOT NULL,
    was_outcome TEXT NOT NULL, was_method TEXT, was_confidence TEXT, was_agreement TEXT NOT NULL,
    was_rules_version TEXT NOT NULL,
    outcome TEXT NOT NULL, method TEXT, confidence TEXT, agreement TEXT NOT NULL, rules_version TEXT NOT NULL
) STRICT;
CREATE INDEX corrections_by_measurement ON corrections (measurement);
CREATE TABLE examined (id INTEGER PRIMARY KEY CHECK (id = 1), measurement INTEGER NOT NULL) STRICT;
CREATE INDEX received_flagged ON received (measurement) WHERE flag IS NOT NULL;

-- INTERNAL_ERRORS
ALTER TABLE measurements ADD COLUMN internal_error TEXT;

-- CONSENT_LANGUAGE
ALTER TABLE consents ADD COLUMN language TEXT;
