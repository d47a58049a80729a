"""One measurement as the line that `check --json`, `run --json` and `results list --json` print. Keys are stable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probe.model import Target, Vantage
from results.judge.judged import JudgedMeasurement
from results.judge.verdict import Verdict

if TYPE_CHECKING:
    from results.registers.expectation import Expectation

SCHEMA_VERSION = 1
"""Of the line's keys: it grows when one changes its meaning, not when one is added."""


def row(finished: JudgedMeasurement) -> dict[str, Any]:
    """The documented line of a finished measurement, every key there, absent as None."""
    measurement = finished.measurement
    return line(
        measurement_id=measurement.id,
        started_at=measurement.started_at,
        runtime_s=measurement.runtime_s,
        target=measurement.target,
        vantage=measurement.vantage,
        verdict=finished.verdict,
        expectation=finished.expectation,
        agreement=finished.agreement,
        network=finished.context.network,
        repeats=measurement.repeats,
    )


def line(  # noqa: PLR0913
    *,
    measurement_id: str | None,
    started_at: str,
    runtime_s: float | None,
    target: Target,
    vantage: Vantage,
    verdict: Verdict,
    expectation: Expectation | None,
    agreement: str,
    network: str | None,
    repeats: str | None = None,
    repeated_by: str | None = None,
    kind: str = "target",
) -> dict[str, Any]:
    """The line from its parts, for a reader that has no need of the observations."""
    return {
        "kind": kind,
        "measurement_id": measurement_id,
        "target": target.text,
        "service": target.service,
        "vantage": {"name": vantage.name, "country": vantage.country, "asn": vantage.asn, "path": vantage.path},
        "started_at": started_at,
        "runtime_s": runtime_s,
        "outcome": verdict.outcome,
        "method": verdict.method,
        "trigger": verdict.trigger,
        "confidence": verdict.confidence,
        "rules": list(verdict.rules),
        "evidence": list(verdict.evidence),
        "control": verdict.control,
        "expectation": _expectation_fields(expectation),
        "agreement": agreement,
        "network": network,
        "repeats": repeats,
        "repeated_by": repeated_by,
        "rules_version": verdict.rules_version,
        "schema_version": SCHEMA_VERSION,
    }


def _expectation_fields(expectation: Expectation | None) -> dict[str, Any] | None:
    if expectation is None:
        return None
    return {
        "register": expectation.register,
        "listed": expectation.listed,
        "since": expectation.since,
        "since_source": expectation.since_source,
        "listed_at": expectation.listed_at,
        "as_of": expectation.as_of,
        "basis": expectation.basis,
        "entries": [entry.id for entry in expectation.entries],
        "address_blocks": [entry.id for entry in expectation.address_blocks],
        "shares_address_with": list(expectation.shares_address_with),
    }
