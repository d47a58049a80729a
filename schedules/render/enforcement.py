"""The tables of `results enforcement`: networks and targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from probe.text import safe
from schedules.render.tables import Folded
from schedules.render.text import what

if TYPE_CHECKING:
    from rich.table import Table

    from results.aggregate.enforcement import Enforcement, NetworkDelay

MANY_ROWS = 40


def networks(delays: Sequence[NetworkDelay]) -> Table:
    """Network, register, targets, how many of them are blocked, the median delay."""
    grid = _grid("network", "register", "listed", "blocked", "median from listing to block")
    for one in delays:
        median = span_text(one.at_least, one.at_most) if one.blocked else "none is blocked"
        grid.add_row(_network(one.network), safe(one.register), str(one.targets), str(one.blocked), median)
    return grid


def targets(found: Sequence[Enforcement]) -> tuple[Table, int]:
    """Target, network, since when it is listed, the hours; and how many were left out."""
    grid = _grid("target", "network", "listed (UTC)", "blocked after")
    for one in found[:MANY_ROWS]:
        listed = safe(one.listed_at)[:16].replace("T", " ")
        grid.add_row(Folded(what(one.target)), _network(one.network), listed, delay_text(one))
    return grid, max(0, len(found) - MANY_ROWS)


def delay_text(one: Enforcement) -> str:
    """The delay of one target."""
    at_least, at_most = one.hours
    if one.first_blocked is None:
        return f"open for {_time(at_least)} so far" if at_least else "not seen since"
    if at_most is None:
        return "blocked; listed nobody knows when"
    return span_text(at_least, at_most)


def span_text(at_least: float | None, at_most: float | None) -> str:
    """`3 to 4 h`, `2.5 to 3 days`, `more than 2 days`, `30 h before the listing`."""
    if at_most is None:
        return f"more than {_time(at_least)}" if at_least else "not known"
    if at_most < 0:
        earlier = f"{_time(-at_most)} or more" if at_least is None else _between(-at_most, -at_least)
        return f"{earlier} before the listing"
    if not at_least:
        return f"up to {_time(at_most)}"
    return _between(at_least, at_most)


def _between(lower: float, upper: float) -> str:
    low, high = _time(lower), _time(upper)
    if low == high:
        return low
    return f"{low.split()[0]} to {high}" if low.split()[1] == high.split()[1] else f"{low} to {high}"


def _time(hours: float | None) -> str:
    if hours is None:
        return "0 h"
    number, unit = (hours, "h") if abs(hours) < 100 else (hours / 24, "days")
    return f"{number:.3g} {unit}" if number < 1000 else f"{number:,.0f} {unit}"


def _network(name: str | None) -> str:
    return safe(name) if name is not None else "unknown"


def _grid(*headers: str) -> Table:
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="bold")
    for header in headers:
        grid.add_column(header, overflow="fold", no_wrap=header != "target")
    return grid
