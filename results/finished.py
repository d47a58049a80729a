"""One measurement with all that was concluded from it: what the store keeps and what a row shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from probe.model import Measurement
from results.verdict import Context, NetworkState, Verdict

if TYPE_CHECKING:
    from results.expectation import Expectation


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One pass over the targets that were due, and what the canaries said of the network then."""

    id: str
    started_at: str
    """UTC, RFC 3339."""
    network: NetworkState
    evidence: tuple[str, ...] = ()


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement, its controls, and what the rules and the registers in force say of it."""

    measurement: Measurement
    controls: tuple[Measurement, ...] = ()
    context: Context
    verdict: Verdict
    expectation: Expectation | None = None
    """None where no register was held against it."""
    agreement: str
    round_id: str | None = None
