"""Signals: facts that a measurement, its controls and its context show, each with one sentence of evidence.

Each module declares its signals in a table of id -> sentence, whose names in braces are the signal's parameters. An id
may have several sentences: `dns.confirmed:control` is a variant of `dns.confirmed`.
"""

from __future__ import annotations

import importlib
import string
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import msgspec

from results.judge.input import Case

Evidence = tuple[str, str]
"""A signal's id and its sentence."""
Reader = Callable[[Case], Iterator[Evidence]]
READERS = (
    "context.circumstances",
    "answer.signals",
    "context.throughput",
    "retry.signals",
    "dns.signals",
    "answer.pages",
    "open_answer.signals",
    "open_answer.trusted",
    "controls.signals",
    "address.signals",
    "controls.recorded",
)
"""Module and function of each reader, in the order in which evidence reads best."""


class Signal(msgspec.Struct, frozen=True):
    """One way to state a signal."""

    id: str
    sentence: str

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for _, name, _, _ in string.Formatter().parse(self.sentence) if name))


class SignalTable:
    """The signals that one module can give."""

    def __init__(self, sentences: dict[str, str]) -> None:
        self.signals = {key: Signal(key.partition(":")[0], sentence) for key, sentence in sentences.items()}

    def __call__(self, key: str, /, **parameters: object) -> Evidence:
        """The signal with its sentence in full. KeyError for one that is not declared."""
        signal = self.signals[key]
        return signal.id, signal.sentence.format_map(parameters)


def _module(name: str) -> Any:
    return importlib.import_module(f"{__name__}.{name}")


@lru_cache(maxsize=1)
def declared() -> tuple[Signal, ...]:
    """Every signal of every table, sorted by id."""
    tables: list[SignalTable] = [_module(name).SIGNALS for name in {reader.partition(".")[0] for reader in READERS}]
    return tuple(sorted((s for table in tables for s in table.signals.values()), key=lambda s: (s.id, s.sentence)))


@lru_cache(maxsize=1)
def _readers() -> tuple[Reader, ...]:
    return tuple(getattr(_module(module), function) for module, _, function in (r.partition(".") for r in READERS))


def signals_of(case: Case) -> dict[str, str]:
    """Every signal in a case, with its sentence; the first sentence of an id counts."""
    found: dict[str, str] = {}
    for read in _readers():
        for name, sentence in read(case):
            found.setdefault(name, sentence)
    return found
