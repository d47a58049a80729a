"""What is due: slots, shares, order, and that nothing starves."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from probe.model import Target
from schedules.plan.due import DueTarget, LastRun, due_targets, next_due, period_share, targets_by_path, within
from schedules.plan.model import PlannedTarget

HOUR, DAY = 3600, 86400
NOW = 1_800_000_000


def target(number: int) -> Target:
    host = f"site-{number}.test"
    return Target(text=f"https://{host}/", scheme="https", host=host, port=443, request_path="/")


def wanted(number: int = 0, *, every_s: int = 6 * HOUR, path: str = "direct") -> PlannedTarget:
    return PlannedTarget(target(number), path, every_s)


def key(one: PlannedTarget) -> tuple[Target, str]:
    return one.target, one.path


def test_what_was_never_measured_is_due_at_once() -> None:
    assert due_targets([wanted()], {}, NOW, 0.0) == ((DueTarget(wanted(), None),), None)


def test_what_was_measured_is_due_when_the_next_slot_begins_and_not_before() -> None:
    one, ran = wanted(every_s=HOUR), NOW - NOW % HOUR + 5
    at = NOW - NOW % HOUR + HOUR
    assert due_targets([one], {key(one): LastRun(ran)}, at - 1, 0.0) == ((), at)
    assert due_targets([one], {key(one): LastRun(ran)}, at, 0.0) == ((DueTarget(one, at),), None)


def test_a_run_at_the_first_second_of_a_slot_counts_for_that_slot() -> None:
    slot = NOW - NOW % HOUR
    assert next_due(wanted(every_s=HOUR), LastRun(slot), 0.0) == slot + HOUR


def test_a_machine_that_slept_for_a_month_measures_once_when_it_wakes() -> None:
    one = wanted(every_s=HOUR)
    found, _ = due_targets([one], {key(one): LastRun(NOW - 30 * DAY)}, NOW, 0.25)
    assert [item.wanted for item in found] == [one]
    assert due_targets([one], {key(one): LastRun(NOW)}, NOW, 0.25)[0] == ()


def test_a_last_run_in_the_future_is_not_believed() -> None:
    one = wanted()
    assert due_targets([one], {key(one): LastRun(NOW + DAY)}, NOW, 0.0) == ((DueTarget(one, None),), None)


def test_what_found_no_network_is_tried_again_within_the_hour_however_seldom_it_is_wanted() -> None:
    one = wanted(every_s=7 * DAY)
    assert next_due(one, LastRun(NOW, offline=True), 0.5) - NOW <= HOUR


def test_what_waits_longest_comes_first_and_what_was_never_measured_before_it() -> None:
    new, old, older = wanted(1), wanted(2), wanted(3)
    last = {key(old): LastRun(NOW - DAY), key(older): LastRun(NOW - 2 * DAY)}
    assert [one.wanted for one in due_targets([old, older, new], last, NOW, 0.0)[0]] == [new, older, old]


def test_the_path_that_waits_longest_is_measured_first() -> None:
    found = [DueTarget(wanted(1, path="vpn"), None), DueTarget(wanted(2), 5), DueTarget(wanted(3, path="vpn"), 6)]
    assert list(targets_by_path(found).items()) == [("vpn", (target(1), target(3))), ("direct", (target(2),))]


def test_a_deadline_that_has_passed_lets_one_item_through() -> None:
    clock = count(10).__next__
    assert list(within("abcdef", clock, 12)) == ["a", "b", "c"]
    assert list(within("abcdef", clock, 0)) == ["a"]


def test_a_fleet_spreads_evenly_over_the_period() -> None:
    tenths = [0] * 10
    for number in range(2000):
        one = next_due(wanted(every_s=HOUR), LastRun(NOW), period_share(f"vantage-{number}"))
        tenths[(one - NOW - 1) * 10 // HOUR] += 1
    assert all(150 <= tenth <= 250 for tenth in tenths), tenths


@given(
    every=st.integers(1, 40 * DAY),
    ran=st.integers(0, 2**33),
    share=st.floats(0, 1, exclude_max=True),
    offline=st.booleans(),
)
def test_the_next_slot_begins_after_the_last_run_and_within_one_period(
    every: int, ran: int, share: float, offline: bool
) -> None:
    one, last = wanted(every_s=every), LastRun(ran, offline)
    at = next_due(one, last, share)
    assert ran < at <= ran + every
    assert due_targets([one], {key(one): last}, at - 1, share) == ((), at)
    assert due_targets([one], {key(one): last}, at, share) == ((DueTarget(one, at),), None)


everys = st.sampled_from([60, 15 * 60, HOUR, 6 * HOUR, DAY])
campaigns = st.lists(st.tuples(everys, st.sampled_from(["direct", "vpn", "tor"])), min_size=1, max_size=12)


@given(
    entries=campaigns,
    share=st.floats(0, 1, exclude_max=True),
    rounds=st.lists(st.tuples(st.integers(1, 2 * DAY), st.integers(1, 4)), min_size=1, max_size=60),
)
def test_no_target_starves_however_early_each_round_is_cut(
    entries: list[tuple[int, str]], share: float, rounds: list[tuple[int, int]]
) -> None:
    """Each round measures at least the first that is due, so nothing is passed over as often as there are targets."""
    all_wanted = [wanted(number, every_s=every, path=path) for number, (every, path) in enumerate(entries)]
    last: dict[tuple[Target, str], LastRun] = {}
    passed_over: dict[tuple[Target, str], int] = {}
    now = NOW
    for pause, capacity in rounds:
        now += pause
        found, _ = due_targets(all_wanted, last, now, share)
        path, targets = next(iter(targets_by_path(found).items()), ("direct", ()))
        measured = {(one, path) for one in targets[:capacity]}
        for item in found:
            if key(item.wanted) in measured:
                passed_over[key(item.wanted)] = 0
                last[key(item.wanted)] = LastRun(now)
            else:
                passed_over[key(item.wanted)] = passed_over.get(key(item.wanted), 0) + 1
        assert all(often < len(all_wanted) for often in passed_over.values())
