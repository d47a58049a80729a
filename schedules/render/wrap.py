"""A long name in a narrow column: broken where a part of it begins, so that no number is torn apart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.measure import Measurement

PART = re.compile(r"\w+://|[^\w]?[\w-]+|[^\w]")
SHORTEST = 16


def fold(text: str, width: int) -> list[str]:
    """Lines of at most `width` characters; a part is torn only where it is longer than a line."""
    lines = [""]
    for part in PART.findall(text):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
        while len(lines[-1]) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return lines


class Folded:
    """A cell of a table that is folded so."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.measure import Measurement

        longest = max(map(len, PART.findall(self.text)), default=0)
        return Measurement(min(longest, SHORTEST), len(self.text)).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        yield Text("\n".join(fold(self.text, options.max_width)))
