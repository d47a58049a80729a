"""Rules as data: a file of them for each step, tried tier by tier until one applies."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Set
from functools import lru_cache
from importlib.resources import files

import msgspec

from results.judge.verdict import Confidence, Outcome, Trigger

TIERS = {
    1: "The vantage point's own network",
    2: "The service itself refuses",
    3: "The real service answered",
    4: "Interference that is itself proof",
    5: "A control succeeded where the vantage point failed twice",
    6: "Every qualified control failed in the same way",
    7: "No control: what a dead site cannot show, and what it can",
    8: "Not enough data to decide",
}
FIRST_FILE = "general.toml"
"""Its rules are tried before those of the other files in the same tier."""


class SignalIds(frozenset[str]):
    """A set of signal ids; in a file they are written with spaces between."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """It applies where all of `needs` are present and none of `unless`. Without `method`, a block is as it failed."""

    id: str
    tier: int
    needs: SignalIds = SignalIds()
    unless: SignalIds = SignalIds()
    outcome: Outcome = "inconclusive"
    method: str | None = None
    trigger: Trigger | None = None
    confidence: Confidence | None = None
    says: str

    def applies(self, present: Set[str]) -> bool:
        return self.needs <= present and self.unless.isdisjoint(present)


class RuleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of rules."""

    rule: tuple[Rule, ...]


def parse(text: str) -> tuple[Rule, ...]:
    """The rules of a file, as written. Raises ValueError with the place of what is not a rule."""
    return msgspec.convert(tomllib.loads(text), RuleFile, dec_hook=_signal_ids).rule


def _signal_ids(_: type, value: object) -> SignalIds:
    if not isinstance(value, str):
        raise ValueError("Expected signal ids with spaces between")
    return SignalIds(value.split())


@lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """Every rule of every file, by tier; within a tier as written, FIRST_FILE and then the others by name."""
    tables = sorted(
        (file for file in files(__name__).iterdir() if file.name.endswith(".toml")),
        key=lambda file: (file.name != FIRST_FILE, file.name),
    )
    found = (rule for file in tables for rule in parse(file.read_text("utf-8")))
    return tuple(sorted(found, key=lambda rule: rule.tier))


@lru_cache(maxsize=1)
def rules_version() -> str:
    """A digest of the rules. The letter sorts it after the dates of earlier versions."""
    content = msgspec.json.encode(rules(), order="deterministic")
    return "r" + hashlib.sha256(content).hexdigest()[:12]


def is_in_force(version: str) -> bool:
    """Whether a verdict of that version of the rules was made by these rules."""
    return version == rules_version()
