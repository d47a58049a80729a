"""sqlite-utils without pandas and numpy, which it imports where they are installed: 0.5 s and 100 MB, unused here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

UNUSED = ("numpy", "pandas")


@contextmanager
def _hidden(names: tuple[str, ...]) -> Iterator[None]:
    """Make these modules appear not installed, except those already loaded."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type] # None: Python's own sign for it
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


with _hidden(UNUSED):
    from sqlite_utils import Database as Database
    from sqlite_utils import Migrations as Migrations
