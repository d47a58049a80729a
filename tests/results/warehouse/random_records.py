"""Findings of every kind, made by chance from a seed: nothing known, everything at the same moment, hostile words."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from probe.model import Measurement, Target, Vantage
from results.db.store import Store
from results.judge.judged import JudgedMeasurement
from results.judge.verdict import METHODS, Context, Verdict
from results.registers.expectation import Expectation
from tests.results.records import finished, measurement, observation, target

HOSTILE = "'; DROP TABLE verdicts; --"
WORDS = (HOSTILE, 'a"b\\c', "имя 名前", "%_?", "=1+1", "\x1b[31m", "nul\x00nul", "\u202e", "' OR ''='")
OUTCOMES = ("reachable",) * 4 + ("blocked",) * 4 + ("denied", "down", "offline", "inconclusive")
AGREEMENTS = ("enforced", "unenforced", "collateral", "unlisted-block", "open", "undecided")
START = datetime(2026, 11, 1, tzinfo=UTC)


def make(path: Path, seed: int, many: int = 400) -> Path:
    """A database of so many findings."""
    dice = random.Random(seed)
    targets = [_target(dice, number) for number in range(5)]
    vantages = [_vantage(dice) for _ in range(7)]
    store = Store.open(path)
    made: list[JudgedMeasurement] = []
    for number in range(many):
        made.append(_finished(dice, f"id{seed:02d}{dice.randrange(10**6):06d}x{number}", targets, vantages, made))
    store.save(made)
    store.close()
    return path


def years(path: Path) -> Path:
    """A database with a measurement in each of 110 months, as a clock that is wrong makes them."""
    months = [f"{2000 + n // 12}-{n % 12 + 1:02d}" for n in range(110)]
    store = Store.open(path)
    store.save([finished(m, measurement=measurement(m, started_at=f"{m}-01T00:00:00.000Z")) for m in months])
    store.close()
    return path


def _target(dice: random.Random, number: int) -> Target:
    text = f"https://site{number % 4}.example/{dice.choice(WORDS)}"
    service = dice.choice((None, None, "wechat", HOSTILE))
    return target(text, host=f"site{number % 4}.example", service=service, required=dice.random() < 0.5)


def _vantage(dice: random.Random) -> Vantage:
    return Vantage(
        name=dice.choice(("home", "office", HOSTILE)),
        country=dice.choice((None, "RU", "RU", "TR")),
        asn=dice.choice((None, 12389, 8402)),
        network_name=dice.choice((None, "Rostelecom", dice.choice(WORDS))),
        path=dice.choice(("direct", "direct", "vpn")),
    )


def _finished(
    dice: random.Random, name: str, targets: list[Target], vantages: list[Vantage], before: list[JudgedMeasurement]
) -> JudgedMeasurement:
    # Few moments, so that many things happen at the same one, and the ids must tell which is the later.
    at = START + timedelta(hours=dice.randrange(60) * 6, milliseconds=dice.choice((0, 0, 1)))
    goal, place, repeats = dice.choice(targets), dice.choice(vantages), None
    if before and dice.random() < 0.1:
        first = dice.choice(before).measurement
        goal, place, repeats = first.target, first.vantage, first.id
    measured = Measurement(
        id=name,
        target=goal,
        vantage=place,
        started_at=_instant(at),
        runtime_s=dice.random(),
        observations=tuple(_steps(dice, name, at)),
        repeats=repeats,
    )
    outcome = dice.choice(OUTCOMES)
    blocked = outcome == "blocked"
    verdict = Verdict(
        outcome=outcome,
        method=dice.choice(METHODS) if blocked else None,
        trigger=dice.choice((None, "name", "address")) if blocked else None,
        confidence=dice.choice((None, "confirmed", "probable", "possible")),
        rules=("by.chance",),
        evidence=(dice.choice(WORDS),),
        rules_version="0",
    )
    controls = (_control(measured, at),) if dice.random() < 0.2 else ()
    return JudgedMeasurement(
        measurement=measured,
        controls=controls,
        context=Context(country=place.country),
        verdict=verdict,
        expectation=_expectation(dice, goal, place, at),
        agreement=dice.choice(AGREEMENTS),
    )


def _steps(dice: random.Random, name: str, at: datetime) -> list[Any]:
    from probe.model import Http, Tcp, Tls

    page = dice.choice(WORDS)
    details = [
        ("tcp", Tcp(family="ipv4")),
        ("tls", Tls(server_name=page, chain=(b"leaf\x00'", b"\xff\xfe"), verify_code=0)),
        ("http", Http(url="https://a.example/", status=200, title=page, headers=((page, page),))),
    ]
    chosen = details[: dice.randrange(4)]
    return [observation(name, n, step, detail, started_at=_instant(at)) for n, (step, detail) in enumerate(chosen, 1)]


def _control(measured: Measurement, at: datetime) -> Measurement:
    place = Vantage(name="control", country="SE", asn=1257, path="control")
    # On the other side of midnight, now and then.
    later = _instant(at + timedelta(hours=5))
    changed = msgspec.structs.replace(measured, id=f"{measured.id}c", vantage=place, started_at=later, repeats=None)
    return msgspec.structs.replace(changed, control_of=measured.id, observations=())


def _expectation(dice: random.Random, goal: Target, place: Vantage, at: datetime) -> Expectation | None:
    if place.country is None or dice.random() < 0.2:
        return None
    listed = dice.choice((None, True, True, False))
    since = dice.choice((None, "2026-11-03", "2026-10-01")) if listed else None
    listed_at = dice.choice((None, "2026-11-03T07:30:00Z", "2026-11-05T00:00:00Z")) if listed else None
    return Expectation(
        target=goal.text, register="reg", country=place.country, listed=listed, since=since, listed_at=listed_at,
        as_of=_instant(at),
    )  # fmt: skip


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
