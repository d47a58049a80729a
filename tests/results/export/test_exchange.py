"""What goes out of one database and into another is the same there, however often and in whatever order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from results import ooni
from results.db import read
from results.db.json_codec import row
from results.db.jsonl import BadRecord
from results.db.store import Store
from results.export import exchange
from results.export.exchange import ImportedRecord, SkippedLine
from results.i18n.translator import Phrase
from results.judge.classify import classify
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.judge.verdict import Context
from results.judge.wording import evidence
from results.registers.expectation import Expectation
from tests.results import generated
from tests.results.ooni.records import line as ooni_line
from tests.results.ooni.records import reachable
from tests.results.records import finished, measurement, verdict

FORMATS = {"jsonl": (exchange.read_line, exchange.write_line), "ooni": (ooni.read_line, ooni.write_line)}
ROUND = RoundRecord(
    id="round1", started_at="2026-11-24T17:59:00.000Z", network="online", evidence=("a canary answered",)
)
CONTROL = measurement("control000000000", control_of="2kq7mmmmmmmmmmmm")


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "theirs.db")
    yield opened
    opened.close()


def judge(finished: JudgedMeasurement) -> JudgedMeasurement:
    """By the rules of the moment, with no register."""
    verdict = classify(finished.measurement, finished.controls, finished.context)
    return msgspec.structs.replace(finished, verdict=verdict, expectation=None, agreement="undecided")


def take(store: Store, lines: Sequence[bytes], format_: str = "jsonl") -> list[ImportedRecord | SkippedLine]:
    path = store.path.with_suffix(".in")
    path.write_bytes(b"\n".join(lines))
    return list(exchange.import_files(store, [path], FORMATS[format_][0], judge))


def out(store: Store, format_: str = "jsonl") -> list[bytes]:
    return list(exchange.export(store, FORMATS[format_][1]))


def test_a_line_is_the_documented_row_with_the_record_beside_it() -> None:
    line = json.loads(exchange.write_line(finished(), None))
    record = line.pop("record")
    assert line == row(finished())
    assert record["measurement"]["observations"][0]["step"] == "dns"


def test_evidence_comes_back_as_it_was_as_signals_and_as_the_sentences_of_an_older_version() -> None:
    found = (evidence("control.passes", control="vpn", result=Phrase("passed.tcp")), "it was refused")
    line = exchange.write_line(finished(verdict=verdict(evidence=found)), None)
    assert exchange.read_line(line)[0].verdict.evidence == found
    shown = json.loads(line)
    assert shown["evidence"] == ["control vpn gets through: connected", "it was refused"]
    values = {"control": "vpn", "result": {"phrase": "passed.tcp"}}
    assert shown["signals"] == [{"signal": "control.passes", "values": values}]


@settings(max_examples=150, deadline=None)
@given(what=generated.finished())
def test_whatever_was_measured_comes_back_the_same(what: tuple[JudgedMeasurement, RoundRecord | None]) -> None:
    assert exchange.read_line(exchange.write_line(*what)) == what


@pytest.mark.parametrize("format_", FORMATS)
def test_importing_twice_adds_nothing_and_gives_the_same_rows(store: Store, other: Store, format_: str) -> None:
    store.save_round(ROUND)
    store.save(
        [judge(finished("aaaa000000000000", controls=(), round_id="round1")), judge(finished(controls=(CONTROL,)))]
    )
    lines = out(store, format_)
    first = take(other, lines, format_)
    again = take(other, lines, format_)
    assert [result.new for result in first if isinstance(result, ImportedRecord)] == [True, True]
    assert [result.new for result in again if isinstance(result, ImportedRecord)] == [False, False]
    assert sorted(other.rows(), key=str) == sorted(store.rows(), key=str)
    assert out(other, format_) == lines
    assert other.finished("aaaa").round_id == "round1"


def test_a_record_of_ooni_s_is_kept_once_and_another_s_vantage_is_not_ours(store: Store) -> None:
    store.save([finished()])
    for new in (True, False):
        (result,) = take(store, [ooni_line(reachable())], "ooni")
        assert isinstance(result, ImportedRecord)
        assert result.new is new
    assert {found["vantage"]["name"] for found in store.rows()} == {"home-fibre", "ooni-RU-AS12389"}
    assert [found["network"] for found in store.rows(vantage="ooni-RU-AS12389")] == ["online"]


def test_what_the_file_concludes_is_not_believed(store: Store) -> None:
    (result,) = take(store, [exchange.write_line(finished(outcome="blocked"), None)])
    assert isinstance(result, ImportedRecord)
    assert result.finished.verdict.outcome == "reachable"


def test_the_registers_word_is_kept_where_we_have_no_register_of_our_own(store: Store) -> None:
    listed = Expectation(target="https://www.example.com/", register="rkn", country="RU", listed=True)
    (result,) = take(store, [exchange.write_line(finished(expectation=listed, agreement="enforced"), None)])
    assert isinstance(result, ImportedRecord)
    assert (result.finished.expectation, result.finished.agreement) == (listed, "unenforced")


def test_two_measurements_with_one_id_are_both_kept_and_said(store: Store) -> None:
    ours = exchange.write_line(finished(controls=(CONTROL,)), None)
    theirs = exchange.write_line(finished(controls=(CONTROL,), measurement=measurement(runtime_s=9.0)), None)
    for news in ([True, True], [False, False]):
        results = [result for result in take(store, [ours, theirs]) if isinstance(result, ImportedRecord)]
        assert [result.new for result in results] == news
        assert [result.conflict for result in results] == [None, "2kq7mmmmmmmmmmmm"]
    assert sorted(found["runtime_s"] for found in store.rows()) == [0.41, 9.0]
    assert len(read.controls_of(store.db, results[1].finished.measurement.id)) == 1


def test_the_id_of_a_control_is_not_taken_over(store: Store) -> None:
    take(store, [exchange.write_line(finished(controls=(CONTROL,)), None)])
    stranger = finished(CONTROL.id, controls=())
    (result,) = take(store, [exchange.write_line(stranger, None)])
    assert isinstance(result, ImportedRecord)
    assert result.conflict == CONTROL.id
    claims = msgspec.structs.replace(CONTROL, control_of="another000000000")
    (refused,) = take(store, [exchange.write_line(finished("another000000000", controls=(claims,)), None)])
    assert isinstance(refused, SkippedLine)
    assert "another measurement has the id" in refused.why


def test_a_body_that_was_not_kept_makes_no_other_measurement(store: Store) -> None:
    line = exchange.write_line(finished(), None)
    for new in (True, False):
        (result,) = take(store, [line])
        assert isinstance(result, ImportedRecord)
        assert (result.new, result.conflict) == (new, None)


def test_a_bad_line_is_skipped_with_its_number_and_the_others_are_read(store: Store) -> None:
    good = exchange.write_line(finished(), None)
    results = take(store, [b'{"kind": "target"}', b"", good, b"[", b"[" * 50_000])
    assert [(type(result).__name__, getattr(result, "line", None)) for result in results] == [
        ("SkippedLine", 1),
        ("ImportedRecord", None),
        ("SkippedLine", 4),
        ("SkippedLine", 5),
    ]
    assert isinstance(results[0], SkippedLine)
    assert "results export --format jsonl" in results[0].why


def damaged(**changes: Any) -> bytes:
    line = json.loads(exchange.write_line(finished(controls=(CONTROL,)), ROUND))
    for path, value in changes.items():
        inner: Any = line["record"]
        *way, last = [int(key) if key.isdigit() else key for key in path.split("__")]
        for key in way:
            inner = inner[key]
        inner[last] = value
    return json.dumps(line).encode()


DEEP: dict[str, Any] = {}
for _ in range(20):
    DEEP = {"failure": {"phrase": "signal.fails", "values": DEEP}}
STEP = msgspec.to_builtins(measurement().observations[2])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": 2}, "version 2"),
        ({"agreement": "open\u202e"}, "agreement"),
        ({"measurement__id": "a b", "controls": []}, "id"),
        ({"measurement__control_of": "xxxxxxxx"}, "control measurement without the measurement"),
        ({"controls__0__control_of": "xxxxxxxx"}, "another measurement"),
        ({"controls__0__id": "2kq7mmmmmmmmmmmm"}, "duplicate id"),
        ({"measurement__started_at": "now"}, "not a UTC time"),
        ({"measurement__started_at": "2026-11-24T18:00:00+03:00"}, "not a UTC time"),
        ({"round__started_at": "2026-99-99T00:00:00Z"}, "not a UTC time"),
        ({"context__network": "splendid"}, "network"),
        ({"context__earlier": [{"at": "then", "method": "x"}]}, "not a UTC time"),
        ({"measurement__observations__0__hop": -1}, "hop -1"),
        ({"measurement__observations__0__id": ".1"}, "step"),
        ({"measurement__observations__0__role": "judge"}, "role"),
        ({"measurement__observations__0__port": 2**64}, "64 bits"),
        ({"measurement__observations__0__address": "localhost"}, "not an address"),
        ({"measurement__observations__0__detail": {"resolver": 5}}, "resolver"),
        ({"measurement__observations__4__detail__body": "AAAA"}, "hash"),
        ({"measurement__observations": [STEP] * 5001}, "5000 steps"),
        ({"measurement__target__host": "other.example"}, "does not match its parts"),
        ({"measurement__target__text": "no target"}, "cannot contain spaces"),
        ({"measurement__vantage__country": "Russia"}, "country"),
        ({"measurement__vantage__asn": 0}, "invalid network"),
        ({"measurement__vantage__network_name": ""}, "invalid network"),
        ({"verdict__evidence": [{"signal": "fails", "values": {"failure": "x" * 500}}]}, "too much evidence"),
        ({"verdict__evidence": [{"signal": "s" * 200}]}, "too much evidence"),
        ({"verdict__evidence": ["again"] * 100}, "too much evidence"),
        ({"verdict__evidence": [{"signal": "fails", "values": DEEP}]}, "too much evidence"),
        ({"verdict__evidence": [{"signal": "fails", "values": {"failure": {"host": "x"}}}]}, "phrase"),
        ({"verdict__evidence": [{"signal": "fails", "values": {"failure": None}}]}, "null"),
        ({"verdict__evidence": [5]}, "int"),
    ],
)
def test_a_record_that_is_not_as_we_write_it_is_refused_with_the_reason(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRecord, match=why):
        exchange.read_line(damaged(**changes))
    assert exchange.read_line(damaged())[0] == finished(controls=(CONTROL,), round_id="round1")


def test_a_repeat_is_tied_to_what_it_repeats_whichever_comes_first(store: Store, other: Store) -> None:
    first = judge(finished("first00000000000"))
    later = judge(finished(measurement=measurement("later00000000000", repeats="first00000000000")))
    store.save([first])
    store.save([later])
    lines = out(store)
    for arriving in (lines, lines[::-1]):
        results = take(other, arriving)
        assert {result.finished.measurement.repeats for result in results if isinstance(result, ImportedRecord)} == {
            None,
            "first00000000000",
        }
        assert other.measurement("later").repeats == "first00000000000"
    assert out(other) == lines


def test_nothing_repeats_what_it_does_not_belong_with(store: Store) -> None:
    store.save([finished("mine000000000000")])
    elsewhere = msgspec.structs.replace(measurement().vantage, name="elsewhere")
    for name, changes in (("x000000000000000", {"vantage": elsewhere}), ("y000000000000000", {})):
        claims = "mine000000000000" if changes else name
        take(store, [exchange.write_line(finished(measurement=measurement(name, repeats=claims, **changes)), None)])
        assert store.measurement(name).repeats is None


def test_a_measurement_that_served_as_a_control_is_known_by_its_id(store: Store, other: Store) -> None:
    abroad = msgspec.structs.replace(measurement().vantage, name="abroad", country="NL")
    served = judge(finished(measurement=measurement("served0000000000", vantage=abroad)))
    store.save([served])
    kept = finished(controls=(served.measurement,), context=Context(country="RU", recorded=("served0000000000",)))
    store.save([judge(kept)])
    lines = out(store)
    for _ in range(2):
        assert all(
            isinstance(result, ImportedRecord) and result.conflict is None for result in take(other, lines[::-1])
        )
    assert [control.id for control in other.finished("2kq7").controls] == ["served0000000000"]
    assert out(other) == lines


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(
    records=st.lists(st.integers(0, 4), min_size=1, max_size=5, unique=True).flatmap(
        lambda numbers: st.tuples(*(generated.finished(f"record{n}000000") for n in numbers))
    ),
    order=st.randoms(use_true_random=False),
)
def test_the_order_in_which_records_arrive_does_not_matter(
    tmp_path: Path, records: tuple[tuple[JudgedMeasurement, RoundRecord | None], ...], order: Any
) -> None:
    lines = [exchange.write_line(finished, None) for finished, _ in records]
    shuffled = order.sample(lines, len(lines))
    found = []
    for name, arriving in (("one", lines), ("other", [*shuffled, *lines])):
        (tmp_path / f"{name}.db").unlink(missing_ok=True)
        store = Store.open(tmp_path / f"{name}.db")
        assert all(isinstance(result, ImportedRecord) for result in take(store, arriving))
        found.append(sorted(out(store)))
        store.close()
    assert found[0] == found[1]
    assert len(found[0]) == len(lines)
