"""What `results list` shows a person: the newest findings, one a line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from schedules.render.text import SIGNS, STYLES, how, safe, what
from schedules.render.wrap import Folded

if TYPE_CHECKING:
    from rich.table import Table


def _what(row: dict[str, Any]) -> str:
    """The target, and the path where that is not the direct one."""
    path = row["vantage"]["path"]
    return what(row["target"]) + (f" via {safe(path)}" if path != "direct" else "")


def recent(rows: Iterable[dict[str, Any]], short: Callable[[str], str]) -> Table:
    """Id, when, target, outcome, how, agreement."""
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="bold")
    grid.add_column("id", no_wrap=True)
    grid.add_column("when (UTC)", no_wrap=True)
    grid.add_column("target", overflow="fold")
    grid.add_column("outcome", no_wrap=True)
    grid.add_column("how", overflow="fold")
    grid.add_column("agreement", no_wrap=True)
    for row in rows:
        style = STYLES[row["outcome"]]
        grid.add_row(
            safe(short(row["measurement_id"])),
            safe(row["started_at"])[:16].replace("T", " "),
            Folded(_what(row)),
            Text(f"{SIGNS[row['outcome']]} {row['outcome']}", style=style),
            how(row),
            row["agreement"],
        )
    return grid
