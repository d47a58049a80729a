"""What a cell says of the measurements behind it, and when it says nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from results.compare.timeline import wilson
from tests.results.compare.rows import compared, only, outcomes, row, write
from tests.results.ooni.records import line as ooni_line
from tests.results.ooni.records import reachable

OFFICE = {"name": "office", "asn": 8402}


def test_three_days_of_blocks_are_three_and_not_twelve(tmp_path: Path) -> None:
    """The line that the design shows."""
    rows = [row("blocked", hours=24 * day + 3 * n) for day in range(3) for n in range(4)]
    (cell,) = only(write(tmp_path / "a.jsonl", rows), by="network").cells
    assert cell.plain() | {"last": None} == {
        "by": "AS12389",
        "outcome": "blocked",
        "method": "tls.reset",
        "agreement": "enforced",
        "measurements": 12,
        "vantage_days": 3,
        "blocked_share": 1.0,
        "interval": [0.4385, 1.0],
        "last": None,
    }


def test_a_missing_and_a_too_old_state_are_gaps_and_agree_with_nothing(tmp_path: Path) -> None:
    rows = [row(hours=0, **OFFICE), row(hours=30), row(hours=30, target="https://line.example/", service="line")]
    found = compared(write(tmp_path / "a.jsonl", rows))
    assert outcomes(found["wechat"]) == {"home-fibre": "reachable", "office": None}
    assert found["wechat"].difference == "unknown"
    assert "no result close enough in time: office (last 2026-11-24)" in (found["wechat"].note or "")
    assert outcomes(found["line"]) == {"home-fibre": "reachable", "office": None}
    (gap,) = [cell for cell in found["line"].cells if cell.by == "office"]
    assert gap.plain() == {
        "by": "office",
        "outcome": None,
        "method": None,
        "agreement": None,
        "measurements": 0,
        "vantage_days": 0,
        "blocked_share": None,
        "interval": None,
        "last": None,
    }


def test_how_close_in_time_is_chosen(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [row(hours=0, **OFFICE), row("blocked", hours=30)])
    assert only(file).difference == "unknown"
    assert only(file, within_s=48 * 3600.0).difference == "network"


def test_a_cell_is_the_latest_finding_and_no_doubt_after_it(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [row("blocked"), row("inconclusive", hours=1), row("offline", hours=2)])
    (cell,) = only(file).cells
    assert (cell.outcome, cell.method, cell.measurements) == ("blocked", "tls.reset", 2)


def test_doubt_alone_is_shown_as_doubt_and_an_offline_machine_as_a_gap(tmp_path: Path) -> None:
    found = only(write(tmp_path / "a.jsonl", [row("inconclusive"), row("offline", **OFFICE)]))
    assert outcomes(found) == {"home-fibre": "inconclusive", "office": None}
    assert found.note == "inconclusive: home-fibre; no internet connection: office"


def test_a_service_is_blocked_by_any_required_target_and_open_only_by_all(tmp_path: Path) -> None:
    web = {"target": "https://web.wechat.com/"}
    rows = [row(), row("blocked", **web), row(**OFFICE), row(**OFFICE, **web)]
    assert outcomes(only(write(tmp_path / "a.jsonl", rows))) == {"home-fibre": "blocked", "office": "reachable"}
    part = only(write(tmp_path / "b.jsonl", rows[:3]))
    assert outcomes(part) == {"home-fibre": "blocked", "office": None}
    assert "required targets were not measured: office" in (part.note or "")


def test_days_side_by_side_show_the_day_without_measurements(tmp_path: Path) -> None:
    found = only(write(tmp_path / "a.jsonl", [row(), row("blocked", hours=48)]), by="day")
    assert outcomes(found) == {"2026-11-24": "reachable", "2026-11-25": None, "2026-11-26": "blocked"}


def test_a_day_on_which_home_was_offline_shows_what_the_vpn_found(tmp_path: Path) -> None:
    rows = [row("offline"), row("down", path="vpn", country="NL", asn=None)]
    assert outcomes(only(write(tmp_path / "a.jsonl", rows), by="day")) == {"2026-11-24": "down"}


def test_a_cell_of_several_vantages_says_what_most_say(tmp_path: Path) -> None:
    rows = [row("blocked"), row("blocked", **OFFICE), row(name="village", asn=25513, hours=1)]
    (cell,) = only(write(tmp_path / "a.jsonl", rows), by="country").cells
    assert (cell.by, cell.outcome, cell.split, cell.vantages) == ("RU", "blocked", True, 3)
    assert cell.plain()["blocked_share"] == 0.6667


def test_a_measurement_that_was_repeated_at_once_counts_by_its_repeat(tmp_path: Path) -> None:
    rows = [row("inconclusive", repeated_by="m2"), row("blocked", hours=0.1)]
    (cell,) = only(write(tmp_path / "a.jsonl", rows)).cells
    assert (cell.outcome, cell.measurements) == ("blocked", 1)


def test_others_measurements_count_by_their_network_and_for_the_service_they_are_of(tmp_path: Path) -> None:
    theirs = tmp_path / "ooni.jsonl"
    theirs.write_bytes(ooni_line(reachable()) + b"\n")
    (their,) = only(theirs, rows="target", by="network").cells
    assert (their.by, their.outcome) == ("AS12389", "reachable")
    target = only(theirs, rows="target").row
    ours = row("blocked", asn=8402, target=target, service="wechat")
    ours["started_at"] = their.plain()["last"]
    found = only(theirs, write(tmp_path / "ours.jsonl", [ours]), by="network")
    assert found.row == "wechat"
    assert outcomes(found) == {"AS8402": "blocked", "AS12389": "reachable"}


def test_machines_of_one_name_in_two_networks_are_told_apart(tmp_path: Path) -> None:
    found = only(write(tmp_path / "a.jsonl", [row("blocked"), row(asn=8402)]))
    assert outcomes(found) == {"home-fibre AS12389": "blocked", "home-fibre AS8402": "reachable"}


def test_a_clock_that_is_years_ahead_makes_nothing_old(tmp_path: Path) -> None:
    ahead = row(hours=24 * 365, **OFFICE)
    file = write(tmp_path / "a.jsonl", [row("blocked"), ahead])
    assert outcomes(only(file)) == {"home-fibre": None, "office": "reachable"}
    assert outcomes(only(file, now=1795600000.0)) == {"home-fibre": "blocked"}


@pytest.mark.parametrize(
    ("count", "of", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)]
)
def test_the_interval_is_wilson_s(count: int, of: int, low: float, high: float) -> None:
    assert wilson(count, of) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("count", "of"), [(0, 0), (3, 2), (-1, 2)])
def test_a_share_of_nothing_has_none(count: int, of: int) -> None:
    with pytest.raises(ValueError, match="of"):
        wilson(count, of)
