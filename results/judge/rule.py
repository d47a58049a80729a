"""One rule: the signs it needs, the signs that forbid it, and what it concludes."""

from __future__ import annotations

from collections.abc import Set

import msgspec

from results.judge.verdict import Confidence, Outcome, Trigger


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """It applies where all of `needs` are there and none of `unless`. A blocked without `method` is as it failed."""

    id: str
    tier: int
    needs: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()
    outcome: Outcome
    method: str | None = None
    trigger: Trigger | None = None
    confidence: Confidence | None = None
    says: str

    def applies(self, signs: Set[str]) -> bool:
        return self.needs <= signs and self.unless.isdisjoint(signs)


def signs(text: str) -> frozenset[str]:
    """A set of sign names, written with spaces between."""
    return frozenset(text.split())
