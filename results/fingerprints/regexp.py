"""Regular expressions of strangers, made safe: what cannot be matched in bounded time on a hostile page is refused.

Published lists use hardly more than text with `.*` in it. So a pattern is read as pieces of text, with single
characters, classes such as `\\d` or `[^>]`, and repetitions of those between them. Python's engine matches it in atomic
groups, each repetition going the shortest way to the text behind it: nothing is tried twice, so nothing explodes.
Groups, alternatives, references and look-arounds are refused.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from itertools import pairwise

import msgspec

MAX_LENGTH = 1_024
"""Characters of a regular expression."""
MAX_GAP = 1_024
"""Bytes that one repetition may span, whatever the pattern says."""
MIN_TEXT = 3
"""Characters of plain text that a pattern begins with, so that it is tried in few places."""
CLASSES = frozenset("dDwWsS")
CONTROL = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}
REPEAT = re.compile(r"(?:([*+?])|\{(\d{1,4})(,?)(\d{0,4})\})[?+]?")


class BadPattern(ValueError):
    """A pattern that is not taken, and why."""


class Part(msgspec.Struct, frozen=True):
    """A piece of text (`charset` None), or `least` to `most` characters of a set, written as the engine reads it."""

    text: str = ""
    charset: str | None = None
    least: int = 1
    most: int = 1

    @property
    def open(self) -> bool:
        return self.charset is not None and self.least != self.most


class Regexp(msgspec.Struct, frozen=True):
    """A pattern ready to be matched: where its first text stands, at the beginning only where `at_start`."""

    pattern: re.Pattern[bytes]
    texts: tuple[bytes, ...]
    """The pieces of text in it, in order."""
    at_start: bool

    def found(self, data: bytes, tries: int) -> bool:
        """Whether it matches anywhere in `data`, looking at no more than `tries` places."""
        place = 0 if self.at_start else data.find(self.texts[0])
        while place >= 0 and tries > 0:
            if self.pattern.match(data, place):
                return True
            if self.at_start:
                return False
            tries -= 1
            place = data.find(self.texts[0], place + 1)
        return False


def compile_safe(text: str) -> Regexp:
    """Make a regular expression ready, or raise BadPattern with the reason why it is not taken."""
    if len(text) > MAX_LENGTH:
        raise BadPattern(f"a regexp that is too long: {len(text)} characters, at most {MAX_LENGTH}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(text)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise BadPattern(f"no valid regexp: {error}") from error
    at_start, at_end = text.startswith("^"), text.endswith("$") and not text.endswith("\\$")
    parts = _shortened(list(_parts(text[at_start : len(text) - at_end])), at_start, at_end)
    if not parts or parts[0].charset is not None or len(parts[0].text) < MIN_TEXT:
        raise BadPattern(f"a regexp that does not begin with {MIN_TEXT} characters of plain text")
    for part, after in pairwise(parts):
        if part.open and after.open:
            raise BadPattern("a regexp with two repetitions in a row, which can take time without bound")
    source = _source(parts) + (r"\Z" if at_end else "")
    texts = tuple(part.text.encode() for part in parts if part.charset is None)
    return Regexp(re.compile(source.encode(), re.DOTALL), texts, at_start)


def literal(text: str) -> str | None:
    """The plain text that a regular expression stands for, where it is nothing else."""
    try:
        parts = list(_parts(text))
    except BadPattern:
        return None
    return parts[0].text if len(parts) == 1 and parts[0].charset is None else None


def _parts(text: str) -> Iterator[Part]:
    """The pattern's pieces in order, neighbouring text joined."""
    plain, place = "", 0
    while place < len(text):
        part, place = _element(text, place)
        repeat = REPEAT.match(text, place)
        if repeat is None:
            if part.charset is None:
                plain += part.text
                continue
        else:
            place = repeat.end()
            part = _repeated(part, repeat)
        if plain:
            yield Part(plain)
            plain = ""
        yield part
    if plain:
        yield Part(plain)


def _element(text: str, place: int) -> tuple[Part, int]:
    char = text[place]
    if char == ".":
        return Part(charset="."), place + 1
    if char == "[":
        return _class(text, place)
    if char in "()|":
        raise BadPattern("a regexp with groups or alternatives; write one line for each")
    if char in "^$*+?":
        raise BadPattern(f"a regexp with a sign that is not understood there: {char}")
    if char != "\\":
        return Part(char), place + 1
    escaped = text[place + 1 : place + 2]
    if escaped in CLASSES and escaped:
        return Part(charset="\\" + escaped), place + 2
    if escaped.isalnum() and escaped not in CONTROL:
        raise BadPattern(f"a regexp with an escape that is not understood: \\{escaped}")
    return Part(CONTROL.get(escaped, escaped)), place + 2


def _class(text: str, place: int) -> tuple[Part, int]:
    end = place + 1 + text.startswith("^", place + 1)
    end += text.startswith("]", end)
    while end < len(text) and text[end] != "]":
        end += 2 if text[end] == "\\" else 1
    source = text[place : end + 1]
    if not source.isascii():
        raise BadPattern("a regexp with a class of characters beyond ASCII")
    return Part(charset=source), end + 1


def _repeated(part: Part, repeat: re.Match[str]) -> Part:
    sign, least, comma, most = repeat.groups()
    if sign:
        low, high = {"*": (0, MAX_GAP), "+": (1, MAX_GAP), "?": (0, 1)}[sign]
    else:
        low = int(least)
        high = (int(most) if most else MAX_GAP) if comma else low
    if high > MAX_GAP or low > high:
        raise BadPattern(f"a regexp with more than {MAX_GAP} repetitions")
    if part.charset is None and not part.text.isascii():
        raise BadPattern("a regexp that repeats a character beyond ASCII")
    return Part(charset=part.charset or f"[{re.escape(part.text)}]", least=low, most=high)


def _shortened(parts: list[Part], at_start: bool, at_end: bool) -> list[Part]:
    """Without what may be empty at the ends, for a search finds the rest just as well."""
    while parts and not at_start and parts[0].charset is not None and parts[0].least == 0:
        del parts[0]
    while parts and not at_end and parts[-1].charset is not None and parts[-1].least == 0:
        del parts[-1]
    return parts


def _source(parts: list[Part]) -> str:
    """Each repetition in an atomic group with what follows it up to the next one."""
    source = ""
    inside = False
    for part in parts:
        if part.charset is None:
            source += re.escape(part.text)
            continue
        if part.open:
            source += (")" if inside else "") + "(?>"
            inside = True
        source += f"{part.charset}{{{part.least},{part.most}}}" + ("?" if part.open else "")
    return source + (")" if inside else "")
