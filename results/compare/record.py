"""One measurement and its verdict, as far as comparing needs them, from any source."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import get_args

import msgspec

from probe.model import Vantage
from probe.text import bounded
from probe.timestamps import epoch, rfc3339_of_epoch
from results.db.json_codec import COUNTRY
from results.judge.judged import JudgedMeasurement
from results.judge.verdict import METHODS, Confidence, Evidence
from results.judge.wording import FAMILIES

OUTCOMES = ("reachable", "blocked", "denied", "down", "offline", "inconclusive")
AGREEMENTS = ("enforced", "unenforced", "collateral", "unlisted-block", "open", "undecided")
FINDINGS = frozenset({"reachable", "blocked", "denied", "down"})
"""Outcomes that tell the state of a target."""
DIRECT = "direct"
NOT_KNOWN = "not known"
VANTAGE_FIELDS = ("name", "country", "asn", "network_name", "path")
"""The identity of a vantage."""
MAX_TARGET_LENGTH = 2048
DAY_S = 86400.0
CONFIDENCES = (None, *get_args(Confidence))
MAX_EPOCH_S = 4e9
"""The year 2096."""
OLD_FAMILY_SENTENCE = re.compile(r"over (IPv[46]) alone it does not work|in one family only: .*\((ipv[46])\)$")
"""How versions that stored sentences said that one address family fails."""


class ResultListing(msgspec.Struct):
    """The register's answer in a row."""

    listed: bool | None = None
    since: str | None = None


class RowState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a row at a moment, in seconds since 1970 (UTC)."""

    at: float
    outcome: str
    method: str | None = None
    agreement: str = "undecided"
    confidence: str | None = None
    failing: str | None = None
    """The address family that fails where the other works."""


class RowMeasurement(RowState, frozen=True, kw_only=True):
    """One measurement within a row and a vantage."""

    target: str
    required: bool = True
    restricted: bool = False
    """The network was cut off from abroad."""
    since: str | None = None
    """The date since which the register lists it."""


class ResultRecord(RowMeasurement, frozen=True, kw_only=True):
    """One measurement with its verdict."""

    id: str
    service: str | None = None
    vantage: Vantage
    """The network's name is None where the ASN is known, so that all sources agree."""
    rules_version: str = ""


def record_of(finished: JudgedMeasurement) -> ResultRecord:
    """The record of a judged measurement."""
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
    """The vantage with the fields that identify it, its names bounded."""
    return Vantage(
        name=bounded(vantage.name),
        country=vantage.country,
        asn=vantage.asn,
        network_name=bounded(vantage.network_name) if vantage.asn is None and vantage.network_name else None,
        path=bounded(vantage.path),
    )


def network_of(vantage: Vantage) -> str:
    """`AS12389`, else the network's name, else `network not known`."""
    if vantage.asn is not None:
        return f"AS{vantage.asn}"
    return vantage.network_name or f"network {NOT_KNOWN}"


def failing_family(outcome: str, evidence: Iterable[Evidence | str]) -> str | None:
    """The one address family that fails by the evidence of a reachable target where the other works, else None."""
    if outcome != "reachable":
        return None
    failing = set(filter(None, map(_failing_family, evidence)))
    return failing.pop() if len(failing) == 1 else None


def _failing_family(found: Evidence | str) -> str | None:
    if isinstance(found, str):
        said = OLD_FAMILY_SENTENCE.match(found)
        return next(filter(None, said.groups())).lower() if said else None
    kind, _, what = found.signal.partition(".")
    family, _, fails = what.partition("_")
    alone = (fails, found.variant) in (("name_fails", ""), ("fails", "alone"))
    return family if kind == "family" and family in FAMILIES and alone else None


def is_valid(record: ResultRecord) -> bool:
    """Whether all words are of the closed vocabularies, the method fits the outcome and the vantage can exist."""
    country, asn = record.vantage.country, record.vantage.asn
    if not (country is None or COUNTRY.fullmatch(country)) or not (asn is None or 0 < asn < 2**32):
        return False
    if not 0 <= record.at < MAX_EPOCH_S:
        return False
    return record.confidence in CONFIDENCES and (
        record.outcome in OUTCOMES
        and record.agreement in AGREEMENTS
        and (record.method in METHODS if record.outcome == "blocked" else record.method is None)
    )


def day_of(at: float) -> str:
    """The UTC day of a time in seconds since 1970."""
    return _day(int(at // DAY_S))


@cache
def _day(number: int) -> str:
    return rfc3339_of_epoch(number * DAY_S)[:10]
