"""Regular expressions of published lists, matched by RE2 in time linear in the page, and never by Python's `re`."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

try:
    import re2
except ImportError:  # no wheel for this machine: patterns are refused
    re2 = None

MAX_LENGTH = 1_024
"""Characters of a regular expression."""
MAX_MEMORY_BYTES = 1 << 20
"""Of one compiled pattern; a larger one is refused."""
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}
PLAIN_TEXT = re.compile(r"(?:[^\\.^$*+?\[()|{]|\{(?!\d{1,4},?\d{0,4}\})|\\(?:[nrtfv]|\W|_))+", re.DOTALL)
NON_ASCII_OPERAND = re.compile(r"[^\x00-\x7f](?:[*+?]|\{\d)|\[[^\]]*[^\x00-\x7f]|\(\?[a-zA-Z]")
"""Operators that would act on one byte of a character, since pages are matched as bytes."""


class BadPattern(ValueError):
    """A pattern that is not taken, and why."""


class NoRegexpEngine(BadPattern):
    """RE2 is not installed."""


def compile_regexp(text: str) -> Any:
    """A compiled pattern with `search(bytes)`, in which `.` is any byte. BadPattern says why it is not taken."""
    if re2 is None:
        raise NoRegexpEngine("a regexp, for which google-re2 is not installed")
    if len(text) > MAX_LENGTH:
        raise BadPattern(f"a regexp that is too long: {len(text)} characters, at most {MAX_LENGTH}")
    if not text.isascii() and NON_ASCII_OPERAND.search(text):
        raise BadPattern("a regexp with a class, a flag or a repetition of characters beyond ASCII")
    try:
        compiled = re2.compile(text.encode(), _options())
        required_text = re2.Filter()
        required_text.Add(text.encode(), _options())
        required_text.Compile()
    except (re2.error, UnicodeEncodeError) as error:
        raise BadPattern(f"no valid regexp: {_reason(error)}") from error
    if required_text.Match(b"", potential=True):
        raise BadPattern("a regexp without plain text that every match holds")
    return compiled


@cache
def _options() -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.dot_nl = True
    options.log_errors = False
    options.never_capture = True
    options.max_mem = MAX_MEMORY_BYTES
    return options


def _reason(error: Exception) -> str:
    given = error.args[0] if error.args else ""
    return given.decode("utf-8", "replace") if isinstance(given, bytes) else str(error)


def literal(text: str) -> str | None:
    """The plain text that a regular expression stands for, where it is nothing else."""
    if not PLAIN_TEXT.fullmatch(text):
        return None
    return re.sub(r"\\(.)", lambda match: ESCAPES.get(match[1], match[1]), text, flags=re.DOTALL)
