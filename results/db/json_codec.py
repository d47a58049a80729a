"""A finished measurement as plain JSON values and back; values read are checked for what database and rules assume."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from functools import lru_cache
from typing import Any, get_args

import msgspec

from probe import target as targets
from probe.model import Measurement, Observation, Target
from probe.net.address_policy import literal
from probe.text import printable
from probe.timestamps import parse_date, parse_rfc3339
from results.db.columns import detail_types
from results.db.jsonl import BadRecord
from results.judge.judged import Agreement, JudgedMeasurement, RoundRecord
from results.judge.verdict import MAX_EVIDENCE, Context, Evidence, Verdict
from results.judge.wording import sentences
from results.registers.expectation import Expectation

VERSION = 1
ID = re.compile(r"[0-9A-Za-z._:+-]{4,255}")
COUNTRY = re.compile(r"[A-Z]{2}")
AGREEMENTS = get_args(Agreement)
MAX_STEPS = 5000
MAX_ADDRESS_CHARACTERS = 100
MAX_CONTROLS = 16
MAX_HOPS = 64
MAX_INTEGER = 2**63
DIGITS = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))
LONG_NUMBER = b"0" * 19
"""What DIGITS makes of every number of more than 64 bits, and of some hashes."""


class Plain(msgspec.Struct, frozen=True, kw_only=True):
    """The record as a whole."""

    version: int
    measurement: Measurement
    controls: tuple[Measurement, ...] = ()
    context: Context
    verdict: Verdict
    expectation: Expectation | None = None
    agreement: str
    round: RoundRecord | None = None


def to_plain(finished: JudgedMeasurement, round_: RoundRecord | None) -> dict[str, Any]:
    """Bytes become base64; `round_` is the one that `finished.round_id` names."""
    fields = msgspec.structs.asdict(finished)
    del fields["round_id"]
    plain: dict[str, Any] = msgspec.to_builtins(Plain(version=VERSION, round=round_, **fields))
    return plain


def from_plain(value: Any, text: bytes | None = None) -> tuple[JudgedMeasurement, RoundRecord | None]:
    """The inverse of `to_plain`; raises BadRecord. `text`, the JSON that `value` was read from, saves most searches for
    too large numbers."""
    if text is None or LONG_NUMBER in text.translate(DIGITS):
        _check_numbers(value)
    try:
        plain = msgspec.convert(value, Plain)
        measurement, *controls = map(_typed, (plain.measurement, *plain.controls))
    except msgspec.ValidationError as error:
        raise BadRecord(printable(str(error))) from error
    if plain.version != VERSION:
        raise BadRecord("record version {version}; only {known} is read here", version=plain.version, known=VERSION)
    if plain.agreement not in AGREEMENTS:
        raise BadRecord("unknown agreement: {value}", value=printable(plain.agreement, 40))
    finished = JudgedMeasurement(
        measurement=measurement,
        controls=tuple(controls),
        context=plain.context,
        verdict=plain.verdict,
        expectation=_with_real_dates(plain.expectation) if plain.expectation else None,
        agreement=plain.agreement,
        round_id=plain.round.id if plain.round else None,
    )
    _check(finished, plain.round)
    return finished, plain.round


def measurement_from_plain(value: Any) -> Measurement:
    """A measurement from its plain JSON value. Raises BadRecord."""
    _check_numbers(value)
    try:
        measurement = _typed(msgspec.convert(value, Measurement))
    except msgspec.ValidationError as error:
        raise BadRecord(printable(str(error))) from error
    if not ID.fullmatch(measurement.id):
        raise BadRecord("invalid id")
    _check_target_and_vantage(measurement)
    _check_time(measurement.started_at)
    for observation in measurement.observations:
        _check_step(observation)
    return measurement


def prepare() -> None:
    """Call before threads start: msgspec 0.22 crashes where two of them are the first to use a type at once."""
    for kind in (Plain, *detail_types().values()):
        msgspec.json.Decoder(kind)


def _typed(measurement: Measurement) -> Measurement:
    """The measurement with each step's detail as the record of that step."""
    if len(measurement.observations) > MAX_STEPS:
        raise BadRecord("more than {count} steps", count=MAX_STEPS)
    observations = tuple(
        msgspec.structs.replace(o, detail=msgspec.convert(o.detail, _detail_type(o.step)))
        for o in measurement.observations
    )
    return msgspec.structs.replace(measurement, observations=observations)


def _detail_type(step: str) -> type[msgspec.Struct]:
    known = detail_types()
    if step not in known:
        steps = ", ".join(sorted(known))
        raise BadRecord("unknown step {value}; known steps: {steps}", value=printable(step, 40), steps=steps)
    return known[step]


def _check_numbers(value: Any) -> None:
    """The database's integers have 64 bits."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, int) and not -MAX_INTEGER <= item < MAX_INTEGER:
            raise BadRecord("a number of more than 64 bits")
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, (list, tuple)):
            pending.extend(item)


def _check(finished: JudgedMeasurement, round_: RoundRecord | None) -> None:
    if finished.measurement.control_of is not None:
        raise BadRecord("a control measurement without the measurement that it was made for")
    if len(finished.controls) > MAX_CONTROLS:
        raise BadRecord("more than {count} control measurements", count=MAX_CONTROLS)
    recorded, name = finished.context.recorded, finished.measurement.id
    if any(control.control_of != name and control.id not in recorded for control in finished.controls):
        raise BadRecord("a control measurement made for another measurement")
    found = [piece for piece in finished.verdict.evidence if isinstance(piece, Evidence)]
    if len(finished.verdict.evidence) > MAX_EVIDENCE or not all(piece.is_bounded() for piece in found):
        raise BadRecord("too much evidence")
    measurements = (finished.measurement, *finished.controls)
    ids = [measurement.id for measurement in measurements] + ([round_.id] if round_ else [])
    if not all(map(ID.fullmatch, ids)) or len(set(ids)) < len(ids):
        raise BadRecord("an invalid or duplicate id")
    for measurement in measurements:
        _check_target_and_vantage(measurement)
    times = [measurement.started_at for measurement in measurements]
    times += [earlier.at for earlier in finished.context.earlier] + ([round_.started_at] if round_ else [])
    for time in times:
        _check_time(time)
    for observation in (o for measurement in measurements for o in measurement.observations):
        _check_step(observation)


def _with_real_dates(expectation: Expectation) -> Expectation:
    """Without what is no day and no time, which no later question could use."""
    others = tuple(msgspec.structs.replace(o, since=_day(o.since), as_of=_day(o.as_of)) for o in expectation.others)
    since, listed_at, as_of = map(_day, (expectation.since, expectation.listed_at, expectation.as_of))
    return msgspec.structs.replace(expectation, since=since, listed_at=listed_at, as_of=as_of, others=others)


def _day(text: str | None) -> str | None:
    for parse in (parse_date, parse_rfc3339):
        with suppress(ValueError):
            return text if text is not None and parse(text) else None
    return None


def _check_target_and_vantage(measurement: Measurement) -> None:
    target, vantage = measurement.target, measurement.vantage
    try:
        read = _parsed(target.text, target.service, target.required)
    except targets.BadTarget as error:
        raise BadRecord(printable(str(error))) from error
    if read != target or target.service == "":
        raise BadRecord("target {target} does not match its parts", target=printable(target.text, 100))
    if vantage.country is not None and not COUNTRY.fullmatch(vantage.country):
        raise BadRecord("not a country code: {value}", value=printable(vantage.country, 20))
    if vantage.network_name == "" or (vantage.asn is not None and not 0 < vantage.asn < 2**32):
        raise BadRecord("invalid network of vantage point {name}", name=printable(vantage.name, 60))


@lru_cache(maxsize=2048)
def _parsed(text: str, service: str | None, required: bool) -> Target:
    """Cached, since the same targets come again and again."""
    return targets.parse(text, service=service, required=required, allow_private=True)


@lru_cache(maxsize=4096)
def _is_address(text: str) -> bool:
    return len(text) < MAX_ADDRESS_CHARACTERS and literal(text) is not None


def _check_step(observation: Observation) -> None:
    if observation.address is not None and not _is_address(observation.address):
        raise BadRecord("not an address: {value}", value=printable(observation.address, 60))
    if not 0 <= observation.hop <= MAX_HOPS or not ID.fullmatch(observation.id) or observation.id.startswith("."):
        raise BadRecord("invalid step {id} in hop {hop}", id=printable(observation.id, 60), hop=observation.hop)
    body = getattr(observation.detail, "body", None)
    if body is not None and hashlib.sha256(body).hexdigest() != observation.detail.body_sha256:
        raise BadRecord("a body does not match its hash")


def _check_time(text: str) -> None:
    try:
        if text.endswith("Z"):
            parse_rfc3339(text)
            return
    except ValueError:
        pass
    raise BadRecord("not a UTC time: {value}", value=printable(text, 60))


SCHEMA_VERSION = 1
"""Of the line's keys: it grows when one changes its meaning, not when one is added."""


def row(finished: JudgedMeasurement, *, repeated_by: str | None = None) -> dict[str, Any]:
    """The documented line of a measurement, as `check --json` prints it: every key present, absent values None."""
    measurement, verdict, vantage = finished.measurement, finished.verdict, finished.measurement.vantage
    return {
        "kind": "target",
        "measurement_id": measurement.id,
        "target": measurement.target.text,
        "service": measurement.target.service,
        "vantage": {"name": vantage.name, "country": vantage.country, "asn": vantage.asn, "path": vantage.path},
        "started_at": measurement.started_at,
        "runtime_s": measurement.runtime_s,
        "outcome": verdict.outcome,
        "method": verdict.method,
        "trigger": verdict.trigger,
        "confidence": verdict.confidence,
        "rules": list(verdict.rules),
        "evidence": list(sentences(verdict.evidence)),
        "signals": [msgspec.to_builtins(found) for found in verdict.evidence if not isinstance(found, str)],
        "control": verdict.control,
        "expectation": _expectation_fields(finished.expectation),
        "agreement": finished.agreement,
        "network": finished.context.network,
        "repeats": measurement.repeats,
        "repeated_by": repeated_by,
        "rules_version": verdict.rules_version,
        "schema_version": SCHEMA_VERSION,
    }


def _expectation_fields(expectation: Expectation | None) -> dict[str, Any] | None:
    if expectation is None:
        return None
    names = ("register", "listed", "since", "since_source", "listed_at", "as_of", "basis")
    return {name: getattr(expectation, name) for name in names} | {
        "entries": [entry.id for entry in expectation.entries],
        "address_blocks": [entry.id for entry in expectation.address_blocks],
        "shares_address_with": list(expectation.shares_address_with),
    }
