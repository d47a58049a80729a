"""Findings that contradict everybody else's: marked where a vantage sends many of them, never deleted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.timestamps import rfc3339
from results.db.store import Store
from results.hub.outliers import (
    DELAY,
    LAST_FINDINGS,
    ComparableFinding,
    Comparison,
    OutlierDetector,
    compare_finding,
    flags,
)
from tests.results.hub.asgi_client import Inside
from tests.results.hub.hub_process import RunningHub
from tests.results.hub.in_thread import asked
from tests.results.records import HOME, finished, measurement, target, verdict
from tests.schedules.hub_client.test_download import reachprobe

OPEN, SHUT = "reachable", "blocked"
SITUATIONS = [
    ("everybody on the network says the opposite", SHUT, [OPEN] * 4, [OPEN] * 4, True),
    ("everybody on the network says the same", SHUT, [SHUT] * 4, [OPEN] * 40, False),
    ("nobody else is on the network, and the country says the opposite", SHUT, [], [OPEN] * 5, True),
    ("nobody else is on the network, and the country does not agree with itself", SHUT, [], [OPEN, OPEN, SHUT], False),
    ("one in ten others says the same", OPEN, [SHUT] * 18 + [OPEN] * 2, [], True),
    ("two in ten others say the same", OPEN, [SHUT] * 8 + [OPEN] * 2, [], False),
    ("two others alone found anything", SHUT, [OPEN] * 2, [OPEN] * 2, None),
    ("nobody else measures", SHUT, [], [], None),
]


@pytest.mark.parametrize(("what", "mine", "near", "far", "stands_alone"), SITUATIONS)
def test_a_finding_is_an_outlier_where_nearly_all_others_found_the_opposite(
    what: str, mine: str, near: list[str], far: list[str], stands_alone: bool | None
) -> None:
    held = ComparableFinding(
        number=1, outcome=mine, network="on AS1", country="in RU", on_network=tuple(near), in_country=tuple(far)
    )
    found = compare_finding(held)
    assert (None if found is None else found.why is not None) is stands_alone, what


def test_a_flag_says_what_a_finding_contradicts() -> None:
    held = ComparableFinding(number=1, outcome=SHUT, network="on AS12389", country="in RU", on_network=(OPEN,) * 4)
    found = compare_finding(held)
    assert found is not None
    assert found.why == "blocked, while 4 of 4 others on AS12389 found it reachable"


def seen(text: str) -> list[Comparison]:
    """`x` stands alone, `.` does not."""
    return [Comparison(number, "alone" if sign == "x" else None) for number, sign in enumerate(text)]


HISTORIES = [
    ("xxxx", ""),
    ("xxxxx", "01234"),
    (".....x", ""),
    ("..........xxxxx....", ""),
    (".....xxxxx", "56789"),
    ("x.x.x.x.x", "02468"),
    ("....................................xxxx", ""),
]


@pytest.mark.parametrize(("history", "marked"), HISTORIES)
def test_only_a_vantage_with_many_outliers_is_flagged_from_the_first_one(history: str, marked: str) -> None:
    found, _ = flags([], seen(history))
    assert "".join(map(str, sorted(found))) == marked


@given(st.text("x.", max_size=90), st.integers(0, 90))
def test_the_flags_do_not_depend_on_the_batches(history: str, cut: int) -> None:
    whole, _ = flags([], seen(history))
    first, before = flags([], seen(history)[:cut])
    second, after = flags(before, seen(history)[cut:])
    assert first | second == whole
    assert len(after) <= LAST_FINDINGS
    assert all(history[number] == "x" for number in whole)


AT = datetime(2026, 11, 24, 18, tzinfo=UTC)


def send(store: Store, name: str, outcomes: Sequence[str], at: datetime = AT, asn: int = 12389) -> None:
    """A member's findings of one target after the other, received at once."""
    with store.writing():
        store.db.execute("INSERT OR IGNORE INTO members (name, since) VALUES (?, 'x')", [name])
    (member,) = store.db.execute("SELECT id FROM members WHERE name = ?", [name]).fetchone()
    vantage = msgspec.structs.replace(HOME, name=name, asn=asn)
    made = []
    for number, outcome in enumerate(outcomes):
        identifier = f"{name}{at:%d%H}{number:03}"
        where: Any = target(f"https://site-{number}.example/")
        one = measurement(identifier, vantage=vantage, target=where, started_at=rfc3339(at))
        made.append(
            finished(
                identifier, measurement=one, verdict=verdict(outcome, method="tls.reset" if outcome == SHUT else None)
            )
        )
    store.save(made)
    with store.writing():
        for one in made:
            store.db.execute(
                "INSERT INTO received (measurement, member, at) SELECT number, ?, ? FROM measurements WHERE id = ?",
                [member, rfc3339(at, "seconds"), one.measurement.id],
            )


def marks(store: Store) -> dict[str, int]:
    rows = store.db.execute(
        "SELECT w.name, count(x.flag) FROM received x JOIN measurements m ON m.number = x.measurement "
        "JOIN vantages w ON w.id = m.vantage_id GROUP BY 1"
    )
    return dict(rows.fetchall())


def test_a_vantage_that_invents_blocks_is_flagged_and_others_are_not(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path / "hub.db")) as store:
        for name in ("a", "b", "c", "d"):
            send(store, name, [OPEN] * 8)
        send(store, "liar", [SHUT] * 8)
        detector = OutlierDetector()
        assert detector.step(store, AT + DELAY - timedelta(minutes=1)) == 0
        assert detector.step(store, AT + DELAY) == 40
        assert marks(store) == {"a": 0, "b": 0, "c": 0, "d": 0, "liar": 8}
        assert detector.step(store, AT + DELAY) == 0
        assert OutlierDetector().step(store, AT + DELAY) == 0  # what was looked at is known after a restart too


def test_the_first_to_see_a_block_is_not_flagged_once_others_see_it(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path / "hub.db")) as store:
        for name in ("a", "b", "c", "d"):
            send(store, name, [OPEN] * 8, AT - timedelta(minutes=20))
        send(store, "first", [SHUT] * 8)
        for name in ("a", "b", "c", "d"):
            send(store, name, [SHUT] * 8, AT + timedelta(hours=5))
        OutlierDetector().step(store, AT + timedelta(hours=12))
        assert set(marks(store).values()) == {0}


def test_other_networks_countries_and_paths_are_not_compared(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path / "hub.db")) as store:
        for name in ("a", "b", "c", "d"):
            send(store, name, [OPEN] * 8)
        for name in ("p", "q", "r", "s"):
            send(store, name, [SHUT] * 8, asn=8402)
        OutlierDetector().step(store, AT + timedelta(hours=12))
        assert set(marks(store).values()) == {0}


async def test_flagged_findings_are_shown_and_can_be_filtered(tmp_path: Path) -> None:
    with Inside(tmp_path) as app:
        with closing(Store.open(tmp_path / "hub.db")) as store:
            for name in ("a", "b", "c", "d"):
                send(store, name, [OPEN] * 6)
            send(store, "liar", [SHUT] * 6)
            OutlierDetector().step(store, AT + DELAY)
        marked = await asked(app, "/v1/measurements?flagged=yes")
        rest = await asked(app, "/v1/measurements?flagged=no")
    rows = [json.loads(line) for line in marked.body.splitlines()]
    assert {row["vantage"]["name"] for row in rows} == {"liar"}
    assert len(rows) == 6
    assert "4 of 4 others on AS12389" in rows[0]["flag"]
    assert len(rest.body.splitlines()) == 24
    hub = RunningHub(tmp_path)
    said = reachprobe(tmp_path, "--db", str(hub.db), "hub", "vantages")
    assert "liar  since x, received 6, last 2026-11-24T18:00:00Z, of these contradicting all others 6" in said.stdout


async def test_a_recomputed_verdict_is_a_correction_only_where_it_changes(
    tmp_path: Path,
) -> None:
    with Inside(tmp_path) as app:
        with closing(Store.open(tmp_path / "hub.db")) as store:
            store.save([finished(name, measurement=measurement(name)) for name in ("one1", "two2")])

            def judge(record: Any) -> Any:
                changed = record.measurement.id == "one1"
                said = verdict("blocked", method="tls.reset") if changed else record.verdict
                return msgspec.structs.replace(record, verdict=msgspec.structs.replace(said, rules_version="new"))

            assert [new.measurement.id for _, new in store.reclassify(judge)] == ["one1"]
            assert list(store.reclassify(judge)) == []
        got = await asked(app, "/v1/corrections")
        none = await asked(app, f"/v1/corrections?after={got.headers['reachprobe-after']}")
    (row,) = [json.loads(line) for line in got.body.splitlines()]
    assert row["measurement_id"] == "one1"
    assert (row["was"]["outcome"], row["now"]["outcome"]) == ("reachable", "blocked")
    assert row["now"]["rules_version"] == "new"
    assert none.body == b""
