"""The questions of results/aggregate/questions.py as Ibis expressions, the same for every engine.

Each takes the findings (`findings` makes them) and gives the rows of its answer, in no order; times are times. What
belongs together is defined in results/aggregate/questions.py.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import ibis
from ibis import _

from probe.timestamps import parse_time, rfc3339
from results.aggregate.questions import SURE, UNDETERMINED, Period
from results.warehouse.schema import VERDICTS, Kind, Table

Expression = Any
"""A table of Ibis, which brings no types."""
IBIS: dict[Kind, str] = {
    "text": "string",
    "word": "string",
    "int": "int64",
    "float": "float64",
    "time": "timestamp(3)",
    "day": "date",
    "bytes": "binary",
}
NETWORK = ("country", "asn", "network_name")
SERIES = ("service", "target", "vantage_key")


@cache
def unbound(table: Table) -> Expression:
    """A table of the schema, of no engine yet."""
    return ibis.table({c.name: ("" if c.may_lack else "!") + IBIS[c.kind] for c in table.columns}, name=table.name)


def judged(versions: int) -> Expression:
    """Every measurement with its newest verdict, and the controls; `versions` is the highest version there is."""
    rows = unbound(VERDICTS)
    if versions == 0:
        return rows
    newer = rows.filter(_.version > 0).group_by("id").agg(newest=_.version.max())
    newer = newer.rename(judged_again="id")
    joined = rows.left_join(newer, rows.id == newer.judged_again)
    return joined.filter(_.newest.isnull() | (_.version == _.newest)).drop("newest", "judged_again")


def findings(versions: int, *, until: str | None = None, since: str | None = None) -> Expression:
    """The measurements that count: no controls, and none that was repeated at once, whenever that was."""
    rows = judged(versions)
    repeated = unbound(VERDICTS).filter(_.repeats.notnull())
    found = rows.filter(_.control_of.isnull(), _.outcome.notnull(), _.id.notin(repeated.repeats))
    if since is not None:
        found = found.filter(_.started_at >= _moment(since))
    return found if until is None else found.filter(_.started_at < _moment(until))


def _within(versions: int, period: Period) -> Expression:
    return findings(versions, since=period.since, until=period.until)


def _moment(text: str) -> Expression:
    """An end of a period. ValueError where it is no time."""
    return ibis.timestamp(rfc3339(parse_time(text)).removesuffix("Z"))


def matrix(versions: int, period: Period) -> Expression:
    """Of each target, network and path: how many vantages found it so last."""
    return _latest(versions, period, ())


def cells(versions: int, period: Period) -> Expression:
    """The matrix told apart by trigger too, and by what the register said."""
    return _latest(versions, period, ("trigger", "register", "listed", "listed_since")).rename(listed_at="listed_since")


def required(versions: int, period: Period) -> Expression:
    """Services and targets that were required in the period."""
    rows = unbound(VERDICTS).filter(_.required > 0)
    if period.since is not None:
        rows = rows.filter(_.started_at >= _moment(period.since))
    if period.until is not None:
        rows = rows.filter(_.started_at < _moment(period.until))
    return rows.select("service", "target").distinct()


def countries(versions: int, period: None) -> Expression:
    """Those of all vantages, ever."""
    return unbound(VERDICTS).filter(_.country.notnull()).select("country").distinct()


def _latest(versions: int, period: Period, more: tuple[str, ...]) -> Expression:
    untold = _.outcome.isin(UNDETERMINED)
    latest = ibis.window(group_by=SERIES, order_by=[untold, _.started_at.desc(), _.id.desc()])
    last = _within(versions, period).mutate(place=ibis.row_number().over(latest)).filter(_.place == 0)
    keys = ("service", "target", *NETWORK, "path", "outcome", "method", "agreement", *more)
    return last.group_by(*keys).agg(vantages=_.vantage.nunique(), last_at=_.started_at.max())


def agreement_over_time(versions: int, period: Period) -> Expression:
    """Of each UTC day and country: how many findings agree so with its register."""
    rows = _within(versions, period).mutate(day=_.started_at.date())
    return rows.group_by("day", "country", "agreement").agg(
        findings=_.count(), targets=_.target.nunique(), vantages=_.vantage.nunique()
    )


def blocks(versions: int, period: Period, agreement: str) -> Expression:
    """Of each target and network: the findings that agree so with the register, by method."""
    rows = _within(versions, period).filter(_.agreement == agreement)
    return rows.group_by("service", "target", *NETWORK, "method", "trigger", "agreement").agg(
        vantages=_.vantage.nunique(), findings=_.count(), first_at=_.started_at.min(), last_at=_.started_at.max()
    )


def unlisted_blocks(versions: int, period: Period) -> Expression:
    """What networks block though no register lists it."""
    return blocks(versions, period, "unlisted-block")


def collateral(versions: int, period: Period) -> Expression:
    """What networks block by an address that a register blocks for something else."""
    return blocks(versions, period, "collateral")


def methods_by_network(versions: int, period: Period) -> Expression:
    """Of each network and method: how many targets it blocks so."""
    rows = _within(versions, period).filter(_.outcome == "blocked", _.method.notnull())
    return rows.group_by(*NETWORK, "method").agg(targets=_.target.nunique(), findings=_.count())


def enforcement_delay(versions: int, period: Period) -> Expression:
    """Of each listed target and network the blocks, each with the `reachable` before it: what questions.delay is told.

    `block` counts the reachable ones so far, which puts the blocks of a network in order.
    """
    rows = _within(versions, period)
    listed = rows.filter(_.listed == 1, _.listed_since.notnull())
    listed = listed.group_by("target", "country").agg(listed_at=_.listed_since.min())
    listed = listed.select(text="target", land=_.country.fill_null(""), listed_at="listed_at")
    counts = (_.outcome == "reachable") | ((_.outcome == "blocked") & _.confidence.isin(SURE))
    seen = rows.filter(_.path == "direct", counts)
    seen = seen.inner_join(listed, [seen.target == listed.text, seen.country.fill_null("") == listed.land])
    reachable = (_.outcome == "reachable").cast("int64")
    so_far = ibis.cumulative_window(group_by=("target", *NETWORK), order_by=[_.started_at, _.id])
    seen = seen.mutate(block=reachable.sum().over(so_far))
    return seen.group_by("target", *NETWORK, "listed_at", "block").agg(
        opened_at=_at("reachable").max(), first_at=_at("blocked").min(), last_at=_at("blocked").max()
    )


def _at(outcome: str) -> Expression:
    """When it was found so, NULL where it was found otherwise: what an empty `max(…) where` gives differs by engine."""
    return (_.outcome == outcome).ifelse(_.started_at, ibis.null("timestamp(3)"))


def changes(versions: int, period: Period) -> Expression:
    """Findings of a vantage that are blocked where the one before was reachable, or the other way about."""
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
