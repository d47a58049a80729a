"""Where words go: results on stdout, talk on stderr; colour and progress on a terminal only."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from rich.console import Console

READABLE = 100
"""Columns, beyond which lines are hard to read."""
PLAIN_WIDTH = 400
"""Wide enough for a row without a fold where nobody reads it on a terminal."""


def print_json(row: Any) -> None:
    """One line of JSON on stdout, flushed: what stands there survives kill -9."""
    sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
    sys.stdout.flush()


class _Trimmed(io.StringIO):
    """stdout without the blanks that a table's last column is filled up with."""

    def write(self, text: str) -> int:
        sys.stdout.write(re.sub(r" +(?=\n)", "", text))
        return len(text)

    def flush(self) -> None:
        sys.stdout.flush()


def out() -> Console:
    """stdout: with colour on a terminal (NO_COLOR respected), plain text otherwise."""
    from rich.console import Console

    class Piped(Console):
        """Leaves a reader that went away to the command line, which calls that no failure."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    if sys.stdout.isatty():
        return Console(highlight=False, markup=False, emoji=False)
    return Piped(file=_Trimmed(), width=PLAIN_WIDTH, highlight=False, markup=False, emoji=False)


def talk(message: str, *, quiet: bool = False) -> None:
    """One line on stderr for a person, unless quiet."""
    if not quiet:
        print(message, file=sys.stderr, flush=True)


def paragraph(text: str, width: int) -> str:
    """Folded between words, never within one, its later lines drawn in."""
    import textwrap

    fits = min(width, READABLE)
    return "\n".join(textwrap.wrap(text, fits, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))
