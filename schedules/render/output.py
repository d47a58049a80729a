"""Output streams: results on stdout, messages on stderr, colour on a terminal only."""

from __future__ import annotations

import io
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from gettext import gettext as _
from typing import TYPE_CHECKING, Any

import msgspec

from probe.text import safe

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from results.registers.records import RowProblem

MAX_PARAGRAPH_COLUMNS = 100
MAX_TASK_NAME = 30
SHOWN_PROBLEMS = 20
PIPE_COLUMNS = 400
"""Wide enough for a row without a line break."""


def print_json(row: Any) -> None:
    """One line of JSON on stdout, flushed so that it survives kill -9."""
    if sys.stdout is not None:  # it is None where the caller closed it
        sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
        sys.stdout.flush()


class _Trimmed(io.StringIO):
    """stdout without the trailing blanks of a table's last column."""

    def write(self, text: str) -> int:
        sys.stdout.write(re.sub(r" +(?=\n)", "", text))
        return len(text)

    def flush(self) -> None:
        sys.stdout.flush()


def out() -> Console:
    """A console on stdout: with colour on a terminal (NO_COLOR respected), else plain text."""
    from rich.console import Console

    class Piped(Console):
        """Raises BrokenPipeError, which the command line handles."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    if sys.stdout.isatty():
        return Console(highlight=False, markup=False, emoji=False)
    return Piped(file=_Trimmed(), width=PIPE_COLUMNS, highlight=False, markup=False, emoji=False)


def talk(message: str, *, quiet: bool = False) -> None:
    """One message on stderr, unless quiet; on a terminal wrapped at its width."""
    if quiet:
        return
    if sys.stderr is not None and sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        message = "\n".join(paragraph(line, width) for line in message.splitlines())
    print(message, file=sys.stderr, flush=True)


def paragraph(text: str, width: int) -> str:
    """Wrapped between words, with later lines indented; at most MAX_PARAGRAPH_COLUMNS wide."""
    return wrapped(text, min(width, MAX_PARAGRAPH_COLUMNS))


def wrapped(text: str, width: int, indent: str = "  ") -> str:
    """Wrapped between words at any width; `indent` is that of later lines."""
    import textwrap

    return textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def print_problems(problems: Sequence[RowProblem], total: int) -> None:
    """The first problems of an import on stderr, each with its place, and how many more there are."""
    for one in problems[:SHOWN_PROBLEMS]:
        sentence = _("{where}: {why} (skipped)") if one.skipped else _("{where}: {why} (kept)")
        talk(safe(sentence.format(where=f"{one.source}:{one.line}", why=one.why)))
    if (more := total - min(len(problems), SHOWN_PROBLEMS)) > 0:
        talk(_("… and {count} more").format(count=more))


@contextmanager
def progress_bars(
    quiet: bool, *tasks: str, in_bytes: bool = False
) -> Iterator[list[Callable[[int, int | None], None]]]:
    """A function (done, total) for each task that moves its progress bar on stderr, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield [lambda done, total: None] * len(tasks)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    count = DownloadColumn() if in_bytes else MofNCompleteColumn()
    columns = TextColumn("{task.description}", markup=False), BarColumn(), count, TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        ids = [bars.add_task(safe(name)[:MAX_TASK_NAME], total=None, visible=not in_bytes) for name in tasks]
        yield [partial(_move, bars, task) for task in ids]


def _move(bars: Progress, task: TaskID, done: int, total: int | None) -> None:
    bars.update(task, completed=done, total=total, visible=True)
