"""What is seen of a round while it runs: rows as JSON, a line of progress, or nothing; and the table after it."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from schedules.show.output import out, print_json, talk
from schedules.show.table import counted, most_telling, summary, table, worth_showing

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from probe.canary import NetworkReport

NO_NETWORK = {
    "offline": "no canary answers, so this machine has no working network; nothing was measured",
    "portal": "something else answers for the canaries, as a captive portal does; nothing was measured",
    "restricted": "canaries inside the country work and none abroad does: the network is cut off",
}


class Watcher(Protocol):
    """Hears of a round as it goes."""

    def begun(self, report: NetworkReport, header: str, total: int) -> None: ...

    def committed(self, line: dict[str, Any]) -> None: ...

    def ended(self, service_rows: list[dict[str, Any]], hint: Callable[[str], str]) -> None: ...


class JsonLines:
    """One line for each measurement, as soon as it is in the database."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def begun(self, report: NetworkReport, header: str, total: int) -> None:
        if report.state in NO_NETWORK:
            talk(f"network {report.state}: {NO_NETWORK[report.state]}", quiet=self._quiet)

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

    def begun(self, report: NetworkReport, header: str, total: int) -> None:
        out().print(header)
        if report.state in NO_NETWORK:
            talk(f"network {report.state}: {NO_NETWORK[report.state]}")
        if sys.stderr.isatty() and not self._quiet:
            self._progress, self._task = _progress(total)

    def committed(self, line: dict[str, Any]) -> None:
        self._rows.append(line)
        self._outcomes[line["outcome"]] += 1
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, advance=1, counts=counted(self._outcomes))

    def ended(self, service_rows: list[dict[str, Any]], hint: Callable[[str], str]) -> None:
        if self._progress is not None:
            self._progress.stop()
        rows = sorted(self._rows, key=lambda one: self._order.get((one["target"], one["service"]), 0))
        shown = service_rows or worth_showing(rows)
        console = out()
        console.print()
        console.print(table(shown, console.width))
        if len(shown) < len(rows) and not service_rows:
            console.print(f"… and {len(rows) - len(shown)} reachable as expected")
        console.print()
        told = most_telling(rows)
        said = summary(rows, time.monotonic() - self._started)
        if told is not None:
            why = f"Why: {hint(told['measurement_id'])}"
            said += ("\n" if len(said) + len(why) >= console.width else " ") + why
        console.print(said, soft_wrap=True)


def _progress(total: int) -> tuple[Progress, TaskID]:
    """One line: how far, counts by outcome, the time left; it goes away when all is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    progress = Progress(
        MofNCompleteColumn(),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[counts]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(stderr=True),
        transient=True,
    )
    task = progress.add_task("", total=total, counts="")
    progress.start()
    return progress, task
