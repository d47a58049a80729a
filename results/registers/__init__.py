"""Registers: the lists of what a government says should be blocked.

One file per format (each module here with a `FORMAT`), `records` for what a format yields, `names` for how
names and URLs are compared, `schema` for the tables, `importing` for a file's way into them, `history` for what was
in force when. Look-ups are in `results.expectation`.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from pathlib import Path

from results.registers.records import Format


@functools.cache
def formats() -> dict[str, Format]:
    """Every register format by name: the modules of this package that define `FORMAT`."""
    found: dict[str, Format] = {}
    for module in pkgutil.iter_modules(__path__):
        candidate = getattr(importlib.import_module(f"{__name__}.{module.name}"), "FORMAT", None)
        if isinstance(candidate, Format):
            found[candidate.name] = candidate
    return found


def sample_path() -> Path:
    """The built-in sample register (a dump.xml with made-up decisions), for the demo and for trying things out."""
    return Path(__file__).parent / "sample.xml"
