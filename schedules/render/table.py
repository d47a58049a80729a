"""The table of results, the line above it and the line below it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from schedules.render.text import SIGNS, STYLES, how, listing, safe, seconds, what
from schedules.render.wrap import Folded

if TYPE_CHECKING:
    from rich.table import Table

MANY_ROWS = 60
NARROW = 100
Row = dict[str, Any]


def table(rows: Sequence[Row], width: int) -> Table:
    """Target, outcome, how, what the register says, agreement; in `width` columns, folded where need be."""
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="bold")
    says = [listing(row) if width > NARROW else listing(row).removeprefix("since ") for row in rows]
    grid.add_column("", no_wrap=True, min_width=1)
    grid.add_column("target", overflow="fold")
    grid.add_column("outcome", no_wrap=True, min_width=_widest("outcome", (row["outcome"] for row in rows)))
    grid.add_column("how", overflow="fold")
    grid.add_column("register", no_wrap=True, min_width=min(_widest("register", says), 32))
    grid.add_column("agreement", no_wrap=True, min_width=_widest("agreement", (row["agreement"] for row in rows)))
    for row, said in zip(rows, says, strict=True):
        style = STYLES[row["outcome"]]
        grid.add_row(
            Text(SIGNS[row["outcome"]], style=style),
            Folded(
                what(row["target"]) if row["kind"] == "target" else safe(f"{row['service']} ({what(row['target'])})")
            ),
            Text(row["outcome"], style=style),
            how(row),
            said,
            row["agreement"],
        )
    return grid


def _named(row: Row) -> str:
    """The target; for a service's row the service, and the target that decides."""
    return what(row["target"]) if row["kind"] == "target" else safe(f"{row['service']} ({what(row['target'])})")


def _widest(header: str, texts: Iterable[str]) -> int:
    """What a column needs so that nothing in it is cut."""
    return max(map(len, (header, *texts)))


def worth_showing(rows: Sequence[Row]) -> Sequence[Row]:
    """All rows where they are few; of many, those where something is odd, so that nothing scrolls away."""
    if len(rows) <= MANY_ROWS:
        return rows
    return [row for row in rows if row["outcome"] != "reachable" or row["agreement"] not in ("open", "undecided")]


def counted(outcomes: Counter[str]) -> str:
    """`2 blocked, 1 reachable`, the most frequent first."""
    return ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())


def summary(rows: Sequence[Row], elapsed_s: float, paths: int = 1) -> str:
    """How many, how long, what was found."""
    count = len(rows) if paths == 1 else len({(row["target"], row["service"]) for row in rows})
    found = f"{count} target{'s' if count != 1 else ''}" + (f" by {paths} paths" if paths > 1 else "")
    found += f" in {seconds(elapsed_s)}"
    if rows:
        found += f": {counted(Counter(row['outcome'] for row in rows))}."
    return found


def most_telling(rows: Sequence[Row]) -> Row | None:
    """The row whose reasons one would ask for first: blocked before anything odd, before the rest."""
    order = ("blocked", "inconclusive", "denied", "down", "offline", "reachable")
    return min(rows, key=lambda row: order.index(row["outcome"]), default=None)
