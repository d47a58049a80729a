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

from results.fingerprints.fingerprint import Fingerprint


class FingerprintRow(msgspec.Struct, frozen=True):
    """One row of a list: the prints it gives, or why it gives none."""

    line: int
    prints: tuple[Fingerprint, ...] = ()
    problem: str | None = None


class FingerprintFormat(Protocol):
    """What a file in this folder gives."""

    NAME: str

    def recognises(self, head: str) -> bool:
        """Whether a list that begins so is of this format."""

    def read(self, name: str, text: str) -> Iterator[FingerprintRow]:
        """The rows of a list. FingerprintError where the whole cannot be believed, as when it is cut short."""


@lru_cache(maxsize=1)
def formats() -> tuple[FingerprintFormat, ...]:
    """Every format there is."""
    found = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(cast(FingerprintFormat, importlib.import_module(f"{__name__}.{name}")) for name in found)
