"""Answers to the questions of results/aggregate/questions.py from a database of results.

Each query starts at the index that leaves the fewest rows.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from typing import Any, TypeVar

import msgspec

from results.aggregate import questions
from results.aggregate.enforcement import SURE, Block
from results.aggregate.questions import (
    AgreementRow,
    BlockRow,
    ChangeRow,
    DelayRow,
    MatrixRow,
    MethodRow,
    Network,
    Period,
    ordered,
)
from results.sql import COUNTED

Row = TypeVar("Row", bound=msgspec.Struct)
OPEN_END = "\uffff"
"""After every time."""
NETWORK = "w.country, w.asn, w.network_name"
IN_PERIOD = "{at}.started_at >= :since AND {at}.started_at < :until"
UNDETERMINED_SQL = "({})".format(", ".join(f"'{outcome}'" for outcome in questions.UNDETERMINED))
SURE_SQL = "({})".format(", ".join(f"'{confidence}'" for confidence in SURE))
BY_TIME = f"""
FROM measurements m CROSS JOIN verdicts v ON v.measurement = m.number
JOIN targets t ON t.id = m.target_id JOIN vantages w ON w.id = m.vantage_id
WHERE {COUNTED} AND {IN_PERIOD.format(at="m")}
"""
BY_VERDICT = f"""
FROM verdicts v CROSS JOIN measurements m ON m.number = v.measurement
JOIN targets t ON t.id = m.target_id JOIN vantages w ON w.id = m.vantage_id
WHERE {COUNTED} AND {IN_PERIOD.format(at="v")}
"""
PAIRS = """
pairs (target_id, vantage_id) AS (
    SELECT * FROM (
        SELECT target_id, vantage_id FROM measurements WHERE control_of IS NULL ORDER BY target_id, vantage_id LIMIT 1)
    UNION ALL
    SELECT m.target_id, m.vantage_id FROM pairs p JOIN measurements m ON m.number = (
        SELECT number FROM measurements WHERE control_of IS NULL
            AND (target_id, vantage_id) > (p.target_id, p.vantage_id)
        ORDER BY target_id, vantage_id LIMIT 1)
)"""
"""The pairs of target and vantage with measurements, by a loose index scan."""
LAST = f"""
SELECT m.number FROM measurements m JOIN verdicts v ON v.measurement = m.number
WHERE m.target_id = p.target_id AND m.vantage_id = p.vantage_id AND {COUNTED} AND {IN_PERIOD.format(at="m")} {{where}}
ORDER BY m.started_at DESC, m.id DESC LIMIT 1
"""  # noqa: S608 constants only
NEWEST = f"""
WITH RECURSIVE {PAIRS},
found AS (
    SELECT *, ifnull(
        ({LAST.format(where=f"AND v.outcome NOT IN {UNDETERMINED_SQL}")}), ({LAST.format(where="")})) AS number
    FROM pairs p
),
newest AS (
    SELECT t.service, t.text, w.name, {NETWORK}, w.path, m.id, m.started_at, v.outcome, v.method, v."trigger",
        v.confidence, v.agreement, v.expectation, row_number() OVER (
        PARTITION BY t.service, t.text, w.id ORDER BY v.outcome IN {UNDETERMINED_SQL}, m.started_at DESC, m.id DESC
    ) AS place
    FROM found f JOIN measurements m ON m.number = f.number JOIN verdicts v ON v.measurement = m.number
    JOIN targets t ON t.id = m.target_id JOIN vantages w ON w.id = m.vantage_id
)
"""  # noqa: S608 constants only
MATRIX = f"""{NEWEST}
SELECT service, text, country, asn, network_name, path, outcome, method, agreement, count(DISTINCT name),
    max(started_at)
FROM newest WHERE place = 1 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
"""  # noqa: S608 constants only
AGREEMENTS = f"""
SELECT substr(m.started_at, 1, 10), w.country, v.agreement, count(*), count(DISTINCT t.text), count(DISTINCT w.name)
{BY_TIME} GROUP BY 1, 2, 3
"""
BLOCKS = f"""
SELECT t.service, t.text, {NETWORK}, v.method, v."trigger", v.agreement, count(DISTINCT w.name), count(*),
    min(v.started_at), max(v.started_at)
{BY_VERDICT} AND v.agreement = :agreement AND v.agreement <> 'undecided' GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
METHODS = f"""
SELECT {NETWORK}, v.method, count(DISTINCT t.text), count(*)
{BY_VERDICT} AND v.outcome = 'blocked' AND v.method IS NOT NULL GROUP BY 1, 2, 3, 4
"""
LISTINGS = f"""
SELECT t.text, w.country,
    min(ifnull(json_extract(v.expectation, '$.listed_at'), json_extract(v.expectation, '$.since'))) AS listed_at
{BY_VERDICT} AND instr(v.expectation, '"listed":true') > 0 AND json_extract(v.expectation, '$.listed') = 1
GROUP BY 1, 2 HAVING listed_at IS NOT NULL
"""
LISTED_BLOCKS = f"""
WITH listed AS ({LISTINGS}), seen AS (
    SELECT s.text, {NETWORK}, s.listed_at, m.started_at, v.outcome, sum(v.outcome = 'reachable') OVER (
        PARTITION BY s.text, {NETWORK} ORDER BY m.started_at, m.id ROWS UNBOUNDED PRECEDING
    ) AS block
    FROM listed s JOIN targets t ON t.text = s.text CROSS JOIN measurements m ON m.target_id = t.id
    JOIN verdicts v ON v.measurement = m.number JOIN vantages w ON w.id = m.vantage_id AND w.country IS s.country
    WHERE {COUNTED} AND {IN_PERIOD.format(at="m")} AND w.path = 'direct'
        AND (v.outcome = 'reachable' OR v.outcome = 'blocked' AND v.confidence IN {SURE_SQL})
)
SELECT text, country, asn, network_name, listed_at, max(iif(outcome = 'reachable', started_at, NULL)),
    min(iif(outcome = 'blocked', started_at, NULL)), max(iif(outcome = 'blocked', started_at, NULL))
FROM seen GROUP BY 1, 2, 3, 4, 5, block ORDER BY 1, 2, 3, 4, block
"""  # noqa: S608 constants only
"""The blocks of each target on a network, each with the `reachable` before it: input of questions.delay."""
CHANGES = f"""
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
SELECT t.service, t.text, w.name, {NETWORK}, w.path, was.outcome, now.outcome, ifnull(now.method, was.method),
    was.started_at, now.started_at, m.id
FROM pairs p JOIN verdicts was ON was.measurement = p.earlier JOIN verdicts now ON now.measurement = p.number
JOIN measurements m ON m.number = p.number
JOIN targets t ON t.id = m.target_id JOIN vantages w ON w.id = m.vantage_id
WHERE was.outcome <> now.outcome
"""  # noqa: S608 constants only


class SqliteAggregates:
    """Answers from one database. The connection may be read only and stays open."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def matrix(self, period: Period) -> list[MatrixRow]:
        return self._ask(MatrixRow, MATRIX, period)

    def agreement_over_time(self, period: Period) -> list[AgreementRow]:
        return self._ask(AgreementRow, AGREEMENTS, period)

    def enforcement_delay(self, period: Period) -> list[DelayRow]:
        blocks: dict[tuple[str, Network, str], list[Block]] = defaultdict(list)
        for text, country, asn, name, listed_at, *block in self._rows(LISTED_BLOCKS, period):
            blocks[text, (country, asn, name), listed_at].append(Block(*block))
        return ordered(questions.delay(*key, found) for key, found in blocks.items())

    def unlisted_blocks(self, period: Period) -> list[BlockRow]:
        return self._ask(BlockRow, BLOCKS, period, agreement="unlisted-block")

    def collateral(self, period: Period) -> list[BlockRow]:
        return self._ask(BlockRow, BLOCKS, period, agreement="collateral")

    def methods_by_network(self, period: Period) -> list[MethodRow]:
        return self._ask(MethodRow, METHODS, period)

    def changes(self, period: Period) -> list[ChangeRow]:
        return self._ask(ChangeRow, CHANGES, period)

    def _ask(self, kind: type[Row], query: str, period: Period, **parameters: str) -> list[Row]:
        names = kind.__struct_fields__
        return ordered(kind(**dict(zip(names, row, strict=True))) for row in self._rows(query, period, **parameters))

    def _rows(self, query: str, period: Period, **parameters: str) -> sqlite3.Cursor:
        return self._connection.execute(query, period_parameters(period) | parameters)


def period_parameters(period: Period) -> dict[str, Any]:
    """The parameters of IN_PERIOD."""
    return {"since": period.since or "", "until": period.until or OPEN_END}
