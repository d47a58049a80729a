"""Signs: what a measurement, its controls and the context show, each a name with one sentence of evidence.

A file for each thing to look at, discovered; each gives `signs(case)`, pairs of name and sentence. Signs conclude
nothing; rules do.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from functools import lru_cache

from results.judge.input import Case

Reader = Callable[[Case], Iterator[tuple[str, str]]]


@lru_cache(maxsize=1)
def readers() -> tuple[Reader, ...]:
    """The `signs` function of every file in this folder, in the order in which evidence is best told."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    return tuple(module.signs for module in sorted(modules, key=lambda module: module.TOLD))


def signs_of(case: Case) -> dict[str, str]:
    """Every sign there is in a case, with its evidence."""
    found: dict[str, str] = {}
    for read in readers():
        for name, sentence in read(case):
            found.setdefault(name, sentence)
    return found
