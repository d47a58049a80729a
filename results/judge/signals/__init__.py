"""Signals: facts that a measurement, its controls and its context show, each as evidence with the values it rests on.

Their sentences are in `results/i18n/english/evidence.toml`, whose names in braces are a signal's values. An id may have
several sentences: `dns.confirmed:control` is a variant of `dns.confirmed`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from results.i18n.translator import english
from results.judge.input import Case
from results.judge.verdict import Evidence
from results.judge.wording import WORDED_AS

Reader = Callable[[Case], Iterator[Evidence]]
READERS = (
    "context.circumstances",
    "answer.signals",
    "context.throughput",
    "retry.signals",
    "resolver.signals",
    "dns.signals",
    "answer.pages",
    "open_answer.signals",
    "open_answer.trusted",
    "controls.signals",
    "address.signals",
    "controls.recorded",
)
"""Module and function of each reader, in the order in which evidence reads best."""
PREFIX = "signal."


@lru_cache(maxsize=1)
def declared() -> dict[str, list[str]]:
    """Every signal, sorted, with the keys of its sentences in the catalogue."""
    found: dict[str, list[str]] = {signal: _worded(key) for signal, key in WORDED_AS.items()}
    for key in (key for key in english() if key.startswith(PREFIX)):
        found.setdefault(key.removeprefix(PREFIX).partition(":")[0], []).append(key)
    return dict(sorted(found.items()))


def _worded(key: str) -> list[str]:
    return [other for other in english() if other == key or (":" not in key and other.startswith(f"{key}:"))]


@lru_cache(maxsize=1)
def _readers() -> tuple[Reader, ...]:
    def module(name: str) -> Any:
        return importlib.import_module(f"{__name__}.{name}")

    return tuple(getattr(module(name), function) for name, _, function in (r.partition(".") for r in READERS))


def signals_of(case: Case) -> dict[str, Evidence]:
    """Every signal in a case by its id; the first evidence of an id counts."""
    found: dict[str, Evidence] = {}
    for read in _readers():
        for evidence in read(case):
            found.setdefault(evidence.signal, evidence)
    return found
