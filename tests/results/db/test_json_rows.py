"""The line that scripts rely on, and what the targets of a service say of it."""

from __future__ import annotations

import pytest

from results.db.json_codec import from_plain, row, to_plain
from results.judge.verdict import Context, deciding
from results.registers.expectation import EntryRef, Expectation, OtherRegister
from tests.results.records import finished, verdict

KEYS = [
    "kind", "measurement_id", "target", "service", "vantage", "started_at", "runtime_s", "outcome", "method", "trigger",
    "confidence", "rules", "evidence", "signals", "control", "expectation", "agreement", "network", "rules_version",
    "schema_version", "repeats", "repeated_by",
]  # fmt: skip


def test_every_key_is_there_and_what_is_absent_is_null() -> None:
    line = row(finished())
    assert sorted(line) == sorted(KEYS)
    assert line["vantage"] == {"name": "home-fibre", "country": "RU", "asn": 12389, "path": "direct"}
    absent = ("service", "method", "trigger", "control", "expectation", "repeats", "repeated_by")
    assert {key: line[key] for key in absent} == dict.fromkeys(absent)
    assert line["kind"] == "target"


def test_the_network_and_the_control_of_the_moment_are_told() -> None:
    made = finished(context=Context(network="restricted"), verdict=verdict("down", control="vpn"))
    assert (row(made)["network"], row(made)["control"]) == ("restricted", "vpn")


def test_the_expectation_names_the_entries_by_id() -> None:
    entry = EntryRef(
        id="rkn:1", how="name", block_type="domain", basis="149-FZ 15.4", authority=None, decision_number=None,
        decision_date="2017-05-04", listed_on=None, listed_at=None, first_seen="2017-05-04T12:00:00Z", last_seen=None,
    )  # fmt: skip
    expectation = Expectation(
        target="x", register="rkn", listed=True, since="2017-05-04", basis="149-FZ 15.4", entries=(entry,)
    )
    told = row(finished(expectation=expectation, agreement="enforced"))
    assert told["agreement"] == "enforced"
    assert told["expectation"]["entries"] == ["rkn:1"]
    assert set(told["expectation"]) >= {"register", "listed", "since", "basis", "since_source", "listed_at", "as_of"}


@pytest.mark.parametrize(
    ("targets", "decides"),
    [
        ([("a", True, "reachable"), ("b", True, "blocked")], "b"),
        ([("a", True, "reachable"), ("b", False, "blocked")], "a"),
        ([("a", True, "inconclusive"), ("b", True, "down"), ("c", True, "reachable")], "b"),
        ([("a", False, "reachable"), ("b", False, "denied")], "b"),
        ([], None),
    ],
)
def test_a_service_goes_by_its_worst_required_target(targets: list[tuple[str, bool, str]], decides: str | None) -> None:
    assert deciding(targets) == decides


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("2017-05-04", True),
        ("2017-05-04T12:00:00Z", True),
        ("2017-05-04T12:00:00.000+03:00", True),
        ("soon", False),
        ("", False),
        ("2017-13-40", False),
        ("0001-01-01T00:00:00+14:00", False),
        ("20170504", False),
        ("2017-05-04; DROP TABLE", False),
    ],
)
def test_a_date_in_a_read_expectation_that_is_none_is_left_out(text: str, kept: bool) -> None:
    other = OtherRegister(register="y", listed=True, since=text, as_of=text)
    claimed = Expectation(
        target="x", register="x", listed=True, since=text, listed_at=text, as_of=text, others=(other,)
    )
    read, _ = from_plain(to_plain(finished(expectation=claimed), None))
    expectation = read.expectation
    assert expectation is not None
    (seen,) = expectation.others
    found = {expectation.since, expectation.listed_at, expectation.as_of, seen.since, seen.as_of}
    assert found == ({text} if kept else {None})
    assert expectation.listed
