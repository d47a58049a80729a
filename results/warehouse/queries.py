"""The aggregate questions as Ibis expressions, the same for every engine, and the classes that ask them.

results/aggregate/questions.py defines the questions and the grouping; expressions return unordered rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import ibis
import sqlglot
from ibis import _
from sqlglot import exp

from probe.timestamps import parse_time, rfc3339
from results.aggregate.enforcement import SURE
from results.aggregate.questions import UNDETERMINED, Aggregates, Period
from results.hub.database import QueryTimeout, WarehouseUnavailable
from results.hub.web.queries import PageAnswers
from results.hub.web.site import QUERY_TIMEOUT_S
from results.warehouse.errors import WarehouseError, WarehouseTimeout
from results.warehouse.schema import KINDS, VERDICTS, WarehouseTable

if TYPE_CHECKING:
    from results.warehouse.clickhouse_engine import ClickhouseEngine
    from results.warehouse.engine import Engine

IbisTable = Any
"""An Ibis expression; Ibis ships no type stubs."""
NETWORK = ("country", "asn", "network_name")
SERIES = ("service", "target", "vantage_key")
NEWEST_VERSION = 'SELECT max("version") AS newest FROM "verdicts"'
PAGES_CONNECT_TIMEOUT_S = 2
RETRY_AFTER_S = 15.0
"""How long an unreachable warehouse is not queried again: each attempt blocks a reading thread."""


@cache
def table_expression(table: WarehouseTable) -> IbisTable:
    """A schema table as an Ibis table, not bound to an engine."""
    return ibis.table(
        {c.name: ("" if c.nullable else "!") + KINDS[c.kind]["ibis"] for c in table.columns}, name=table.name
    )


def current_verdicts(versions: int) -> IbisTable:
    """Every measurement with its newest verdict, and the controls; `versions` is the highest stored version."""
    rows = table_expression(VERDICTS)
    if versions == 0:
        return rows
    newer = rows.filter(_.version > 0).group_by("id").agg(newest=_.version.max())
    newer = newer.rename(judged_again="id")
    joined = rows.left_join(newer, rows.id == newer.judged_again)
    return joined.filter(_.newest.isnull() | (_.version == _.newest)).drop("newest", "judged_again")


def findings(versions: int, *, until: str | None = None, since: str | None = None) -> IbisTable:
    """The measurements that count: no controls, and none that an immediate re-test replaced."""
    rows = current_verdicts(versions)
    repeated = table_expression(VERDICTS).filter(_.repeats.notnull())
    found = rows.filter(_.control_of.isnull(), _.outcome.notnull(), _.id.notin(repeated.repeats))
    if since is not None:
        found = found.filter(_.started_at >= _moment(since))
    return found if until is None else found.filter(_.started_at < _moment(until))


def _within(versions: int, period: Period) -> IbisTable:
    return findings(versions, since=period.since, until=period.until)


def _moment(text: str) -> IbisTable:
    """One end of a period. Raises ValueError for an invalid time."""
    return ibis.timestamp(rfc3339(parse_time(text)).removesuffix("Z"))


def matrix(versions: int, period: Period) -> IbisTable:
    """Latest state of each target, network and path: how many vantage points saw it."""
    return _latest_state(versions, period, ())


def cells(versions: int, period: Period) -> IbisTable:
    """The matrix split by trigger and register entry as well."""
    return _latest_state(versions, period, ("trigger", "register", "listed", "listed_since")).rename(
        listed_at="listed_since"
    )


def required(versions: int, period: Period) -> IbisTable:
    """Services and their targets that were required in the period."""
    rows = table_expression(VERDICTS).filter(_.required > 0)
    if period.since is not None:
        rows = rows.filter(_.started_at >= _moment(period.since))
    if period.until is not None:
        rows = rows.filter(_.started_at < _moment(period.until))
    return rows.select("service", "target").distinct()


def countries(versions: int, period: Period) -> IbisTable:
    """Countries of all vantage points, for all time."""
    return table_expression(VERDICTS).filter(_.country.notnull()).select("country").distinct()


def _latest_state(versions: int, period: Period, more: tuple[str, ...]) -> IbisTable:
    undecided = _.outcome.isin(UNDETERMINED)
    latest = ibis.window(group_by=SERIES, order_by=[undecided, _.started_at.desc(), _.id.desc()])
    last = _within(versions, period).mutate(place=ibis.row_number().over(latest)).filter(_.place == 0)
    keys = ("service", "target", *NETWORK, "path", "outcome", "method", "agreement", *more)
    return last.group_by(*keys).agg(vantages=_.vantage.nunique(), last_at=_.started_at.max())


def agreement_over_time(versions: int, period: Period) -> IbisTable:
    """Counts by UTC day, country and agreement with its register."""
    rows = _within(versions, period).mutate(day=_.started_at.date())
    return rows.group_by("day", "country", "agreement").agg(
        findings=_.count(), targets=_.target.nunique(), vantages=_.vantage.nunique()
    )


def blocks(versions: int, period: Period, agreement: str) -> IbisTable:
    """Counts of findings with this agreement by target, network and method."""
    rows = _within(versions, period).filter(_.agreement == agreement)
    return rows.group_by("service", "target", *NETWORK, "method", "trigger", "agreement").agg(
        vantages=_.vantage.nunique(), findings=_.count(), first_at=_.started_at.min(), last_at=_.started_at.max()
    )


def unlisted_blocks(versions: int, period: Period) -> IbisTable:
    """Targets blocked without being listed."""
    return blocks(versions, period, "unlisted-block")


def collateral(versions: int, period: Period) -> IbisTable:
    """Targets blocked by an address that a register lists for another site."""
    return blocks(versions, period, "collateral")


def methods_by_network(versions: int, period: Period) -> IbisTable:
    """How many targets each network blocks by each method."""
    rows = _within(versions, period).filter(_.outcome == "blocked", _.method.notnull())
    return rows.group_by(*NETWORK, "method").agg(targets=_.target.nunique(), findings=_.count())


def enforcement_delay(versions: int, period: Period) -> IbisTable:
    """Blocks of each listed target and network, each with the last `reachable` before it: input of questions.delay.

    `block` counts the `reachable` results so far, which orders the blocks of a network.
    """
    rows = _within(versions, period)
    listed = rows.filter(_.listed == 1, _.listed_since.notnull())
    listed = listed.group_by("target", "country").agg(listed_at=_.listed_since.min())
    listed = listed.select(text="target", listed_country=_.country.fill_null(""), listed_at="listed_at")
    counts = (_.outcome == "reachable") | ((_.outcome == "blocked") & _.confidence.isin(SURE))
    seen = rows.filter(_.path == "direct", counts)
    seen = seen.inner_join(listed, [seen.target == listed.text, seen.country.fill_null("") == listed.listed_country])
    reachable = (_.outcome == "reachable").cast("int64")
    so_far = ibis.cumulative_window(group_by=("target", *NETWORK), order_by=[_.started_at, _.id])
    seen = seen.mutate(block=reachable.sum().over(so_far))
    return seen.group_by("target", *NETWORK, "listed_at", "block").agg(
        opened_at=_at("reachable").max(), first_at=_at("blocked").min(), last_at=_at("blocked").max()
    )


def _at(outcome: str) -> IbisTable:
    """Time of a result with this outcome, else NULL: engines differ in the value of an empty `max(…) where`."""
    return (_.outcome == outcome).ifelse(_.started_at, ibis.null("timestamp(3)"))


def changes(versions: int, period: Period) -> IbisTable:
    """Changes between blocked and reachable in consecutive findings of a vantage point."""
    rows = findings(versions, until=period.until).filter(_.outcome.isin(("blocked", "reachable")))
    series = ibis.window(group_by=SERIES, order_by=[_.started_at, _.id])
    rows = rows.mutate(
        was=_.outcome.lag().over(series), before=_.method.lag().over(series), last_at=_.started_at.lag().over(series)
    )
    if period.since is not None:
        rows = rows.filter(_.started_at >= _moment(period.since))
    return rows.filter(_.was.notnull(), _.was != _.outcome).select(
        "service", "target", "vantage", *NETWORK, "path", "was", now="outcome",
        method=ibis.coalesce(_.method, _.before), last_was_at="last_at", first_now_at="started_at", id="id",
    )  # fmt: skip


QUERIES: dict[str, Callable[[int, Period], IbisTable]] = {
    query.__name__: query
    for query in (matrix, agreement_over_time, enforcement_delay, unlisted_blocks, collateral, methods_by_network,
                  changes, cells, required, countries)
}  # fmt: skip


class WarehouseAnswers(Aggregates):
    """Answers the aggregate questions from one open warehouse."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _rows(self, question: str, period: Period) -> list[dict[str, Any]]:
        newest = self._engine.query(NEWEST_VERSION).to_pylist()[0]["newest"] or 0
        rows = self._engine.query(to_sql(QUERIES[question](newest, period), self._engine.dialect)).to_pylist()
        return [{name: _json_value(value) for name, value in row.items()} for row in rows]


def to_sql(expression: Any, dialect: str) -> str:
    """The expression as SQL with exact counts; Ibis picks approximate ones for ClickHouse."""
    tree = sqlglot.parse_one(str(ibis.to_sql(expression, dialect=dialect)), read=dialect)
    made: str = tree.transform(_exact_count).sql(dialect=dialect)
    return made


def _exact_count(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.ApproxDistinct):
        return exp.Count(this=exp.Distinct(expressions=[node.this]))
    return node


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value.replace(tzinfo=UTC))
    return value.isoformat() if isinstance(value, date) else value


def pages_engine(url: str) -> ClickhouseEngine:
    """Open a clickhouse:// warehouse with short timeouts; the reading threads share it and the caller closes it."""
    from results.warehouse.clickhouse_engine import ClickhouseEngine

    return ClickhouseEngine(url, timeout_s=int(QUERY_TIMEOUT_S), connect_timeout_s=PAGES_CONNECT_TIMEOUT_S)


class WarehousePageAnswers(WarehouseAnswers, PageAnswers):
    """Answers for hub pages; raises QueryTimeout, and WarehouseUnavailable while the warehouse is unreachable."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(engine)
        self._clock, self._away_until = clock, 0.0

    def _rows(self, question: str, period: Period) -> list[dict[str, Any]]:
        if self._clock() < self._away_until:
            raise WarehouseUnavailable
        try:
            return super()._rows(question, period)
        except WarehouseTimeout as error:
            raise QueryTimeout from error
        except WarehouseError as error:
            self._away_until = self._clock() + RETRY_AFTER_S
            raise WarehouseUnavailable(str(error)) from error
