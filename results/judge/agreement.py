"""Expectation against verdict: the design's table, and nothing else. Pure."""

from __future__ import annotations

from typing import Literal

from results.registers.expectation import Expectation

Agreement = Literal["enforced", "unenforced", "collateral", "unlisted-block", "open", "undecided"]


def agreement(expectation: Expectation | None, outcome: str, trigger: str | None = None) -> Agreement:
    """How a verdict (`outcome`, and `trigger` where the A/B steps told) stands to what the register says.

    A block by address that an entry for that address or subnet explains is `collateral`; the expectation must have been
    made with the address that failed. Without a register, or with a stale one, nothing is decided.
    """
    if expectation is None or expectation.listed is None or expectation.stale:
        return "undecided"
    if outcome == "blocked":
        if expectation.listed:
            return "enforced"
        by_address = trigger == "address" and bool(expectation.address_blocks)
        return "collateral" if by_address else "unlisted-block"
    if outcome == "reachable":
        return "unenforced" if expectation.listed else "open"
    return "undecided"
