"""What comparing needs of one measurement and its verdict, wherever it was read."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import get_args

import msgspec

from probe.model import Vantage
from probe.text import bounded
from probe.timestamps import epoch, rfc3339_of_epoch
from results.db.json_codec import COUNTRY
from results.judge.judged import JudgedMeasurement
from results.judge.verdict import METHODS, Confidence

OUTCOMES = ("reachable", "blocked", "denied", "down", "offline", "inconclusive")
AGREEMENTS = ("enforced", "unenforced", "collateral", "unlisted-block", "open", "undecided")
FINDINGS = frozenset({"reachable", "blocked", "denied", "down"})
"""Outcomes that say how a target fares; the others say that this measurement cannot tell."""
DIRECT = "direct"
NOT_KNOWN = "not known"
VANTAGE_FIELDS = ("name", "country", "asn", "network_name", "path")
"""What tells one vantage from another."""
MAX_TARGET_LENGTH = 2048
DAY_S = 86400.0
CONFIDENCES = (None, *get_args(Confidence))
MAX_EPOCH_S = 4e9
"""Nothing was measured before 1970, nor after 2096."""
FAMILY_PHRASES = {
    "ipv4": ("over IPv4 alone it does not work", "(ipv4)"),
    "ipv6": ("over IPv6 alone it does not work", "(ipv6)"),
}
"""How the evidence tells that one family fails where the other works, though this network has both."""
ONE_FAMILY_PHRASE = "in one family only:"
FAMILY_PREFIXES = (ONE_FAMILY_PHRASE, *(alone for alone, _ in FAMILY_PHRASES.values()))


class ResultListing(msgspec.Struct):
    listed: bool | None = None
    since: str | None = None


class ResultRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One target, one vantage, one moment, and what was concluded."""

    id: str
    at: float
    """Seconds since 1970, UTC."""
    target: str
    service: str | None = None
    required: bool = True
    vantage: Vantage
    """With the network's name only where the ASN is not known, so that every source spells it alike."""
    outcome: str
    method: str | None = None
    agreement: str = "undecided"
    confidence: str | None = None
    failing: str | None = None
    """The address family that fails where the other one works."""
    restricted: bool = False
    """Whether the network was cut off from abroad, which is a finding of its own."""
    since: str | None = None
    """Since when the register lists it, a date."""
    rules_version: str = ""


def record_of(finished: JudgedMeasurement) -> ResultRecord:
    """A record that was judged here."""
    measurement, verdict, expectation = finished.measurement, finished.verdict, finished.expectation
    return ResultRecord(
        id=measurement.id,
        at=epoch(measurement.started_at, needs_zone=True),
        target=bounded(measurement.target.text, MAX_TARGET_LENGTH),
        service=measurement.target.service,
        required=measurement.target.required,
        vantage=comparable_vantage(measurement.vantage),
        outcome=verdict.outcome,
        method=verdict.method,
        agreement=finished.agreement,
        confidence=verdict.confidence,
        failing=failing_family(verdict.outcome, verdict.evidence),
        restricted=finished.context.network == "restricted",
        since=expectation.since if expectation is not None and expectation.listed else None,
        rules_version=verdict.rules_version,
    )


def comparable_vantage(vantage: Vantage) -> Vantage:
    """The vantage as it is told from others, its names bounded and in one line."""
    return Vantage(
        name=bounded(vantage.name),
        country=vantage.country,
        asn=vantage.asn,
        network_name=bounded(vantage.network_name) if vantage.asn is None and vantage.network_name else None,
        path=bounded(vantage.path),
    )


def network_of(vantage: Vantage) -> str:
    """`AS12389`, else the network's name, else that it is not known."""
    if vantage.asn is not None:
        return f"AS{vantage.asn}"
    return vantage.network_name or f"network {NOT_KNOWN}"


def failing_family(outcome: str, evidence: Iterable[str]) -> str | None:
    """The family that the evidence of a reachable target says fails by itself; None for none, and for both."""
    if outcome != "reachable":
        return None
    telling = [sentence for sentence in evidence if sentence.startswith(FAMILY_PREFIXES)]
    failing = {
        family
        for sentence in telling
        for family, (alone, name) in FAMILY_PHRASES.items()
        if sentence.startswith(alone) or (sentence.startswith(ONE_FAMILY_PHRASE) and sentence.endswith(name))
    }
    return failing.pop() if len(failing) == 1 else None


def is_valid(seen: ResultRecord) -> bool:
    """Whether the closed vocabularies hold, the method goes with the outcome, and the place can be one."""
    country, asn = seen.vantage.country, seen.vantage.asn
    if not (country is None or COUNTRY.fullmatch(country)) or not (asn is None or 0 < asn < 2**32):
        return False
    if not 0 <= seen.at < MAX_EPOCH_S:
        return False
    return seen.confidence in CONFIDENCES and (
        seen.outcome in OUTCOMES
        and seen.agreement in AGREEMENTS
        and (seen.method in METHODS if seen.outcome == "blocked" else seen.method is None)
    )


def day_of(at: float) -> str:
    """The UTC day."""
    return _day(int(at // DAY_S))


@cache
def _day(number: int) -> str:
    return rfc3339_of_epoch(number * DAY_S)[:10]
