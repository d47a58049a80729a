"""Whether a silence may be the path losing full-size packets (a path MTU black hole, RFC 2923 section 2.1)."""

from __future__ import annotations

from collections.abc import Iterable

from probe.model import Observation, Role
from results.judge.failure_point import HANDSHAKES, last_attempt, method_of

SMALL_SEGMENT = 536
"""Bytes of a TCP segment that every path carries (RFC 9293 section 3.7.1), and still a whole ClientHello."""
SILENCES = ("tls.timeout", "http.timeout", "http.stall")
"""How a connection dies whose small packets pass and whose large ones do not."""
NAMED: tuple[Role, ...] = ("main", "again", "small_segments")
"""Roles in which the target's name is sent to its own addresses."""
FULL_SIZE_CHAIN = 1460
"""Bytes of certificates from which a handshake needs a packet of full size."""


def may_be_size(failed: Observation) -> bool:
    """Whether an established connection fell silent, at an address that we chose."""
    return failed.address is not None and method_of(failed) in SILENCES


def small_attempt(observations: Iterable[Observation], hop: int) -> Observation | None:
    """Where the attempt in small segments ended; None if none was made."""
    return last_attempt(observations, "small_segments", hop)


def passes_small(failed: Observation, small: Observation | None) -> bool:
    """Whether the step that failed succeeds in small segments, at the same address."""
    if small is None or small.address != failed.address:
        return False
    further = failed.step in HANDSHAKES and small.step == "http"
    return further or (small.step == failed.step and small.failure is None)


def shows_full_size(answered: Observation | None) -> bool:
    """Whether a handshake carried enough certificates to need packets of full size."""
    chain = getattr(answered.detail, "chain", ()) if answered is not None else ()
    return sum(map(len, chain)) >= FULL_SIZE_CHAIN
