"""How alike networks block, as JSON and as a table for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schedules.render.output import out, print_json
from schedules.render.text import safe

if TYPE_CHECKING:
    from rich.table import Table

    from results.compare.similarity import Alike, Pair

CELL = 6
TOLD = 10
"""How many pairs are told in words."""


def alike_as_json(found: Alike) -> None:
    """One line a pair, like beside like, and at the end the order and the tree."""
    for pair in found.pairs:
        print_json(pair.plain())
    merges = [{"left": m.left, "right": m.right, "distance": round(m.distance, 4)} for m in found.merges]
    print_json({"order": found.order, "merges": merges})


def alike_for_a_person(found: Alike) -> None:
    """The matrix of kappa where it fits, and the pairs that are most alike."""
    console = out()
    if len(found.order) < 2:
        console.print("one network or none: nothing to compare")
        return
    if 20 + CELL * len(found.order) <= console.width:
        console.print(_matrix(found))
        console.print(
            "1.00: the same method for the same services; 0: no more alike than by chance;\n"
            "–: nothing in common, or all of it the same everywhere"
        )
    console.print()
    nearest = sorted((pair for pair in found.pairs if pair.rows), key=lambda pair: (pair.distance, -pair.rows))
    for pair in nearest[:TOLD]:
        console.print(_in_words(pair), soft_wrap=True)
    if len(nearest) > TOLD:
        console.print(f"… and {len(nearest) - TOLD} pairs less alike: --json gives all")


def _matrix(found: Alike) -> Table:
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="bold")
    grid.add_column("", overflow="fold", max_width=20)
    for number, _ in enumerate(found.order, 1):
        grid.add_column(str(number), justify="right", min_width=CELL - 1, no_wrap=True)
    pairs = {frozenset((pair.a, pair.b)): pair for pair in found.pairs}
    for number, name in enumerate(found.order, 1):
        cells = ("·" if name == other else _short(pairs[frozenset((name, other))]) for other in found.order)
        grid.add_row(f"{number} {safe(name)}", *cells)
    return grid


def _short(pair: Pair) -> str:
    return "–" if pair.kappa is None else f"{pair.kappa:.2f}"


def _in_words(pair: Pair) -> str:
    """`AS1 and AS2: 9 of 10 services alike (60%–98%), kappa 0.81 (0.5–1.0); both block 4, 4 of them by one method`."""
    agreement, interval = pair.agreement or 0.0, pair.interval or (0.0, 1.0)
    said = f"{safe(pair.a)} and {safe(pair.b)}: {agreement:.0%} of {pair.rows} alike"
    said += f" ({interval[0]:.0%}–{interval[1]:.0%}{', few' if pair.is_small else ''})"
    if pair.both_blocked:
        said += f"; both block {pair.both_blocked}, {pair.same_method} of them by one method"
    return said
