"""Foreign text made fit to be stored, printed or put in a message."""

from __future__ import annotations

import re
import unicodedata
from gettext import gettext as _

REPLACEMENT = "\ufffd"
MAX_LINE = 300
MAX_NAME = 200
MAX_SHOWN = 500


def replace_unprintable(text: str, replacement: str = REPLACEMENT) -> str:
    """The text with `replacement` for each character that `str.isprintable` refuses (controls, directions)."""
    return text if text.isprintable() else "".join(c if c.isprintable() else replacement for c in text)


def printable(text: str, limit: int = MAX_LINE) -> str:
    """One line of at most `limit` characters, runs of blanks as one."""
    return re.sub(r"\s+", " ", replace_unprintable(text[:limit]))


def bounded(text: str, limit: int = MAX_NAME) -> str:
    """The text as it is where it is one printable line of at most `limit` characters, else as `printable` has it."""
    return text if len(text) <= limit and text.isprintable() else printable(text, limit)


def safe(text: str, limit: int = MAX_SHOWN) -> str:
    """One line for a terminal or a page: no control, format or bidirectional characters, `…` where it was cut."""
    shown = "".join(c if unicodedata.category(c)[0] != "C" and c not in "\u2028\u2029" else REPLACEMENT for c in text)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def system_reason(error: OSError) -> str:
    """Why the operating system refused, in the language of this process."""
    reason = error.strerror or str(error)
    return _(reason) if reason else type(error).__name__
