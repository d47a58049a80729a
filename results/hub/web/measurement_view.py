"""One measurement explained step by step, as plain values that a template shows. Pure over what was read."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from probe.model import Measurement
from results import ooni
from results.aggregate.questions import Period
from results.compare.record import bounded
from results.db import read
from results.export import exchange
from results.hub.web import queries
from results.hub.web.labels import network, title
from results.hub.web.matrix import Listing
from results.hub.web.queries import CorrectionRow
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.judge.rules import rules
from results.judge.step_text import about, safe, told
from results.registers import law

if TYPE_CHECKING:
    from sqlite_utils import Database

    from results.hub.web.phrases import PageWords

MOST_STEPS, MOST_SENTENCES, MOST_ENTRIES = 200, 60, 20


class Kept(msgspec.Struct, frozen=True):
    """A measurement as it is stored, its round, and what is noted of it: what repeats it, since when the hub has it,
    the mark of a finding that contradicts everybody else's, what its verdict was before."""

    finished: JudgedMeasurement
    round: RoundRecord | None
    repeated_by: str | None
    received_at: str | None
    flag: str | None
    corrections: tuple[CorrectionRow, ...]


def kept(db: Database, measurement_id: str) -> Kept | None:
    """None for an id that is not there, and for a control's."""
    row = db.execute(
        "SELECT (SELECT l.id FROM measurements l WHERE l.repeats = m.number), m.round_id, x.at, x.flag "
        "FROM measurements m LEFT JOIN received x ON x.measurement = m.number WHERE m.id = ? AND m.control_of IS NULL",
        [measurement_id],
    ).fetchone()
    if row is None:
        return None
    corrected = tuple(queries.corrections(db, Period(), measurement_id))
    return Kept(read.finished(db, measurement_id), read.round_of(db, row[1]), row[0], row[2], row[3], corrected)


def line(found: Kept, form: str) -> bytes:
    """The measurement as a line of a file in our own format, or in OONI's."""
    write = ooni.write_line if form == "ooni" else exchange.write_line
    return write(found.finished, found.round) + b"\n"


def explained(found: Kept, words: PageWords) -> dict[str, Any]:
    """What the template is given."""
    finished, verdict = found.finished, found.finished.verdict
    measurement, vantage = finished.measurement, finished.measurement.vantage
    return {
        "id": measurement.id,
        "title": title(measurement.target.service, measurement.target.text),
        "service": measurement.target.service,
        "target": measurement.target.text,
        "outcome": verdict.outcome,
        "agreement": finished.agreement,
        "how": how(verdict.outcome, verdict.method, verdict.trigger, verdict.confidence, words),
        "vantage": vantage.name,
        "where": network(vantage.country, vantage.asn, vantage.network_name, vantage.path).label(words),
        "network_name": vantage.network_name,
        "country": vantage.country,
        "at": measurement.started_at,
        "runtime_ms": measurement.runtime_s * 1000,
        "network": finished.context.network,
        "control": verdict.control,
        "repeats": measurement.repeats,
        "repeated_by": found.repeated_by,
        "received_at": found.received_at,
        "is_flagged": found.flag is not None,
        "corrections": found.corrections,
        "evidence": [safe(sentence) for sentence in verdict.evidence[:MOST_SENTENCES]],
        "register": _register(finished),
        "listing": _listing(finished),
        "steps": _steps(measurement, words),
        "controls": [
            {"what": _of(control), "at": control.started_at, "steps": _steps(control, words)}
            for control in finished.controls
        ],
        "rules": _rules(verdict.rules),
        "rules_version": verdict.rules_version,
        "sha256": hashlib.sha256(exchange.told(finished)).hexdigest(),
    }


def how(outcome: str, method: str | None, trigger: str | None, confidence: str | None, words: PageWords) -> str:
    """`TLS: reset, by name, confirmed`."""
    said = [words.say(f"method.{method}")] if method else []
    said += [words.say(f"trigger.{trigger}")] if trigger else []
    said += [words.say(f"confidence.{confidence}")] if confidence and outcome == "blocked" else []
    return ", ".join(said)


def _steps(measurement: Measurement, words: PageWords) -> dict[str, Any]:
    shown = measurement.observations[:MOST_STEPS]
    rows = [
        {
            "offset_ms": one.offset_s * 1000,
            "took_ms": one.duration_s * 1000,
            "step": bounded(one.step, 20).upper(),
            "role": words.role(one.role),
            "about": about(one),
            "told": told(one),
            "failed": one.failure is not None,
        }
        for one in shown
    ]
    return {"rows": rows, "left_out": len(measurement.observations) - len(shown)}


def _of(control: Measurement) -> str:
    vantage = control.vantage
    place = (vantage.country, f"AS{vantage.asn}" if vantage.asn else None)
    return ", ".join(filter(None, (bounded(vantage.name), bounded(vantage.path), *place)))


def _listing(finished: JudgedMeasurement) -> Listing | None:
    said = finished.expectation
    if said is None or said.listed is None:
        return None
    return Listing(
        register=bounded(said.register or "?", 60), listed=said.listed, since=said.listed_at or said.since, targets=1
    )


def _register(finished: JudgedMeasurement) -> dict[str, Any] | None:
    expectation = finished.expectation
    if expectation is None:
        return None
    return {
        "name": safe(expectation.register, 100) if expectation.register else None,
        "listed": expectation.listed,
        "since": safe(expectation.listed_at or expectation.since or "", 40) or None,
        "as_of": safe(expectation.as_of, 40) if expectation.as_of else None,
        "stale": expectation.stale,
        "reason": safe(expectation.reason),
        "basis": safe(expectation.basis, 200) if expectation.basis else None,
        "meaning": law.meaning(expectation.basis or ""),
        "entries": [_entry(one) for one in (*expectation.entries, *expectation.address_blocks)[:MOST_ENTRIES]],
    }


def _entry(entry: Any) -> dict[str, Any]:
    return {
        "id": safe(entry.id, 60),
        "block_type": safe(entry.block_type, 40),
        "authority": safe(entry.authority, 200) if entry.authority else None,
        "number": safe(entry.decision_number, 100) if entry.decision_number else None,
        "date": safe(entry.decision_date, 40) if entry.decision_date else None,
        "first_seen": safe(entry.first_seen, 40),
        "last_seen": safe(entry.last_seen, 40) if entry.last_seen else None,
    }


def _rules(names: tuple[str, ...]) -> list[dict[str, str | None]]:
    known = {rule.id: rule for rule in rules()}
    return [{"id": safe(name, 80), "says": known[name].says if name in known else None} for name in names]
