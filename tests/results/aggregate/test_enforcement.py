"""Hours from listing to blocking, told by histories of one target on one network."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from results.aggregate.enforcement import (
    SQL,
    Enforcement,
    EnforcementInput,
    ListingEntry,
    by_network,
    enforcement,
    of_database,
)
from results.db.store import Store
from results.registers.expectation import RegisterLookup
from results.registers.importing import ImportOptions, import_register
from tests.results.records import HOME, finished, measurement, target, verdict

DAY = "2026-06-10"
NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
LISTED = ListingEntry(listed_at="2026-06-10T12:00:00Z", listed_on=DAY, first_seen="2026-06-10T13:00:00Z")


def clock(hours: float) -> str:
    """So many hours after noon."""
    return (NOON + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


def row(hours: float, outcome: str, entry: ListingEntry | None = LISTED, **changes: Any) -> EnforcementInput:
    """One measurement, so many hours after the listing at noon; a negative one was before it."""
    given = {
        "id": f"{hours}{outcome}{sorted(changes.items())}",
        "target": "https://a.test/",
        "vantage": "home",
        "country": "RU",
        "asn": 12389,
        "at": clock(hours),
        "outcome": outcome,
        "confidence": "confirmed" if outcome == "blocked" else None,
        "register": "rkn",
        "listed": hours > 1,
        "as_of": clock(hours - 0.5),
        "entries": (entry,) if entry is not None and hours > 1 else (),
    }
    return EnforcementInput(**{**given, **changes})


def only(*rows: EnforcementInput, **known: list[float]) -> Enforcement:
    (found,) = enforcement(rows, known)
    return found


def test_it_was_open_at_one_measurement_and_blocked_at_the_next() -> None:
    found = only(row(-5, "reachable"), row(2, "reachable"), row(4, "reachable"), row(5, "blocked"), row(6, "blocked"))
    assert msgspec.to_builtins(found) == {
        "target": "https://a.test/",
        "register": "rkn",
        "network": "AS12389",
        "listed_at": "2026-06-10T12:00:00Z",
        "first_blocked": clock(5),
        "last_open": clock(4),
        "hours": (4.0, 5.0),
    }


def test_it_is_not_blocked_yet() -> None:
    found = only(row(-5, "reachable"), row(49, "reachable"))
    assert (found.first_blocked, found.last_open, found.hours) == (None, clock(49), (49.0, None))


def test_it_was_blocked_before_it_was_listed() -> None:
    found = only(row(-9, "reachable"), row(-7, "blocked"), row(-1, "blocked"), row(3, "blocked"))
    assert (found.first_blocked, found.last_open, found.hours) == (clock(-7), clock(-9), (-9.0, -7.0))
    found = only(row(-7, "blocked"), row(3, "blocked"))
    assert (found.last_open, found.hours) == (None, (None, -7.0))


def test_a_block_that_was_over_when_it_was_listed_is_another_story() -> None:
    found = only(row(-9, "blocked"), row(-7, "reachable"), row(3, "reachable"), row(4, "blocked"))
    assert (found.first_blocked, found.hours) == (clock(4), (3.0, 4.0))


def test_a_block_that_may_have_begun_before_the_listing_counts_from_there() -> None:
    found = only(row(-1, "reachable"), row(3, "blocked"))
    assert (found.last_open, found.hours) == (clock(-1), (0.0, 3.0))
    assert only(row(3, "blocked")).hours == (0.0, 3.0)


def test_what_is_not_sure_counts_neither_way() -> None:
    unsure = [row(2, "blocked", confidence="possible"), row(2.5, "inconclusive"), row(3, "denied"), row(3.5, "offline")]
    found = only(row(-1, "reachable"), *unsure, row(4, "reachable"), row(5, "blocked", confidence="probable"))
    assert found.hours == (4.0, 5.0)
    assert enforcement(unsure) == []


def test_a_day_without_an_hour_widens_the_answer_by_that_day_in_any_time_zone() -> None:
    entry = ListingEntry(listed_on=DAY, first_seen=clock(200))
    found = only(row(-99, "reachable"), row(60, "reachable", entry), row(70, "blocked", entry))
    assert (found.listed_at, found.hours) == (DAY, (36.0, 96.0))


def test_a_version_that_did_not_list_it_yet_and_the_one_that_did_narrow_the_day() -> None:
    entry = ListingEntry(listed_on=DAY, first_seen=clock(1))
    found = only(row(-1, "reachable"), row(60, "reachable", entry), row(70, "blocked", entry))
    assert found.hours == (59.0, 71.5)


def test_a_decision_came_before_the_listing() -> None:
    entry = ListingEntry(decision_date="2026-06-01", first_seen=clock(1))
    found = only(row(60, "reachable", entry), row(70, "blocked", entry))
    assert found.hours == (59.0, 70 + 9 * 24 + 12 + 14.0)
    found = only(row(-3, "reachable"), row(60, "reachable", entry), row(70, "blocked", entry))
    assert found.hours == (59.0, 73.5)


def test_a_register_without_dates_lists_between_two_of_its_versions() -> None:
    entry = ListingEntry(first_seen=clock(1))
    seen_then = [row(60, "reachable", entry), row(70, "blocked", entry)]
    found = only(*seen_then, rkn=[(NOON + timedelta(hours=hours)).timestamp() for hours in (-23, 1, 25)])
    assert (found.listed_at, found.hours) == (clock(1), (59.0, 93.0))


def test_where_only_the_first_version_is_known_nobody_knows_when_it_was_listed() -> None:
    entry = ListingEntry(first_seen=clock(1))
    found = only(row(60, "reachable", entry), row(70, "blocked", entry))
    assert (found.first_blocked, found.hours) == (clock(70), (59.0, None))


def test_the_earliest_of_several_entries_lists_it() -> None:
    later = ListingEntry(listed_at=clock(30), first_seen=clock(31))
    found = only(row(2, "reachable"), row(40, "blocked", entries=(later, LISTED)))
    assert (found.listed_at, found.hours) == ("2026-06-10T12:00:00Z", (2.0, 40.0))


def test_each_network_has_its_own_answer_and_a_listing_seen_on_one_counts_on_all_of_the_country() -> None:
    here = [row(2, "reachable"), row(3, "blocked")]
    there = [
        row(20, "reachable", None, asn=8359, listed=None, register=None),
        row(20, "blocked", None, asn=1, country="DE", register=None),
    ]
    found = {one.network: one.hours for one in enforcement([*here, *there])}
    assert found == {"AS12389": (2.0, 3.0), "AS8359": (20.0, None)}


def test_what_a_vpn_opens_says_nothing_of_the_network() -> None:
    by_vpn = row(9, "reachable", path="vpn")
    found = only(row(2, "reachable"), row(3, "blocked"), by_vpn, row(10, "blocked", path="vpn"))
    assert found.hours == (2.0, 3.0)
    elsewhere = msgspec.structs.replace(by_vpn, asn=64500)
    networks = {one.network for one in enforcement([row(2, "reachable"), row(3, "blocked"), elsewhere])}
    assert networks == {"AS12389", "AS64500"}


def test_two_vantages_that_do_not_know_their_network_are_not_taken_for_one() -> None:
    found = enforcement([row(2, "reachable", asn=None), row(3, "blocked", asn=None, vantage="school")])
    assert [(one.network, one.hours) for one in found] == [(None, (2.0, None)), (None, (0.0, 3.0))]


def test_a_networks_median_counts_what_is_not_blocked_as_never() -> None:
    def of(name: str, *rows: tuple[float, str]) -> list[EnforcementInput]:
        return [row(hours, outcome, target=name) for hours, outcome in rows]

    quick, slow = of("a", (1.5, "reachable"), (2, "blocked")), of("b", (30, "reachable"), (40, "blocked"))
    never = of("c", (500, "reachable"))
    (found,) = by_network(enforcement([*quick, *slow, *never]))
    assert (found.network, found.targets, found.blocked, found.at_least, found.at_most) == ("AS12389", 3, 2, 30.0, 40.0)
    (found,) = by_network(enforcement(never))
    assert (found.blocked, found.at_least, found.at_most) == (0, 500.0, None)


entries = st.builds(
    ListingEntry,
    listed_at=st.none() | st.floats(-50, 50).map(clock),
    listed_on=st.none() | st.dates(datetime(2026, 6, 8).date(), datetime(2026, 6, 12).date()).map(str),  # noqa: DTZ001
    decision_date=st.none() | st.dates(datetime(2026, 6, 1).date(), datetime(2026, 6, 12).date()).map(str),  # noqa: DTZ001
    first_seen=st.floats(-50, 50).map(clock),
)
histories = st.lists(
    st.builds(
        EnforcementInput,
        id=st.uuids().map(str),
        target=st.sampled_from("ab"),
        vantage=st.sampled_from(["home", "school"]),
        country=st.just("RU"),
        asn=st.sampled_from([None, 1, 2]),
        network_name=st.none(),
        path=st.sampled_from(["direct", "vpn"]),
        at=st.integers(-60, 60).map(clock),
        outcome=st.sampled_from(["reachable", "blocked", "inconclusive"]),
        confidence=st.sampled_from([None, "confirmed", "possible"]),
        register=st.sampled_from([None, "rkn", "other"]),
        listed=st.sampled_from([None, False, True]),
        as_of=st.floats(-60, 60).map(clock),
        entries=st.lists(entries, max_size=2).map(tuple),
    ),
    max_size=25,
)


@given(histories, st.randoms(), st.lists(st.integers(-60, 60), max_size=4))
def test_at_least_is_never_more_than_at_most_and_the_order_of_rows_does_not_matter(
    rows: list[EnforcementInput], chance: random.Random, moments: list[int]
) -> None:
    known = {"rkn": sorted(NOON.timestamp() + hours * 3600 for hours in moments)}
    found = enforcement(rows, known)
    for one in found:
        at_least, at_most = one.hours
        assert at_most is None or at_least is None or at_least <= at_most
        assert at_least is not None or (at_most is not None and at_most < 0)
        assert one.last_open is None or one.first_blocked is None or one.last_open <= one.first_blocked
    chance.shuffle(rows)
    assert enforcement(rows, known) == found
    assert sum(one.targets for one in by_network(found)) == len(found)


def test_the_database_tells_it_and_what_was_measured_again_at_once_counts_once(store: Store, tmp_path: Path) -> None:
    def publish(hours: float, *names: str) -> None:
        (tmp_path / "list.txt").write_text("".join(f"{name}\n" for name in names))
        at = NOON + timedelta(hours=hours)
        import_register(
            store.db,
            [tmp_path / "list.txt"],
            ImportOptions(name="list", country="RU", format="plain", updated=at, now=at),
        )

    def measured(name: str, hours: float, outcome: str, repeats: str | None = None) -> None:
        at = NOON + timedelta(hours=hours)
        made = msgspec.structs.replace(measurement(name, repeats=repeats), started_at=clock(hours), observations=())
        said = verdict(outcome, confidence="confirmed" if outcome == "blocked" else None)
        expected = RegisterLookup(store.db, country="RU", at=at).expect(target().text)
        store.save([finished(name, outcome, measurement=made, verdict=said, expectation=expected)])

    publish(-20, "old.test")
    publish(0, "old.test", target().host)
    measured("a" * 16, -10, "reachable")
    measured("b" * 16, 2, "blocked")
    measured("c" * 16, 2.1, "reachable", repeats="b" * 16)
    measured("d" * 16, 3, "blocked")
    (found,) = of_database(store.db)
    assert found.network == f"AS{HOME.asn}"
    assert (found.first_blocked, found.last_open) == (clock(3), clock(2.1))
    assert found.hours == (2.1, 23.0)


def test_no_measurement_of_another_target_is_read_for_one(store: Store) -> None:
    steps = [row[3] for row in store.db.execute(f"EXPLAIN QUERY PLAN {SQL['ROWS']}", ["x"])]
    assert [step for step in steps if step.startswith("SCAN")] == []
