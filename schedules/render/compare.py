"""A comparison as JSON, CSV, Markdown or a table."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from gettext import gettext as _
from gettext import ngettext
from typing import TYPE_CHECKING

from probe.text import safe
from results.compare import ComparedRow, MatrixCell
from results.export.exchange import without_formula
from results.i18n.signs import GAP, SPLIT
from schedules.render.output import out, paragraph, print_json
from schedules.render.tables import new_table
from schedules.render.text import SIGNS, STYLES, method_text, outcome_text, what

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


WIDE = 13
"""Characters of a cell in words, with its space."""
MAX_NAME_WIDTH = 16
MAX_TEXT = 2000
MAX_ROWS = 60
SAME = ("none", "unknown")
CELL_FIELDS = ("by", "outcome", "method", "agreement", "measurements", "vantage_days", "blocked_share")
CSV_FIELDS = ("row", "difference", *CELL_FIELDS, "low", "high", "last", "says", "note")


class CountedRows:
    """Passes rows on and counts those that differ."""

    def __init__(self, rows: Iterator[ComparedRow]) -> None:
        self._rows = rows
        self.count = self.differing = 0

    def __iter__(self) -> Iterator[ComparedRow]:
        for row in self._rows:
            self.count += 1
            self.differing += row.difference not in SAME
            yield row


def as_json(rows: CountedRows) -> None:
    """One line per row."""
    for row in rows:
        print_json(row.plain())


def as_csv(rows: CountedRows) -> None:
    """One line per cell."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(CSV_FIELDS)
    for row in rows:
        for cell in row.cells:
            plain = cell.plain()
            values = (
                row.row,
                row.difference,
                *(plain[field] for field in CELL_FIELDS),
                *(plain["interval"] or (None, None)),
                plain["last"],
                row.says,
                row.note,
            )
            writer.writerow(
                without_formula(safe(value, MAX_TEXT)) if isinstance(value, str) else value for value in values
            )


def as_markdown(rows: CountedRows) -> None:
    """One table; its last column says what differs."""
    head: list[str] | None = None
    for row in rows:
        if head is None:
            head = ["", *(_escaped(cell.by) for cell in row.cells), _("difference")]
            print(f"| {' | '.join(head)} |")
            print("|" + "---|" * len(head))
        cells = (" ".join(_lines(cell)) for cell in row.cells)
        said = f"{row.says} ({row.note})" if row.note else row.says
        print("| " + " | ".join(map(_escaped, (row.row, *cells, said))) + " |")


def _escaped(text: str) -> str:
    shown = safe(text, MAX_TEXT)
    for letter in "\\`*_[]<>|":
        shown = shown.replace(letter, f"\\{letter}")
    return shown


def for_a_person(rows: CountedRows) -> None:
    """The table and the sentences below it; of more than MAX_ROWS rows those that differ."""
    kept: list[ComparedRow] = []
    for row in rows:
        kept.append(row)
        if len(kept) > MAX_ROWS:
            same = next((n for n, one in enumerate(kept) if one.difference in SAME), len(kept) - 1)
            del kept[same]
    console = out()
    if not kept:
        console.print(_("nothing to compare"))
        return
    width = min(console.width, 200)
    named = min(MAX_NAME_WIDTH, max(len(what(row.row)) for row in kept))
    if max(named, 8) + WIDE * len(kept[0].cells) <= width:
        console.print(_in_words(kept))
    else:
        _in_signs(kept, console, width)
    _print_sentences(kept, console, width)
    if left := rows.count - len(kept):
        sentence = ngettext(
            "… and {count} more row; --json, --csv and --markdown print all",
            "… and {count} more rows; --json, --csv and --markdown print all",
            left,
        )
        console.print(sentence.format(count=left))


def _in_words(rows: list[ComparedRow]) -> Table:
    """A column for each cell: outcome, method, the blocked share of its vantage-days."""
    from rich.text import Text

    grid = new_table()
    grid.add_column("", overflow="fold", min_width=8)
    for cell in rows[0].cells:
        grid.add_column(safe(cell.by), overflow="fold", min_width=WIDE - 1, max_width=2 * WIDE)
    for row in rows:
        cells = []
        for cell in row.cells:
            sign, *rest = _lines(cell)
            text = Text(sign, style=STYLES[cell.outcome] if cell.outcome else "dim")
            for line in rest:
                text.append(f"\n{line}", style="not bold default")
            cells.append(text)
        grid.add_row(what(row.row), *cells)
    return grid


def _in_signs(rows: list[ComparedRow], console: Console, width: int) -> None:
    """A sign for each column, in the order of the list below."""
    from rich.text import Text

    longest = min(max(len(what(row.row)) for row in rows), 30)
    for row in rows:
        line = Text(f"{what(row.row)[:longest]:{longest}} ")
        for cell in row.cells:
            line.append(_sign(cell), style=STYLES[cell.outcome or "offline"])
        console.print(line, soft_wrap=False)
    names = [safe(cell.by) for cell in rows[0].cells]
    columns = _("columns: {names}") if len(names) <= 40 else _("{count} columns, {first} to {last}")
    if all(len(name) == 10 and name[4::3] == "--" for name in names):
        columns = _("one column per day, {first} to {last}")
    columns = columns.format(names=", ".join(names), count=len(names), first=names[0], last=names[-1])
    signs = SIGNS | {"split": SPLIT, "gap": GAP}
    legend = ", ".join(f"{sign} {outcome_text(outcome)}" for outcome, sign in signs.items())
    _paragraph(f"({columns}; {legend})", console, width)


def _lines(cell: MatrixCell) -> Iterator[str]:
    """The lines of a cell."""
    if cell.outcome is None:
        yield f"{GAP} {outcome_text('gap')}"
        if cell.last is not None:
            yield _("last {date}").format(date=cell.plain()["last"][:10])
        return
    yield f"{_sign(cell)} {outcome_text(cell.outcome)}"
    if cell.split:
        yield f"({outcome_text('split')})"
    if cell.method is not None:
        yield method_text(cell.method)
    share = cell.share
    if share is not None and share.share > 0:  # such as `74% of 21 d`, `52–88%`
        yield _("{share} of {days} d").format(share=f"{share.share:.0%}", days=share.of)
        interval = f"{share.low:.0%}–{share.high:.0%}"
        yield _("{interval}, few").format(interval=interval) if share.is_small else interval
    elif share is not None:
        yield _("{share} of {days} d").format(share=0, days=share.of)


def _sign(cell: MatrixCell) -> str:
    if cell.outcome is None:
        return GAP
    return SPLIT if cell.split else SIGNS[cell.outcome]


def _print_sentences(rows: list[ComparedRow], console: Console, width: int) -> None:
    """A sentence for each row that differs; the others in one line."""
    console.print()
    for row in rows:
        if row.difference != "none":
            _paragraph(f"{what(row.row)}: {safe(row.says, 1000)}", console, width)
    same = [what(row.row) for row in rows if row.difference == "none"]
    if same:
        _paragraph(_("no difference: {rows}").format(rows=", ".join(same)), console, width)
    noted: dict[str, list[str]] = {}
    for row in rows:
        if row.note:
            noted.setdefault(row.note, []).append(what(row.row))
    for note, names in noted.items():
        shown = ", ".join(names[:4]) + (" …" if len(names) > 4 else "")
        sentence = _("note on every row: {note}") if len(names) == len(rows) else _("note on {rows}: {note}")
        _paragraph(sentence.format(rows=shown, note=safe(note, 1000)), console, width)
    if any(cell.share and cell.share.of for row in rows for cell in row.cells):
        legend = _("Percentages: days blocked of the days measured (d), with 95% confidence interval")
        _paragraph(legend, console, width)


def _paragraph(text: str, console: Console, width: int) -> None:
    console.print(paragraph(text, width), soft_wrap=True)
