"""Databases into one: each measurement once, conflicts apart, and the same whatever the order."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable
from contextlib import closing
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from probe.model import Measurement
from results.compare.merge import merge
from results.db.store import Store, StoreError
from results.export import exchange
from results.export.exchange import ImportedRecord, SkippedLine
from results.judge.classify import classify
from results.judge.judged import JudgedMeasurement
from tests.results.records import finished, measurement, target

IDS = ("aaaa", "bbbb", "cccc")


def judge(one: JudgedMeasurement) -> JudgedMeasurement:
    """By the rules of the moment, with no register."""
    verdict = classify(one.measurement, one.controls, one.context)
    return msgspec.structs.replace(one, verdict=verdict, expectation=None, agreement="undecided")


def record(name: str, took: float = 1.0, repeats: str | None = None, controls: int = 0) -> JudgedMeasurement:
    """A measurement that says how long it took, so that others of the same id can say otherwise."""
    made = tuple(measurement(f"{name}{took}c{n}", control_of=name) for n in range(controls))
    return judge(finished(measurement=measurement(name, runtime_s=took, repeats=repeats), controls=made))


@cache
def empty() -> bytes:
    """A database with nothing in it: to make one anew each time takes long."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        Store.open(path).close()
        return path.read_bytes()


def database(path: Path, records: Iterable[JudgedMeasurement]) -> Path:
    """A database that these were imported into, one after the other."""
    path.write_bytes(empty())
    store = Store.open(path)
    lines = path.with_suffix(".jsonl")
    lines.write_bytes(b"".join(exchange.write_line(one, None) + b"\n" for one in records))
    list(exchange.import_files(store, [lines], exchange.read_line, judge))
    store.close()
    return path


def merged(into: Path, *others: Path) -> list[ImportedRecord | SkippedLine]:
    store = Store.open(into)
    try:
        return list(merge(store, others, judge))
    finally:
        store.close()


def held(path: Path) -> list[dict[str, Any]]:
    """Everything that a database holds, as its export says it."""
    store = Store.open(path)
    try:
        return sorted(
            map(json.loads, exchange.export(store, exchange.write_line)), key=lambda one: one["measurement_id"]
        )
    finally:
        store.close()


def test_what_only_the_other_measured_is_taken_with_its_controls(tmp_path: Path) -> None:
    a = database(tmp_path / "a.db", [record("aaaa")])
    b = database(tmp_path / "b.db", [record("bbbb", controls=2), record("aaaa")])
    before = b.read_bytes()
    assert sorted(one.new for one in merged(a, b) if isinstance(one, ImportedRecord)) == [False, True]
    assert [one["measurement_id"] for one in held(a)] == ["aaaa", "bbbb"]
    assert len(held(a)[1]["record"]["controls"]) == 2
    assert b.read_bytes() == before
    assert [one.new for one in merged(a, b, a) if isinstance(one, ImportedRecord)] == [False, False]


REPEATS = {1.0: None, 2.0: "bbbb", 3.0: "cccc"}
"""What a measurement repeats is part of it: two copies do not differ in that."""
records = st.tuples(st.sampled_from(IDS), st.sampled_from(list(REPEATS)))


def _first(name: str, took: float) -> str | None:
    return REPEATS[took] if REPEATS[took] != name else None


@pytest.mark.slow
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(records, max_size=4), min_size=2, max_size=3))
@example([[("bbbb", 1.0), ("cccc", 1.0)], [("bbbb", 2.0), ("cccc", 2.0)]])
def test_the_order_does_not_matter_and_again_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, told: list[list[tuple[str, float]]]
) -> None:
    """Also where one id stands for several measurements, which repeat one another."""
    several = [[record(*one, repeats=_first(*one), controls=int(one[1]) % 2) for one in part] for part in told]
    folder = tmp_path_factory.mktemp("merge")
    sources = [database(folder / f"{n}.db", part) for n, part in enumerate(several)]
    found = []
    for number, order in enumerate((sources, sources[::-1])):
        into = database(folder / f"into{number}.db", [])
        merged(into, *order)
        found.append(held(into))
    merged(into, *sources)
    assert held(into) == found[-1]
    assert all(one == found[0] for one in found)
    different = {exchange.observed_json(one) for part in several for one in part}
    assert len(found[0]) == len(different), "nothing is lost, and nothing is there twice"
    first = sources[0]
    merged(first, *sources[1:])
    assert held(first) == found[0], "into one of them is as into an empty one"


def test_of_two_with_one_id_both_are_kept_and_it_is_said(tmp_path: Path) -> None:
    quick, slow = record("aaaa", 1.0), record("aaaa", 2.0)
    for ours, theirs in ((quick, slow), (slow, quick)):
        a = database(tmp_path / f"a{ours.measurement.runtime_s}.db", [ours])
        b = database(tmp_path / f"b{ours.measurement.runtime_s}.db", [theirs])
        (taken,) = merged(a, b)
        assert isinstance(taken, ImportedRecord)
        assert taken.conflict == "aaaa"
        assert (taken.moved is None) == (ours == quick)
        assert {one["runtime_s"] for one in held(a)} == {1.0, 2.0}
        assert [one["runtime_s"] for one in held(a) if one["measurement_id"] == "aaaa"] == [1.0]


def test_a_record_that_cannot_be_read_is_skipped_and_the_rest_is_taken(tmp_path: Path) -> None:
    b = database(tmp_path / "b.db", [record("aaaa"), record("bbbb"), record("cccc")])
    connection = sqlite3.connect(b)
    connection.execute("UPDATE observations SET offset_s = -1, hop = 1000 WHERE measurement = 1")
    connection.execute("UPDATE measurements SET context = '{\"network\":7}' WHERE number = 2")
    connection.commit()
    connection.close()
    results = merged(tmp_path / "a.db", b)
    assert [isinstance(one, ImportedRecord) for one in results].count(True) == 1
    assert [one["measurement_id"] for one in held(tmp_path / "a.db")] == ["cccc"]


@pytest.mark.parametrize("content", [None, b"", b"SQLite format 3\x00" + b"\xff" * 5000, b"no database"])
def test_what_is_no_database_is_said(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "b.db").write_bytes(content)
    with pytest.raises(StoreError, match=r"b\.db"):
        merged(tmp_path / "a.db", tmp_path / "b.db")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == []


ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"


def changed(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (
            [
                "PRAGMA legacy_alter_table = ON",
                "ALTER TABLE targets RENAME TO other",
                f"CREATE VIEW targets AS {ENDLESS} SELECT other.* FROM other, c",
            ],
            "no table targets",
        ),
        (
            [
                "PRAGMA legacy_alter_table = ON",
                "ALTER TABLE bodies RENAME TO other",
                "CREATE VIRTUAL TABLE bodies USING fts5(sha256, zlib)",
            ],
            "no table bodies",
        ),
        (
            ["ALTER TABLE targets ADD COLUMN more TEXT AS (hex(zeroblob(1000000)))"],
            "computed columns",
        ),
        (
            ["INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('reachprobe', 'm999', '')"],
            "m999",
        ),
        (["DELETE FROM _sqlite_migrations"], "newer version"),
        (["DROP TABLE _sqlite_migrations"], "_sqlite_migrations"),
    ],
    ids=["endless view", "virtual table", "computed column", "newer schema", "no schema", "no migrations"],
)
def test_a_database_that_is_a_program_is_refused(tmp_path: Path, statements: list[str], says: str) -> None:
    hostile = changed(database(tmp_path / "hostile.db", [record("aaaa")]), *statements)
    with pytest.raises(StoreError, match=says):
        merged(database(tmp_path / "own.db", []), hostile)
    assert [path.name for path in tmp_path.glob(".merging-*")] == []


def test_triggers_and_views_of_others_are_left_behind(tmp_path: Path) -> None:
    hostile = changed(
        database(tmp_path / "hostile.db", [record("aaaa")]),
        f"CREATE TRIGGER t BEFORE INSERT ON measurements BEGIN SELECT ({ENDLESS} SELECT count(*) FROM c); END",
        f"CREATE TRIGGER u BEFORE INSERT ON _sqlite_migrations BEGIN SELECT ({ENDLESS} SELECT count(*) FROM c); END",
        "DROP VIEW findings",
        f"CREATE VIEW findings AS {ENDLESS} SELECT * FROM c",
    )
    own = database(tmp_path / "own.db", [])
    assert [type(one) for one in merged(own, hostile)] == [ImportedRecord]
    assert [one["measurement_id"] for one in held(own)] == ["aaaa"]


def test_a_body_that_unpacks_without_end_costs_its_measurement_only(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(64 * 1024 * 1024), 9)
    odd = judge(finished(measurement=open_page("bbbb")))
    hostile = database(tmp_path / "hostile.db", [record("aaaa"), odd])
    with closing(sqlite3.connect(hostile)) as connection:
        assert connection.execute("UPDATE bodies SET zlib = ?", [bomb]).rowcount == 1
        connection.commit()
    own = database(tmp_path / "own.db", [])
    skipped = [one for one in merged(own, hostile) if isinstance(one, SkippedLine)]
    assert ["above 16 MiB" in one.why for one in skipped] == [True]
    assert [one["measurement_id"] for one in held(own)] == ["aaaa"]


def open_page(name: str) -> Measurement:
    """A page that came in the open, whose body is kept."""
    whole = measurement(name, target=target("http://www.example.com/", scheme="http", port=80))
    body = b"<title>A page of its own</title>"
    page = msgspec.structs.replace(
        whole.observations[-1].detail, url="http://www.example.com/", body=body, body_sha256=sha256(body).hexdigest()
    )
    steps = (*whole.observations[:3], msgspec.structs.replace(whole.observations[-1], detail=page))
    return msgspec.structs.replace(whole, observations=steps)
