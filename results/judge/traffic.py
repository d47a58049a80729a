"""What measuring costs in bytes: reckoned from the records, since no program sees what its own packets weigh.

What a record holds is counted as it is (bytes of answers, certificates, DNS records), and what it does not hold by what
it weighs as a rule: packet heads, handshakes, requests. Held against what a loopback carried it is right for large
pages (2% above) and too much for short exchanges (by a third to twice), so that a cap errs on the safe side.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from probe.model import Dns, Http, Measurement, Observation, Tls

if TYPE_CHECKING:
    from sqlite_utils import Database

PACKET, SEGMENT = 60, 1400
"""Bytes of an empty packet with its heads, and of the payload that one carries."""
QUESTION, ENTRY = 80, 16
TCP = 7 * PACKET
"""Three packets to open, four to close."""
HANDSHAKE = 2600
"""Both hellos with key shares, Finished, tickets; the certificates come on top."""
REQUEST = 700
"""With the acknowledgements of what is small."""
ENCRYPTED_DNS = TCP + HANDSHAKE + 4000
"""A question to a resolver over TLS or HTTPS, on a connection of its own, its certificates included."""
QUIC = 8 * 1250
"""Handshakes in padded datagrams, certificates included."""


def bytes_of(measurement: Measurement) -> int:
    """About how many bytes were sent and received for it, heads of packets included."""
    return sum(map(_of_step, measurement.observations))


def _of_step(step: Observation) -> int:
    detail = step.detail
    if isinstance(detail, Dns):
        if detail.resolver == "getaddrinfo":
            return 2 * QUESTION
        answers = sum(ENTRY + len(answer.value) for answer in detail.answers)
        encrypted = detail.resolver.startswith(("https://", "tls://"))
        return (ENCRYPTED_DNS if encrypted else 0) + (max(detail.sendings or 1, 1) + 1) * QUESTION + answers
    if isinstance(detail, Tls):
        return HANDSHAKE + sum(map(len, detail.chain))
    if isinstance(detail, Http):
        received = max([0, detail.received or 0, *(count for _, count in detail.curve)])
        return REQUEST + received + (received // SEGMENT) * (PACKET + PACKET // 2)
    return {"tcp": TCP, "quic": QUIC}.get(step.step, 2 * QUESTION)


def month_of(moment: datetime) -> str:
    """`2026-11`, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m}"


def next_month(moment: datetime) -> datetime:
    """When the next month begins, in UTC."""
    now = moment.astimezone(UTC)
    year, month = (now.year, now.month + 1) if now.month < 12 else (now.year + 1, 1)
    return datetime(year, month, 1, tzinfo=UTC)


def spent_in(db: Database, month: str) -> int:
    """How many bytes a month has cost so far."""
    row = db.execute("SELECT bytes FROM traffic WHERE month = ?", [month]).fetchone()
    return int(row[0]) if row else 0
