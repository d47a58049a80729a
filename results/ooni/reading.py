"""One OONI web_connectivity record as a measurement, its control, and the verdict of our own rules.

Steps that OONI calls classic are `main`: the machine's own look-up and its addresses. Look-ups over HTTPS and by the
test helper, and addresses that only these gave, are `trusted`. A second try is `again`: version 0.4 fetches on a new
connection, and another resolver may confirm the first look-up. Version 0.5 has no second connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from urllib.parse import urljoin

import msgspec

from probe import target as targets
from probe.failure import CERTIFICATE_FAILURES
from probe.model import Measurement, Observation, Role, Target, Vantage
from probe.net.address_policy import literal
from probe.steps import specs
from probe.text import printable
from results.db.json_codec import ID
from results.db.jsonl import BadRecord
from results.judge.classify import classify
from results.judge.failure_point import STEPS
from results.judge.input import share_network
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.judge.verdict import Context
from results.ooni.format import (
    Connect,
    Handshake,
    OoniExchange,
    OoniQuery,
    OoniRecord,
    TestKeys,
    asn_of,
    country_of,
    identifier,
    instant,
    time_of,
)
from results.ooni.other_tests import GROUPED
from results.ooni.steps import (
    Reads,
    Step,
    connected,
    control_measurement,
    ended_at,
    fetched,
    implied,
    is_classic,
    likely_step,
    location_of,
    look_up,
    looked_up,
    reads_of,
    shaken,
)

ENDPOINTS = ("tcp", "tls")
"""Schemes of the targets that are no URLs."""
MAX_ID_CHARACTERS = 200
DEPTH = re.compile(r"depth=(\d{1,3})")
MAX_HOPS = 21
"""Web Connectivity follows ten redirects at most."""
Placed = tuple[Role, Step]


def read(record: OoniRecord) -> tuple[JudgedMeasurement, RoundRecord]:
    """The record judged, and OONI's report as the round it was part of. BadRecord says why it cannot be read."""
    try:
        target = targets.parse(record.input or "", allow_private=True)
    except targets.BadTarget as error:
        raise BadRecord("input: {error}", error=printable(str(error))) from error
    if target.scheme not in ("http", "https") and (record.test_name not in GROUPED or target.scheme not in ENDPOINTS):
        name, text = record.test_name, printable(target.text, 100)
        raise BadRecord("input: {target} is not a target of {name} that is judged", target=text, name=name)
    began = time_of(record.measurement_start_time)
    measurement = _measurement(record, target, began)
    seen = control_measurement(record.test_keys.control, measurement, began)
    context = Context(network="online", country=measurement.vantage.country, recording="OONI")
    verdict = classify(measurement, seen, context)
    report = _report(record, began)
    return JudgedMeasurement(
        measurement=measurement,
        controls=seen,
        context=context,
        verdict=verdict,
        agreement="undecided",
        round_id=report.id,
    ), report


def _measurement(record: OoniRecord, target: Target, began: datetime) -> Measurement:
    origin = _as_id(record.measurement_uid) or _as_id(record.report_id)
    known_by = (record.measurement_uid,) if record.measurement_uid else _own_key(record)
    known_by += (target.text,) if record.test_name in GROUPED else ()
    name = identifier("ooni", *known_by)
    observations: list[Observation] = []
    for number, (role, hop, step) in enumerate(_course(record.test_keys, target), 1):
        # The record it came from stays with each step, for whoever wants to look it up with OONI.
        observations.append(step.observed(f"{origin or name}.{number}", role, hop, began))
    return Measurement(
        id=name,
        target=target,
        vantage=_vantage(record),
        started_at=instant(began),
        runtime_s=record.test_runtime or 0.0,
        observations=tuple(observations),
    )


def _own_key(record: OoniRecord) -> tuple[str, ...]:
    """What tells one measurement from another where no collector has numbered it."""
    parts = (record.report_id, record.input, record.measurement_start_time, record.probe_cc, record.probe_asn)
    return tuple(part or "" for part in parts)


def _as_id(text: str | None) -> str | None:
    """OONI's own id as far as it can be an id with us."""
    return text if text and len(text) <= MAX_ID_CHARACTERS and ID.fullmatch(text) and text[0] != "." else None


def _vantage(record: OoniRecord) -> Vantage:
    """A place of its own for each network: never our own vantage, whatever the record says."""
    country, asn = country_of(record.probe_cc), asn_of(record.probe_asn)
    network = printable(record.probe_network_name or "", 100) or None
    return Vantage(name=f"ooni-{country or 'ZZ'}-AS{asn or 0}", country=country, asn=asn, network_name=network)


def _report(record: OoniRecord, began: datetime) -> RoundRecord:
    """OONI's report holds what one probe measured in one go, which is a round."""
    started = time_of(record.test_start_time) if record.test_start_time else began
    name, test = _as_id(record.report_id), f"{record.test_name} {printable(record.test_version, 20)}"
    return RoundRecord(
        id=f"ooni:{name or identifier(*_own_key(record))}",
        started_at=instant(started),
        network="online",
        evidence=(f"imported from OONI: report {name or '(unnamed)'}, {test}",),
    )


def _course(keys: TestKeys, target: Target) -> Iterator[tuple[Role, int, Step]]:
    """Every step with its role and hop. Once a hop was reached by a trusted address only, all behind it is trusted."""
    tagged, strayed, reads = is_tagged(keys), False, reads_of(keys)
    ended = 0.0
    for number, hop in enumerate(hops(keys, target)):
        placed = _trusted_names(keys, hop) if number == 0 else []
        placed += _names(hop, strayed)
        known = _known(hop, placed)
        attempts = _attempts(hop, known, strayed)
        placed += attempts
        fetches = _fetches(hop, known, strayed, reads) if tagged else _untagged_fetches(hop, placed)
        if not tagged:
            placed, fetches = _begun(placed, ended), _begun(fetches, _end([*placed, *attempts], ended))
            ended = _end(fetches, _end(placed, ended))
        placed += list(_with_handshakes(fetches, attempts))
        for role, step in placed:
            yield role, number, step
        answered = [role for role, step in fetches if step.failure is None]
        strayed = strayed or (bool(answered) and "main" not in answered)


def _begun(placed: list[Placed], since: float) -> list[Placed]:
    """Steps of which only the end is known, begun when those of the kind before had ended: that is how 0.4 goes on."""
    begun = dict.fromkeys(STEPS, since)
    for before, kind in pairwise(STEPS):
        begun[kind] = max([begun[before], *(step.offset_s for _, step in placed if step.step == before)])
    return [
        (role, step)
        if step.duration_s or step.offset_s <= begun.get(step.step, since)
        else (role, _from(step, begun.get(step.step, since)))
        for role, step in placed
    ]


def _from(step: Step, began: float) -> Step:
    return msgspec.structs.replace(step, offset_s=began, duration_s=round(step.offset_s - began, 6))


def _end(placed: list[Placed], at_least: float) -> float:
    return max([at_least, *(step.offset_s + step.duration_s for _, step in placed)])


def _trusted_names(keys: TestKeys, hop: Hop) -> list[Placed]:
    """The test helper was asked for the name over HTTPS: a trusted resolver."""
    step = look_up(keys.control, hop.goal.host)
    return [("trusted", step)] if step is not None else []


def _names(hop: Hop, strayed: bool) -> list[Placed]:
    """Look-ups of the hop's host, by who was asked."""
    host = hop.goal.host
    asked = [(query, looked_up(query, host)) for query in hop.queries if _same(query.hostname, host)]
    classic = [step for query, step in asked if is_classic(query)]
    placed: list[Placed] = [("system" if strayed else "main", step) for step in classic]
    others: dict[str, list[Step]] = {}
    for query, step in asked:
        if query.engine in ("doh", "dot"):
            placed.append(("trusted", step))
        elif not is_classic(query):
            others.setdefault(step.detail.resolver, []).append(step)
    for steps in others.values():
        # Another resolver's success says nothing against the first one's failure.
        role: Role = "again" if _bears_out(steps, classic) else "elsewhere"
        placed += [(role, step) for step in steps]
    return placed


def _same(name: str, host: str) -> bool:
    return name.rstrip(".").lower() == host or not name


def _bears_out(steps: list[Step], classic: list[Step]) -> bool:
    theirs, ours = _addresses(steps), _addresses(classic)
    return share_network(theirs, ours) if theirs and ours else bool(classic) and not theirs and not ours


def _addresses(steps: Iterable[Step]) -> list[str]:
    return [address for step in steps if step.failure is None for address in step.detail.addresses]


def _known(hop: Hop, placed: list[Placed]) -> frozenset[str] | None:
    """The addresses that are the main course's; None where no look-up was recorded, and any is."""
    if literal(hop.goal.host):
        return frozenset([hop.goal.host])
    classic = [step for role, step in placed if role == "main"]
    return frozenset(_addresses(classic)) if classic else None


def _attempts(hop: Hop, known: frozenset[str] | None, strayed: bool) -> list[Placed]:
    """Connects and handshakes. Those to another port than the goal's only look at who is there."""
    goal, placed = hop.goal, []
    answered = any(e.failure is None and e.response is not None and e.response.code for e in hop.exchanges)
    steps = [connected(connect, goal.host) for connect in hop.connects]
    steps += [shaken(handshake, goal.host) for handshake in hop.handshakes]
    for step in sorted(steps, key=lambda step: step.offset_s):
        role = _role(step.address, known, strayed)
        # A wrong certificate beside an answer in the open tells who gave that; a right one vouches for its port alone.
        forged = answered and step.failure in CERTIFICATE_FAILURES
        if role == "main" and step.port not in (goal.port, None) and not forged:
            role = "elsewhere"
        placed.append((role, step))
    return placed


def _role(address: str | None, known: frozenset[str] | None, strayed: bool) -> Role:
    return "trusted" if strayed or (known is not None and address is not None and address not in known) else "main"


def _fetches(hop: Hop, known: frozenset[str] | None, strayed: bool, reads: Reads) -> list[Placed]:
    steps = [fetched(exchange, hop.goal, None, reads) for exchange in hop.exchanges]
    return [(_role(step.address, known, strayed), step) for step in steps]


def _untagged_fetches(hop: Hop, placed: list[Placed]) -> list[Placed]:
    """Version 0.4's exchanges, made on connections of their own whose address is not recorded."""
    final = "tls" if hop.goal.scheme == "https" else "tcp"
    before = [step for role, step in placed if role == "main" and (step.port == hop.goal.port or step.step == "dns")]
    opened = next((step.address for step in before if step.step == final and step.failure is None), None)
    found: list[Placed] = []
    for exchange in hop.exchanges:
        step = fetched(exchange, hop.goal, opened)
        if step.failure is None or step.detail.status is not None or opened is not None:
            found.append(("main", step))
        else:
            found.append(_failed_fetch(step, before, hop.goal.scheme))
    return found


def _failed_fetch(step: Step, before: list[Step], scheme: str) -> Placed:
    """An exchange that never began: where the steps before it all failed, the second try of the furthest of them."""
    failure = step.failure or ""
    furthest = _furthest(before) if before else None
    if furthest is None:
        return "main", ended_at(step, likely_step(failure, scheme))
    if failure not in specs()[furthest.step].failures:
        return "again", ended_at(step, likely_step(failure, scheme))
    again = ended_at(step, furthest.step)
    return "again", msgspec.structs.replace(again, address=furthest.address, port=furthest.port, detail=furthest.detail)


def _furthest(steps: list[Step]) -> Step | None:
    """The failure that ended a course: of the step that came furthest, the first. None where that step got through."""
    last = max((STEPS.index(step.step) for step in steps), default=0)
    there = [step for step in steps if STEPS.index(step.step) == last]
    return there[0] if all(step.failure is not None for step in there) else None


def _with_handshakes(fetches: list[Placed], attempts: list[Placed]) -> Iterator[Placed]:
    """Before an https answer, the handshake it must have had, where none is recorded."""
    recorded = {step.address for _, step in attempts if step.step == "tls" and step.failure is None}
    for role, step in fetches:
        answered = step.step == "http" and step.detail.status is not None
        if answered and step.detail.url[:6] == "https:" and step.address not in recorded:
            yield role, implied(step)
        yield role, step


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """What was done for one URL of the chain."""

    goal: Target
    queries: tuple[OoniQuery, ...]
    connects: tuple[Connect, ...]
    handshakes: tuple[Handshake, ...]
    exchanges: tuple[OoniExchange, ...]


def is_tagged(keys: TestKeys) -> bool:
    """Whether entries say to which hop they belong, as those of version 0.5 do."""
    lists = (keys.queries, keys.tcp_connect, keys.tls_handshakes, keys.requests)
    return any(DEPTH.fullmatch(tag) for entries in lists for entry in entries or () for tag in entry.tags or ())


def hops(keys: TestKeys, target: Target) -> tuple[Hop, ...]:
    """The chain, the target first. It ends where no URL tells what the next hop was."""
    exchanges = list(reversed(keys.requests or []))
    if is_tagged(keys):
        place = {id(entry): _depth(entry.tags) for entry in exchanges}
    else:
        place = {id(entry): number for number, entry in enumerate(exchanges)}
    others = [*(keys.queries or ()), *(keys.tcp_connect or ()), *(keys.tls_handshakes or ())]
    place |= {id(entry): _depth(entry.tags) for entry in others}
    if max(place.values(), default=0) >= MAX_HOPS:
        raise BadRecord("more than {count} redirects", count=MAX_HOPS - 1)
    found: list[Hop] = []
    goal: Target | None = target
    for number in range(max(place.values(), default=0) + 1):
        here = [entry for entry in exchanges if place[id(entry)] == number]
        if number:
            goal = _goal(here, found[-1])
        if goal is None:
            break
        found.append(
            Hop(
                goal=goal,
                queries=tuple(q for q in keys.queries or () if place[id(q)] == number),
                connects=tuple(c for c in keys.tcp_connect or () if place[id(c)] == number),
                handshakes=tuple(h for h in keys.tls_handshakes or () if place[id(h)] == number),
                exchanges=tuple(sorted(here, key=lambda entry: entry.t or 0.0)),
            )
        )
    return tuple(found)


def _depth(tags: Sequence[str] | None) -> int:
    return next((int(found[1]) for tag in tags or () if (found := DEPTH.fullmatch(tag))), 0)


def _goal(here: Sequence[OoniExchange], before: Hop) -> Target | None:
    """What a hop asked for: by its own URL, else by the redirect that led there."""
    asked = [entry.request.url for entry in here if entry.request and entry.request.url]
    for entry in before.exchanges:
        location = location_of(entry.response)
        if location is not None and entry.request is not None:
            asked.append(_joined(entry.request.url, location))
    for url in asked:
        try:
            found = targets.parse(url.split("#")[0], allow_private=True)
        except targets.BadTarget:
            continue
        if found.scheme in ("http", "https"):
            return found
    return None


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location.strip())
    except ValueError:
        return ""
