"""Displays of a running round: rows as JSON, or a progress line and a table."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from gettext import gettext as _
from gettext import ngettext
from typing import TYPE_CHECKING, Any

from probe.reference_sites import NetworkReport
from probe.text import safe
from schedules.render.output import out, print_json, talk
from schedules.render.tables import (
    counted,
    most_relevant,
    path_sentences,
    paths_table,
    paths_worth_showing,
    results_table,
    rows_worth_showing,
    side_by_side,
    summary,
)
from schedules.render.text import words

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


ABNORMAL = ("offline", "portal", "restricted")
"""The states of a network to warn of."""


class JsonDisplay:
    """One line of JSON for each measurement."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def started(self, report: NetworkReport, header: str, total: int) -> None:
        _print_warnings(report, quiet=self._quiet)

    def retesting(self, count: int, report: NetworkReport | None) -> None:
        _print_change(report, quiet=self._quiet)

    def measured(self, line: dict[str, Any]) -> None:
        print_json(line)

    def finished(self, service_rows: list[dict[str, Any]], hint: Callable[[str], str]) -> None:
        for service_row in service_rows:
            print_json(service_row)


class TableDisplay:
    """A line of progress on a terminal, and a table at the end.

    `finished` is called also after an error; its `hint` gives the command that explains a measurement.
    """

    def __init__(self, order: dict[tuple[str, str | None], int], *, quiet: bool) -> None:
        self._order = order
        self._quiet = quiet
        self._rows: list[dict[str, Any]] = []
        self._started_s = time.monotonic()
        self._outcomes: Counter[str] = Counter()
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._has_started = False

    def started(self, report: NetworkReport, header: str, total: int) -> None:
        self._has_started = True
        out().print(header)
        _print_warnings(report, quiet=False)
        if sys.stderr.isatty() and not self._quiet:
            self._progress, self._task = _progress(total)

    def retesting(self, count: int, report: NetworkReport | None) -> None:
        _print_change(report, quiet=self._quiet)
        if self._progress is not None and self._task is not None:
            again = _("re-tests: {count}").format(count=count)
            self._progress.update(self._task, also=f"· {again} ·")

    def measured(self, line: dict[str, Any]) -> None:
        self._rows.append(line)
        self._outcomes[line["outcome"]] += 1
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, advance=1, counts=counted(self._outcomes))

    def finished(self, service_rows: list[dict[str, Any]], hint: Callable[[str], str]) -> None:
        if self._progress is not None:
            self._progress.stop()
        if not self._has_started:
            return
        rows = self.rows()
        shown = service_rows or rows_worth_showing(rows)
        console = out()
        console.print()
        console.print(results_table(shown, console.width))
        if len(shown) < len(rows) and not service_rows:
            left = len(rows) - len(shown)
            sentence = ngettext("… and {count} target as expected", "… and {count} targets as expected", left)
            console.print(sentence.format(count=left))
        self._print_summary(rows, hint)

    def rows(self) -> list[dict[str, Any]]:
        """The measured rows, in the order of the given targets."""
        return sorted(self._rows, key=lambda row: self._order.get((row["target"], row["service"]), 0))

    def _print_summary(self, rows: list[dict[str, Any]], hint: Callable[[str], str], paths: int = 1) -> None:
        console = out()
        console.print()
        example = most_relevant(rows)
        text = summary(rows, time.monotonic() - self._started_s, paths)
        if example is not None:
            why = _("Why: {command}").format(command=hint(example["measurement_id"]))
            text += ("\n" if len(text) + len(why) >= console.width else " ") + why
        console.print(text, soft_wrap=True)


class PathsDisplay(TableDisplay):
    """The same targets via one path after another, and a table that compares the paths."""

    def __init__(self, order: dict[tuple[str, str | None], int], paths: Sequence[str], *, quiet: bool) -> None:
        super().__init__(order, quiet=quiet)
        self._left = list(paths)
        self._by_path: dict[str, Sequence[dict[str, Any]]] = {}
        self._all: list[dict[str, Any]] = []

    def finished(self, service_rows: list[dict[str, Any]], hint: Callable[[str], str]) -> None:
        if self._progress is not None:
            self._progress.stop()
        path, rows = self._left.pop(0), self.rows()
        if rows:
            self._by_path[path] = service_rows or rows
        self._all += rows
        self._rows, self._outcomes = [], Counter()

    def compare(self, hint: Callable[[str], str]) -> None:
        """Print the table of the paths that were measured."""
        if not self._by_path:
            return
        paths, lines = list(self._by_path), side_by_side(self._by_path)
        shown = paths_worth_showing(lines)
        console = out()
        console.print()
        console.print(paths_table(shown, paths))
        if len(shown) < len(lines):
            console.print(_("… and reachable via every path: {count}").format(count=len(lines) - len(shown)))
        console.print()
        for sentence in path_sentences(lines, paths):
            console.print(sentence, soft_wrap=True)
        self._print_summary(self._all, hint, len(paths))


Display = JsonDisplay | TableDisplay


def _print_warnings(report: NetworkReport, *, quiet: bool) -> None:
    """Warn of an abnormal network at the beginning of a round."""
    if report.state in ABNORMAL:
        talk(words().say(f"abnormal_network.{report.state}"), quiet=quiet)
    for sentence in (*report.facts.interception, report.facts.clock):
        if sentence is not None:
            talk(safe(_("note: {text}").format(text=sentence)), quiet=quiet)


def _print_change(report: NetworkReport | None, *, quiet: bool) -> None:
    """Warn of a network that broke since the round began."""
    if report is not None and report.state in ABNORMAL:
        sentence = words().say(f"abnormal_network.{report.state}")
        talk(_("network changed: {text}").format(text=sentence), quiet=quiet)


def _progress(total: int) -> tuple[Progress, TaskID]:
    """A progress line with counts by outcome and the time left, which disappears at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    progress = Progress(
        MofNCompleteColumn(),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[counts]}"),
        TextColumn("{task.fields[also]}"),
        TimeRemainingColumn(),
        TextColumn(_("left")),
        console=Console(stderr=True),
        transient=True,
    )
    task = progress.add_task("", total=total, counts="", also="")
    progress.start()
    return progress, task
