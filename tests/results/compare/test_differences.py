"""What kind of difference there is, one situation after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from results.compare import ComparedRow
from results.compare.record import failing_family
from results.judge.classify import classify
from tests.results.compare.rows import only, outcomes, row, write
from tests.scenarios.builder import scenarios


def told(tmp_path: Path, *rows: dict[str, Any], **how: Any) -> ComparedRow:
    return only(write(tmp_path / "rows.jsonl", rows), **how)


def test_one_of_two_machines_in_one_network_is_blocked(tmp_path: Path) -> None:
    found = told(tmp_path, row("blocked"), row(name="office"))
    assert found.difference == "machine"
    assert found.says == "this machine only: blocked at home-fibre; reachable at office"


def test_one_of_two_networks_of_a_country_blocks(tmp_path: Path) -> None:
    found = told(tmp_path, row("blocked"), row(name="office", asn=8402), row(name="village", asn=25513))
    assert found.difference == "network"
    assert found.says == "this network only: blocked on AS12389; reachable on AS25513, AS8402"


def test_all_networks_of_one_country_block_and_none_of_another(tmp_path: Path) -> None:
    abroad = row(name="helsinki", country="FI", asn=1759)
    found = told(tmp_path, row("blocked"), row("blocked", name="office", asn=8402), abroad)
    assert found.difference == "country"
    assert found.says == "this country only: blocked in RU; reachable in FI"


def test_it_is_down_for_everybody(tmp_path: Path) -> None:
    found = told(tmp_path, row("down"), row("down", name="helsinki", country="FI", asn=1759))
    assert (found.difference, found.says) == ("everywhere", "everywhere: down")


def test_it_is_blocked_directly_and_a_vpn_opens_it(tmp_path: Path) -> None:
    found = told(tmp_path, row("blocked"), row(path="vpn", country="NL", asn=1136))
    assert found.difference == "path"
    assert "a VPN or proxy opens it: vpn" in found.says
    assert outcomes(found) == {"home-fibre": "blocked", "home-fibre via vpn": "reachable"}


def test_what_a_vpn_does_not_open_is_no_difference_by_path(tmp_path: Path) -> None:
    found = told(tmp_path, row("blocked"), row("blocked", path="vpn", country="NL", asn=1136))
    assert found.difference == "none"


def test_a_vpn_s_network_is_not_the_network_that_the_machine_stands_in(tmp_path: Path) -> None:
    found = told(tmp_path, row("blocked"), row(path="vpn"), by="network")
    assert outcomes(found) == {"AS12389": "blocked", "AS12389 via vpn": "reachable"}
    assert found.difference == "path"


def test_it_works_over_one_family_alone(tmp_path: Path) -> None:
    home = next(scenario for scenario in scenarios() if scenario.name == "ipv6_broken_at_home")
    context = msgspec.structs.replace(home.context, families=("ipv4", "ipv6"))
    evidence = classify(home.measurement, (), context).evidence
    assert failing_family("reachable", evidence) == "ipv6"
    found = told(tmp_path, row(signals=[msgspec.to_builtins(one) for one in evidence]), row(name="office", asn=8402))
    assert found.difference == "family"
    assert found.says.endswith("IPv4 only: IPv6 does not work at home-fibre")
    for said in ("over IPv6 alone it does not work, though", "in one family only: a.x: it fails after 1 s (ipv6)"):
        assert failing_family("reachable", [said]) == "ipv6", "sentences of older versions"


def test_a_family_that_this_home_has_not_is_no_difference() -> None:
    home = next(scenario for scenario in scenarios() if scenario.name == "ipv6_broken_at_home")
    assert failing_family("reachable", classify(home.measurement, (), home.context).evidence) is None


def test_it_is_blocked_since_a_day(tmp_path: Path) -> None:
    before = [row(hours=6 * n) for n in range(20)]
    after = [row("blocked", hours=6 * n) for n in range(20, 40)]
    found = told(tmp_path, *before, *after)
    assert found.difference == "time"
    assert found.says == "blocked at home-fibre; since 2026-11-29 at home-fibre (within 6 h)"
    assert told(tmp_path, *before, *after, by="day").difference == "time"


def test_it_comes_and_goes(tmp_path: Path) -> None:
    found = told(tmp_path, *(row("blocked" if n % 2 else "reachable", hours=6 * n) for n in range(30)))
    assert found.difference == "time"
    assert "flapping at home-fibre" in found.says


def test_what_is_laid_side_by_side_is_told_first(tmp_path: Path) -> None:
    rows = [row("blocked"), row(name="office", asn=8402), row(path="vpn", country="NL", asn=1136)]
    assert told(tmp_path, *rows).kinds == ("network", "path")
    assert told(tmp_path, *rows, by="path").kinds == ("path", "network")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([row("blocked")], "blocked at home-fibre; nothing else to compare with"),
        ([row("inconclusive"), row("offline", name="office", asn=8402)], "nothing to compare"),
        (
            [row("blocked", asn=None), row(name="office", asn=None)],
            "this vantage point only: blocked at home-fibre; reachable at office",
        ),
    ],
    ids=["one vantage", "nothing clear", "networks not known"],
)
def test_what_cannot_be_known_is_called_unknown(tmp_path: Path, rows: list[dict[str, Any]], says: str) -> None:
    found = told(tmp_path, *rows)
    assert (found.difference, found.says) == ("unknown", says)


def test_two_that_agree_differ_in_nothing(tmp_path: Path) -> None:
    found = told(tmp_path, row("blocked"), row("blocked", name="office", asn=8402))
    assert (found.difference, found.says) == ("none", "no difference: blocked at home-fibre, office")


def test_a_network_cut_off_from_abroad_is_noted(tmp_path: Path) -> None:
    found = told(tmp_path, row("blocked", network="restricted"), row(name="office", asn=8402))
    assert "cut off from abroad: home-fibre" in (found.note or "")
