"""Register formats: one module each, with a `FORMAT`."""

from __future__ import annotations

import functools
import importlib
import pkgutil

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
