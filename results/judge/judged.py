"""One measurement with all that was concluded from it: what the store keeps and what a row shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from probe.model import Measurement
from results.judge.verdict import Context, NetworkState, Verdict

if TYPE_CHECKING:
    from results.registers.expectation import Expectation


AsnSource = Literal["declared", "mmdb", "echoed"]
"""How a vantage's ASN is known: its owner declared it, a database on this machine, or a hub that saw the address."""


Agreement = Literal["enforced", "unenforced", "collateral", "unlisted-block", "open", "undecided"]

Spent = tuple[str, int]
"""A month (UTC, `2026-11`), and how many bytes were sent and received in it for what is kept."""


class RoundRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One pass over the targets that were due, and what the canaries said of the network then."""

    id: str
    started_at: str
    """UTC, RFC 3339."""
    network: NetworkState
    evidence: tuple[str, ...] = ()
    asn_source: AsnSource | None = None
    """None where the vantage's ASN is not known."""


class JudgedMeasurement(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement, its controls, and what the rules and the registers in force say of it."""

    measurement: Measurement
    controls: tuple[Measurement, ...] = ()
    context: Context
    verdict: Verdict
    expectation: Expectation | None = None
    """None where no register was held against it."""
    agreement: str
    round_id: str | None = None


def cause_of(verdict: Verdict) -> str | None:
    """What a block goes by, as far as the register is concerned: a connect has nothing but the address to go by."""
    return verdict.trigger or ("address" if (verdict.method or "").startswith("tcp.") else None)


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
