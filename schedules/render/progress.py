"""What is seen of a round while it runs: rows as JSON, a line of progress, or nothing; and the table after it."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from probe.text import safe
from schedules.render.output import out, print_json, talk
from schedules.render.tables import (
    counted,
    most_relevant,
    path_sentences,
    paths_table,
    results_table,
    rows_worth_showing,
    side_by_side,
    summary,
)
from schedules.render.tables import paths_worth_showing as lines_worth_showing

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from probe.reference_sites import NetworkReport

NO_NETWORK = {
    "offline": "no canary answers, so this machine has no working network; nothing was measured",
    "portal": "something else answers for the canaries, as a captive portal does; nothing was measured",
    "restricted": "canaries inside the country work and none abroad does: the network is cut off",
}


class Watcher(Protocol):
    """Hears of a round as it goes."""

    def begun(self, report: NetworkReport, header: str, total: int) -> None: ...

    def again(self, count: int, report: NetworkReport | None) -> None:
        """So many new anomalies are measured again; what the canaries say now, where they were asked."""
        ...

    def committed(self, line: dict[str, Any]) -> None: ...

    def ended(self, service_rows: list[dict[str, Any]], hint: Callable[[str], str]) -> None: ...


class JsonLines:
    """One line for each measurement, as soon as it is in the database."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def begun(self, report: NetworkReport, header: str, total: int) -> None:
        _tell(report, quiet=self._quiet)

    def again(self, count: int, report: NetworkReport | None) -> None:
        _tell_change(report, quiet=self._quiet)

    def committed(self, line: dict[str, Any]) -> None:
        print_json(line)

    def ended(self, service_rows: list[dict[str, Any]], hint: Callable[[str], str]) -> None:
        for service_row in service_rows:
            print_json(service_row)


class Person:
    """A line of progress on a terminal, and at the end the table."""

    def __init__(self, order: dict[tuple[str, str | None], int], *, quiet: bool) -> None:
        self._order = order
        self._quiet = quiet
        self._rows: list[dict[str, Any]] = []
        self._started = time.monotonic()
        self._outcomes: Counter[str] = Counter()
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._begun = False

    def begun(self, report: NetworkReport, header: str, total: int) -> None:
        self._begun = True
        out().print(header)
        _tell(report, quiet=False)
        if sys.stderr.isatty() and not self._quiet:
            self._progress, self._task = _progress(total)

    def again(self, count: int, report: NetworkReport | None) -> None:
        _tell_change(report, quiet=self._quiet)
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, also=f"· {count} measured again, alone ·")

    def committed(self, line: dict[str, Any]) -> None:
        self._rows.append(line)
        self._outcomes[line["outcome"]] += 1
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, advance=1, counts=counted(self._outcomes))

    def ended(self, service_rows: list[dict[str, Any]], hint: Callable[[str], str]) -> None:
        if self._progress is not None:
            self._progress.stop()
        if not self._begun:
            return
        rows = self.rows()
        shown = service_rows or rows_worth_showing(rows)
        console = out()
        console.print()
        console.print(results_table(shown, console.width))
        if len(shown) < len(rows) and not service_rows:
            console.print(f"… and {len(rows) - len(shown)} reachable as expected")
        self._sum_up(rows, hint)

    def rows(self) -> list[dict[str, Any]]:
        """What was committed, in the order in which the targets were given."""
        return sorted(self._rows, key=lambda one: self._order.get((one["target"], one["service"]), 0))

    def _sum_up(self, rows: list[dict[str, Any]], hint: Callable[[str], str], paths: int = 1) -> None:
        console = out()
        console.print()
        told = most_relevant(rows)
        said = summary(rows, time.monotonic() - self._started, paths)
        if told is not None:
            why = f"Why: {hint(told['measurement_id'])}"
            said += ("\n" if len(said) + len(why) >= console.width else " ") + why
        console.print(said, soft_wrap=True)


class SideBySide(Person):
    """The same targets by one path after another; after the last one table, and which path opens what."""

    def __init__(self, order: dict[tuple[str, str | None], int], paths: Sequence[str], *, quiet: bool) -> None:
        super().__init__(order, quiet=quiet)
        self._left = list(paths)
        self._by_path: dict[str, Sequence[dict[str, Any]]] = {}
        self._all: list[dict[str, Any]] = []

    def ended(self, service_rows: list[dict[str, Any]], hint: Callable[[str], str]) -> None:
        if self._progress is not None:
            self._progress.stop()
        path, rows = self._left.pop(0), self.rows()
        if rows:
            self._by_path[path] = service_rows or rows
        self._all += rows
        self._rows, self._outcomes = [], Counter()

    def compare(self, hint: Callable[[str], str]) -> None:
        """Show what was found, by as many paths as there was time for."""
        if not self._by_path:
            return
        paths, lines = list(self._by_path), side_by_side(self._by_path)
        shown = lines_worth_showing(lines)
        console = out()
        console.print()
        console.print(paths_table(shown, paths))
        if len(shown) < len(lines):
            console.print(f"… and {len(lines) - len(shown)} reachable by every path")
        console.print()
        for sentence in path_sentences(lines, paths):
            console.print(sentence, soft_wrap=True)
        self._sum_up(self._all, hint, len(paths))


def _tell(report: NetworkReport, *, quiet: bool) -> None:
    """What is odd about the network a round begins on."""
    if report.state in NO_NETWORK:
        talk(f"network {report.state}: {NO_NETWORK[report.state]}", quiet=quiet)
    for sentence in (*report.facts.interception, report.facts.clock):
        if sentence is not None:
            talk(safe(f"worth knowing: {sentence}"), quiet=quiet)


def _tell_change(report: NetworkReport | None, *, quiet: bool) -> None:
    """What has become of the network since the round began, where that is odd."""
    if report is not None and report.state in NO_NETWORK:
        talk(f"network {report.state} by now: {NO_NETWORK[report.state]}", quiet=quiet)


def _progress(total: int) -> tuple[Progress, TaskID]:
    """One line: how far, counts by outcome, the time left; it goes away when all is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    progress = Progress(
        MofNCompleteColumn(),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[counts]}"),
        TextColumn("{task.fields[also]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(stderr=True),
        transient=True,
    )
    task = progress.add_task("", total=total, counts="", also="")
    progress.start()
    return progress, task
