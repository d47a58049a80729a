"""Register formats: one module each, with a `FORMAT`."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator

import msgspec

from results.registers.records import RawRow, RowProblem, VersionTime
from results.registers.source import MAX_LINE_BYTES, RegisterFile

RegisterItem = RawRow | RowProblem | VersionTime


class RegisterFormat(msgspec.Struct, frozen=True):
    """A register format; `register` and `country` are set if only one register is published in it.

    `recognises` gets the first 64 KiB of a file; `read` streams its rows and raises RegisterError if one is incomplete.
    """

    name: str
    recognises: Callable[[bytes], bool]
    read: Callable[[Iterable[RegisterFile]], Iterator[RegisterItem]]
    register: str | None = None
    country: str | None = None


@functools.cache
def formats() -> dict[str, RegisterFormat]:
    """Every register format by name: the modules of this package that define `FORMAT`."""
    found: dict[str, RegisterFormat] = {}
    for module in pkgutil.iter_modules(__path__):
        candidate = getattr(importlib.import_module(f"{__name__}.{module.name}"), "FORMAT", None)
        if isinstance(candidate, RegisterFormat):
            found[candidate.name] = candidate
    return found


def too_long(file: RegisterFile, line: int) -> RowProblem:
    """The problem of a line that `RegisterFile.lines` did not keep."""
    return RowProblem(file.name, line, f"a line of more than {MAX_LINE_BYTES >> 20} MiB")
