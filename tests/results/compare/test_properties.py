"""What must hold of any sources: their order does not matter, and more of them make no agreement out of nothing."""

from __future__ import annotations

import random
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from results.compare.differences import FIRST_KIND
from results.compare.record import FINDINGS
from results.judge.rules import rules_version
from tests.results.compare.rows import compared, only, outcomes, row, write
from tests.results.report.reports import summary_of

PLACES = (
    {"name": "home", "asn": 12389},
    {"name": "office", "asn": 8402},
    {"name": "office", "asn": 12389},
    {"name": "helsinki", "asn": 1759, "country": "FI"},
    {"name": "home", "asn": None, "country": "NL", "path": "vpn"},
)
TARGETS = (
    {"target": "https://www.wechat.com/", "service": "wechat"},
    {"target": "https://web.wechat.com/", "service": "wechat"},
    {"target": "https://line.example/", "service": None},
)
rows = st.lists(
    st.builds(
        lambda place, target, outcome, hours: row(outcome, hours=hours, **place, **target),
        st.sampled_from(PLACES),
        st.sampled_from(TARGETS),
        st.sampled_from(["reachable", "blocked", "denied", "down", "offline", "inconclusive"]),
        st.integers(0, 100),
    ),
    max_size=25,
)
several = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def files(folder: Path, found: list[dict[str, Any]], parts: int) -> list[Path]:
    """The rows in so many files."""
    return [write(folder / f"{n}.jsonl", found[n::parts]) for n in range(parts)]


@several
@given(rows, st.integers(1, 4), st.randoms(use_true_random=False), st.sampled_from(sorted(FIRST_KIND)))
def test_the_order_of_sources_and_how_they_are_cut_up_do_not_matter(
    tmp_path: Path, found: list[dict[str, Any]], parts: int, chance: random.Random, by: str
) -> None:
    whole = compared(write(tmp_path / "whole.jsonl", found), by=by)
    cut = files(tmp_path, found, parts)
    chance.shuffle(cut)
    assert compared(*cut, *cut[:1], by=by) == whole


VERSIONS = (rules_version(), "2026-11-26", "r000000000000", "rffffffffffff")


@pytest.mark.parametrize("versions", list(permutations(VERSIONS)))
def test_of_one_measurement_the_verdict_by_the_rules_in_force_counts(tmp_path: Path, versions: tuple[str, ...]) -> None:
    made = {
        version: row(
            "blocked" if version == rules_version() else "reachable", measurement_id="one", rules_version=version
        )
        for version in versions
    }
    sources = [write(tmp_path / f"{n}.jsonl", [made[version]]) for n, version in enumerate(versions)]
    assert outcomes(only(*sources)) == {"home-fibre": "blocked"}
    assert summary_of(*sources).rules_versions == (rules_version(),)


@pytest.mark.parametrize("versions", list(permutations(VERSIONS[1:])))
def test_of_two_verdicts_by_other_rules_the_greater_version_counts(tmp_path: Path, versions: tuple[str, ...]) -> None:
    outcome = {"2026-11-26": "reachable", "r000000000000": "down", "rffffffffffff": "blocked"}
    sources = [
        write(
            tmp_path / f"{n}.jsonl",
            [row(outcome[version], measurement_id="one", rules_version=version, agreement="open")],
        )
        for n, version in enumerate(versions)
    ]
    assert outcomes(only(*sources)) == {"home-fibre": "blocked"}


@several
@given(rows, rows)
def test_another_source_makes_no_agreement_out_of_a_gap(
    tmp_path: Path, found: list[dict[str, Any]], more: list[dict[str, Any]]
) -> None:
    """A gap is filled by measurements of that very vantage and row alone."""
    theirs = [dict(one, vantage=dict(one["vantage"], name=f"their {one['vantage']['name']}")) for one in more]
    before = compared(write(tmp_path / "ours.jsonl", found))
    after = compared(tmp_path / "ours.jsonl", write(tmp_path / "theirs.jsonl", theirs))
    for name, row_ in before.items():
        gaps = [label for label, outcome in outcomes(row_).items() if outcome not in FINDINGS]
        if name in after:
            assert not [label for label in gaps if outcomes(after[name])[label] in FINDINGS]


@several
@given(rows, st.sampled_from(sorted(FIRST_KIND)))
def test_a_cell_says_what_stands_behind_it(tmp_path: Path, found: list[dict[str, Any]], by: str) -> None:
    for one in compared(write(tmp_path / "a.jsonl", found), by=by).values():
        assert one.difference == one.kinds[0]
        findings = {cell.outcome for cell in one.cells} & FINDINGS
        assert one.difference in ("unknown", "time", "family") or findings
        for cell in one.cells:
            assert (cell.method is not None) == (cell.outcome == "blocked")
            assert cell.outcome is None or cell.measurements > 0
            plain = cell.plain()
            assert (plain["vantage_days"] == 0) == (plain["interval"] is None)
            if plain["interval"] is not None:
                low, high = plain["interval"]
                assert 0 <= low <= plain["blocked_share"] <= high <= 1
