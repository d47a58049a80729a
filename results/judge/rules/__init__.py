"""Rules as data: a table in each file, tried tier by tier until one applies."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from collections.abc import Set
from functools import lru_cache

import msgspec

from results.judge.signals import declared
from results.judge.verdict import Confidence, Outcome, Trigger

TIERS = {
    1: "The vantage's own network",
    2: "The service itself refuses",
    3: "The real service answered",
    4: "Interference that is itself proof",
    5: "A control got through where the vantage failed, twice",
    6: "Every qualified control failed in the same way",
    7: "No control, but the same failure again and again",
    8: "Not enough to tell",
}
FIRST_TABLE = "general"
"""Its rules are tried before those of the other tables in the same tier."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """It applies where all of `needs` are present and none of `unless`. Without `method`, a block is as it failed."""

    id: str
    tier: int
    needs: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()
    outcome: Outcome = "inconclusive"
    method: str | None = None
    trigger: Trigger | None = None
    confidence: Confidence | None = None
    says: str

    def applies(self, present: Set[str]) -> bool:
        return self.needs <= present and self.unless.isdisjoint(present)


def signals(text: str) -> frozenset[str]:
    """A set of signal ids, written with spaces between."""
    return frozenset(text.split())


@lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """Every rule of every table, by tier; within a tier as written, FIRST_TABLE and then the others by name."""
    names = sorted(
        (found.name for found in pkgutil.iter_modules(__path__)), key=lambda name: (name != FIRST_TABLE, name)
    )
    tables = [importlib.import_module(f"{__name__}.{name}").RULES for name in names]
    return tuple(sorted((rule for table in tables for rule in table), key=lambda rule: rule.tier))


@lru_cache(maxsize=1)
def rules_version() -> str:
    """A digest of what rules and signals declare. The letter sorts it after the dates of earlier versions."""
    content = msgspec.json.encode((rules(), declared()), order="deterministic")
    return "r" + hashlib.sha256(content).hexdigest()[:12]
