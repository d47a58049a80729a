"""A measurement explained step by step, as values for a template."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from probe.model import Measurement
from probe.text import bounded, safe
from results import ooni
from results.aggregate.questions import Period
from results.db import read
from results.export import exchange
from results.hub.web import queries
from results.hub.web.labels import network, title
from results.hub.web.matrix import RegisterListing
from results.hub.web.queries import CorrectionRow
from results.judge.classify import evidence_of
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.judge.rules import rules
from results.judge.wording import request_text, result_text, sentences
from results.registers.expectation import Expectation, law_meaning

if TYPE_CHECKING:
    from sqlite_utils import Database

    from results.i18n.translator import Translator

MAX_STEPS, MAX_ENTRIES = 200, 20


class StoredMeasurement(msgspec.Struct, frozen=True):
    """A measurement with its round, retry, receipt, outlier flag and earlier verdicts."""

    finished: JudgedMeasurement
    round: RoundRecord | None
    repeated_by: str | None
    received_at: str | None
    flag: str | None
    corrections: tuple[CorrectionRow, ...]


def stored(db: Database, measurement_id: str) -> StoredMeasurement | None:
    """None for an unknown id, and for a control."""
    row = db.execute(
        "SELECT (SELECT l.id FROM measurements l WHERE l.repeats = m.number), m.round_id, x.at, x.flag "
        "FROM measurements m LEFT JOIN received x ON x.measurement = m.number WHERE m.id = ? AND m.control_of IS NULL",
        [measurement_id],
    ).fetchone()
    if row is None:
        return None
    corrected = tuple(queries.corrections(db, Period(), measurement_id))
    return StoredMeasurement(
        read.finished(db, measurement_id), read.round_of(db, row[1]), row[0], row[2], row[3], corrected
    )


def line(found: StoredMeasurement, form: str) -> bytes:
    """The measurement as a line of JSONL in our format or OONI's."""
    write = ooni.write_line if form == "ooni" else exchange.write_line
    return write(found.finished, found.round) + b"\n"


def explained(found: StoredMeasurement, words: Translator) -> dict[str, Any]:
    """The values for the template."""
    finished, verdict, expectation = found.finished, found.finished.verdict, found.finished.expectation
    measurement, vantage = finished.measurement, finished.measurement.vantage
    return {
        "stored": found,
        "finished": finished,
        "measurement": measurement,
        "verdict": verdict,
        "expectation": expectation,
        "title": title(measurement.target.service, measurement.target.text),
        "how": words.verdict(verdict.method, verdict.trigger, verdict.confidence),
        "where": network(vantage.country, vantage.asn, vantage.network_name, vantage.path).label(words),
        "evidence": sentences(evidence_of(finished), words),
        "meaning": law_meaning(expectation.basis, words) if expectation else None,
        "entries": (*expectation.entries, *expectation.address_blocks)[:MAX_ENTRIES] if expectation else (),
        "listing": _listing(expectation),
        "steps_shown": _steps(measurement, words),
        "controls": [
            {"what": _of(control), "at": control.started_at, "steps": _steps(control, words)}
            for control in finished.controls
        ],
        "rules": _rules(verdict.rules, words),
        "sha256": hashlib.sha256(exchange.observed_json(finished)).hexdigest(),
    }


def _steps(measurement: Measurement, words: Translator) -> dict[str, Any]:
    shown = measurement.observations[:MAX_STEPS]
    rows = [
        {
            "offset_ms": one.offset_s * 1000,
            "took_ms": one.duration_s * 1000,
            "step": bounded(one.step, 20).upper(),
            "role": "" if one.role == "main" else words.term("role", one.role),
            "about": request_text(one, words),
            "result": result_text(one, words),
            "failed": one.failure is not None,
        }
        for one in shown
    ]
    return {"rows": rows, "left_out": len(measurement.observations) - len(shown)}


def _of(control: Measurement) -> str:
    vantage = control.vantage
    place = (vantage.country, f"AS{vantage.asn}" if vantage.asn else None)
    return ", ".join(filter(None, (bounded(vantage.name), bounded(vantage.path), *place)))


def _listing(expectation: Expectation | None) -> RegisterListing | None:
    if expectation is None or expectation.listed is None:
        return None
    return RegisterListing(
        register=bounded(expectation.register or "?", 60),
        listed=expectation.listed,
        since=expectation.listed_at or expectation.since,
    )


def _rules(names: tuple[str, ...], words: Translator) -> list[dict[str, str | None]]:
    says = {rule.id: words.translated(f"rule.{rule.id}", rule.says) for rule in rules()}
    return [{"id": safe(name, 80), "says": says.get(name)} for name in names]
