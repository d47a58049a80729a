"""Readers of published fingerprint lists: one format a file, discovered.

Each file gives `NAME`, `recognises(head)` and `read(name, text)`, which yields a Row for each row of data, in order.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol, cast

import msgspec

from results.fingerprints.fingerprint import Print


class Row(msgspec.Struct, frozen=True):
    """One row of a list: the prints it gives, or why it gives none."""

    line: int
    prints: tuple[Print, ...] = ()
    problem: str | None = None


class Format(Protocol):
    """What a file in this folder gives."""

    NAME: str

    def recognises(self, head: str) -> bool:
        """Whether a list that begins so is of this format."""

    def read(self, name: str, text: str) -> Iterator[Row]:
        """The rows of a list. FingerprintError where the whole cannot be believed, as when it is cut short."""


@lru_cache(maxsize=1)
def formats() -> tuple[Format, ...]:
    """Every format there is."""
    found = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(cast(Format, importlib.import_module(f"{__name__}.{name}")) for name in found)
