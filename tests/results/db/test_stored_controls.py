"""Measurements of other vantages as controls: which are believed, and what they are worth."""

from __future__ import annotations

from typing import Any

import msgspec

from probe.model import Tcp, Tls, Vantage
from results.db.read import recorded_elsewhere
from results.db.store import Store
from results.judge.classify import classify
from results.judge.verdict import Context
from results.judge.wording import sentences
from tests.results.records import finished, measurement, observation, target

HOURS_S = 3600.0
NOON = "2026-11-24T12:00:00.000Z"
BERLIN = Vantage(name="berlin", country="DE", asn=3320)


def record(store: Store, name: str, vantage: Vantage, outcome: str = "reachable", **changes: Any) -> None:
    made = measurement(name, vantage=vantage, **{"started_at": "2026-11-24T10:00:00.000Z", **changes})
    store.save([finished(name, outcome, measurement=made)])


def found(store: Store, *vantages: str, **changes: Any) -> list[str]:
    here = measurement(started_at=NOON, **changes)
    return [m.id for m in recorded_elsewhere(store.db, here, vantages=vantages, within_s=6 * HOURS_S)]


def test_another_country_that_got_through_within_the_hours_is_a_control(store: Store) -> None:
    record(store, "berlin", BERLIN)
    record(store, "yesterday", msgspec.structs.replace(BERLIN, name="paris"), started_at="2026-11-23T12:00:00.000Z")
    record(store, "later", msgspec.structs.replace(BERLIN, name="rome"), started_at="2026-11-24T12:00:01.000Z")
    record(store, "elsewhere", msgspec.structs.replace(BERLIN, name="oslo"), target=target("https://other.example/"))
    assert found(store) == ["berlin"]


def test_of_a_vantage_the_latest_counts(store: Store) -> None:
    record(store, "before", BERLIN)
    record(store, "since", BERLIN, "down", started_at="2026-11-24T11:00:00.000Z")
    assert found(store) == []


def test_a_failure_abroad_counts_only_where_the_vantage_is_known_to_be_free(store: Store) -> None:
    record(store, "berlin", BERLIN, "inconclusive")
    assert found(store) == []
    assert found(store, "berlin") == ["berlin"]


def test_the_same_country_is_no_control_unless_it_is_said_to_be(store: Store) -> None:
    record(store, "moscow", Vantage(name="moscow", country="RU"))
    assert found(store) == []
    assert found(store, "moscow") == ["moscow"]


def test_the_vantage_is_no_control_of_itself_but_its_way_abroad_is(store: Store) -> None:
    here = measurement().vantage
    record(store, "itself", here)
    assert found(store, here.name) == []
    record(store, "abroad", msgspec.structs.replace(here, country="NL", path="vpn"))
    assert found(store) == ["abroad"]


def test_a_vantage_without_a_country_knows_no_other(store: Store) -> None:
    record(store, "berlin", BERLIN)
    nowhere = Vantage(name="somewhere")
    assert found(store, vantage=nowhere) == []
    assert found(store, "berlin", vantage=nowhere) == ["berlin"]


def test_at_most_two_and_the_newest(store: Store) -> None:
    for n, name in enumerate(("a", "b", "c")):
        vantage = Vantage(name=name, country="DE")
        record(store, name, vantage, started_at=f"2026-11-24T1{n}:00:00.000Z")
    assert found(store) == ["c", "b"]


def test_a_block_that_only_a_record_speaks_for_is_possible_and_says_why() -> None:
    steps = (
        measurement().observations[0],
        observation("m", 2, "tcp", Tcp(family="ipv4")),
        observation("m", 3, "tls", Tls(server_name="www.example.com"), failure="connection_reset"),
        observation("m", 4, "tcp", Tcp(family="ipv4"), role="again"),
        observation("m", 5, "tls", Tls(server_name="www.example.com"), failure="connection_reset", role="again"),
        observation("m", 6, "tcp", Tcp(family="ipv4"), role="innocent"),
        observation("m", 7, "tls", Tls(server_name="innocent.example"), role="innocent"),
    )
    here = measurement("m", started_at=NOON, observations=steps)
    abroad = measurement("berlin", vantage=BERLIN, started_at="2026-11-24T09:30:00.000Z")
    context = Context(country="RU", allow_private=True)
    verdict = classify(here, (abroad,), context)
    assert (verdict.outcome, verdict.confidence, verdict.control) == ("blocked", "possible", "berlin")
    assert "control berlin was recorded 2.5 hours earlier, not for this measurement" in sentences(verdict.evidence)
    made = measurement("now", vantage=BERLIN, started_at=NOON, control_of="m")
    assert classify(here, (made,), context).confidence == "probable"
    assert classify(here, (made, abroad), context).confidence == "probable"
