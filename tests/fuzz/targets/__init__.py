"""What is fuzzed: one module each, with `check(data)`, `SEEDS`, the packages to `INSTRUMENT`, and perhaps `mutate`."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import msgspec

NAMES = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def target(name: str) -> Any:
    """The module of that target."""
    return importlib.import_module(f"{__name__}.{name}")


def can_be_stored(record: msgspec.Struct) -> None:
    """A record must survive JSON, which neither lone surrogates nor numbers of more than 64 bits do."""
    assert msgspec.json.decode(msgspec.json.encode(record), type=type(record)) == record


def is_one_short_line(text: str) -> bool:
    """Whether a message can be shown: one printable line of bounded length."""
    return len(text) <= 2000 and text.isprintable()


def refused_in_words(error: Exception) -> None:
    assert is_one_short_line(str(error)), error
