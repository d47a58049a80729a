"""The same targets by several paths, side by side: a column for each path, and which of them opens what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from schedules.render.text import SIGNS, STYLES, how, safe, what
from schedules.render.wrap import Folded

if TYPE_CHECKING:
    from rich.table import Table

NAMED = 8
"""How many targets a sentence names before it counts the rest."""
MANY_ROWS = 60
Row = dict[str, Any]
Line = dict[str, Row]
"""Of one target: path -> its row."""


def side_by_side(by_path: dict[str, Sequence[Row]]) -> list[Line]:
    """The rows of each path, all in the same order, target by target."""
    longest = max(map(len, by_path.values()), default=0)
    return [{path: rows[n] for path, rows in by_path.items() if n < len(rows)} for n in range(longest)]


def paths_table(lines: Sequence[Line], paths: Sequence[str]) -> Table:
    """Target, then what each path gives."""
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False, header_style="bold")
    grid.add_column("target", overflow="fold")
    for path in paths:
        grid.add_column(safe(path), overflow="fold", min_width=max(len(f"{SIGNS[o]} {o}") for o in SIGNS))
    for line in lines:
        grid.add_row(Folded(_named(line)), *(_cell(line.get(path)) for path in paths))
    return grid


def worth_showing(lines: Sequence[Line]) -> Sequence[Line]:
    """All where they are few; of many, those that do not open by every path."""
    if len(lines) <= MANY_ROWS:
        return lines
    return [line for line in lines if any(row["outcome"] != "reachable" for row in line.values())]


def sentences(lines: Sequence[Line], paths: Sequence[str]) -> Iterator[str]:
    """`opens by vpn: …`: what does not open by the first path and does by another; what opens by none, or only so."""
    first, others = paths[0], paths[1:]
    lines = [line for line in lines if any(row["outcome"] != "offline" for row in line.values())]
    closed = [line for line in lines if not _opens(line, first)]
    for path in others:
        if opened := [line for line in closed if _opens(line, path)]:
            yield f"opens by {safe(path)}: {_listed(opened)}"
    if nowhere := [line for line in closed if not any(_opens(line, path) for path in others)]:
        yield f"opens by none of them: {_listed(nowhere)}"
    for path in others:
        if lost := [line for line in lines if _opens(line, first) and not _opens(line, path)]:
            yield f"opens by {safe(first)}, not by {safe(path)}: {_listed(lost)}"
    if lines and not closed:
        yield f"everything opens by {safe(first)}"


def _opens(line: Line, path: str) -> bool:
    return path in line and line[path]["outcome"] == "reachable"


def _named(line: Line) -> str:
    row = next(iter(line.values()))
    return what(row["target"]) if row["kind"] == "target" else safe(row["service"])


def _listed(lines: Sequence[Line]) -> str:
    names = list(dict.fromkeys(map(_named, lines)))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _cell(row: Row | None) -> Any:
    from rich.text import Text

    if row is None:
        return Text("not measured", style="dim")
    outcome = row["outcome"]
    said = how(row) if outcome == "blocked" else outcome
    return Text(f"{SIGNS[outcome]} {said}", style=STYLES[outcome])
