"""A byte stream as numbered, bounded lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

MAX_LINE = 1 << 20


class Line(NamedTuple):
    """One line without its line feed. `content` is None where it was over-long; `ended` says whether a line feed
    followed."""

    number: int
    content: bytes | None
    ended: bool


def lines(chunks: Iterable[bytes]) -> Iterator[Line]:
    """Split at line feeds (a carriage return before one is dropped); never holds more than a chunk and a line."""
    number, rest, oversize = 1, b"", False
    for chunk in chunks:
        pieces = (rest + chunk).split(b"\n")
        rest = pieces.pop()
        for piece in pieces:
            yield Line(number, None if oversize or len(piece) > MAX_LINE else piece.removesuffix(b"\r"), True)
            number, oversize = number + 1, False
        if len(rest) > MAX_LINE:
            rest, oversize = b"", True
    if rest or oversize:
        yield Line(number, None if oversize else rest, False)
