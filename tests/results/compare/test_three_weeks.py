"""Three weeks at five vantages: what is said is exactly what happened."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from results import ooni
from results.db.store import Store
from results.export import exchange
from tests.results.compare.rows import compared, outcomes
from tests.three_weeks import BLOCKED_SINCE, HOME, LISTED, MOBILE, OFFICE, VILLAGE

WRITERS = {"jsonl": exchange.write_line, "ooni": ooni.write_line}


def test_network_by_network(three_weeks: list[Path]) -> None:
    found = compared(*three_weeks, by="network")
    wechat = found["wechat"]
    assert wechat.kinds == ("network", "path", "time")
    assert outcomes(wechat) == {
        "AS3216": "blocked",
        "AS8402": "blocked",
        "AS12389": "blocked",
        "AS25513": "reachable",
        "AS1136 via vpn": "reachable",
    }
    assert {cell.by: (cell.method, cell.agreement) for cell in wechat.cells} == {
        "AS3216": ("dns.nxdomain", "enforced"),
        "AS8402": ("tls.reset", "enforced"),
        "AS12389": ("tls.reset", "enforced"),
        "AS25513": (None, "unenforced"),
        "AS1136 via vpn": (None, "undecided"),
    }
    assert wechat.says == (
        "some networks: blocked on AS12389, AS3216, AS8402; reachable on AS25513; a VPN or proxy opens it: vpn; "
        "since 2017-05-06 at home, mobile (within 6 h); since 2017-05-09 at office (within 6 h)"
    )
    assert wechat.since == f"{LISTED:%Y-%m-%d}" == "2017-05-05"


def test_the_other_services(three_weeks: list[Path]) -> None:
    found = compared(*three_weeks, by="network")
    said = {name: (row.difference, row.says) for name, row in found.items() if name != "wechat"}
    assert said == {
        "linkedin": ("path", "blocked at all 4 vantage points; a VPN or proxy opens it: vpn"),
        "line": ("network", "this network only: blocked on AS3216; reachable on AS12389, AS25513, AS8402"),
        "signal": ("none", "no difference: reachable at all 4 vantage points"),
        "bbm": ("everywhere", "everywhere: down"),
    }


def test_each_block_began_when_it_began_and_none_where_there_was_none(three_weeks: list[Path]) -> None:
    courses = {entry.vantage.asn: entry.history for entry in compared(*three_weeks)["wechat"].histories}
    for vantage in (HOME, MOBILE, OFFICE):
        (change,) = courses[vantage.asn].changes
        assert change.blocked
        assert change.earliest <= BLOCKED_SINCE[vantage].timestamp() <= change.latest
        assert change.hours <= 6
    assert courses[VILLAGE.asn].changes == courses[1136].changes == ()


@pytest.mark.parametrize(("by", "difference"), [("vantage", "network"), ("path", "path"), ("day", "time")])
def test_what_is_laid_side_by_side_is_what_is_told(three_weeks: list[Path], by: str, difference: str) -> None:
    assert compared(*three_weeks, by=by)["wechat"].difference == difference


def test_day_by_day(three_weeks: list[Path]) -> None:
    cells = compared(*three_weeks, by="day")["wechat"].cells
    assert [cell.by for cell in cells] == [str(date(2017, 5, 1) + timedelta(days=n)) for n in range(21)]
    shares = [cell.share.share if cell.share else None for cell in cells]
    assert shares[:5] == [0.0] * 5
    assert shares[5] == pytest.approx((0.5 + 0.25) / 4), "from 8 and from 15 o'clock on, on two networks of four"
    assert all(0.4 <= share <= 0.75 for share in shares[8:] if share is not None)
    assert [cell.outcome for cell in cells[9:]] == ["blocked"] * 12


@pytest.mark.parametrize("format_", ["jsonl", pytest.param("ooni", marks=pytest.mark.slow)])
def test_a_database_and_its_export_are_the_same_to_a_reader(
    three_weeks: list[Path], tmp_path: Path, format_: str
) -> None:
    lines = tmp_path / "export.jsonl"
    with lines.open("wb") as out:
        for database in three_weeks:
            store = Store.open(database)
            out.writelines(line + b"\n" for line in exchange.export(store, WRITERS[format_]))
            store.close()
    for by in ("vantage", "day"):
        assert compared(lines, by=by) == compared(*three_weeks, by=by)
    assert compared(lines, *three_weeks) == compared(*three_weeks), "what two sources hold counts once"


def test_the_command_line_says_it(three_weeks: list[Path], tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        words = [sys.executable, "-c", "from schedules.cli import main; main()", "compare", *arguments]
        done = subprocess.run(
            [*words, *map(str, three_weeks)], capture_output=True, text=True, env={"STATE_DIRECTORY": str(tmp_path)}
        )
        return done.returncode, done.stdout, done.stderr

    code, out, err = run("--by", "network", "--json")
    rows: dict[str, Any] = {line["row"]: line for line in map(json.loads, out.splitlines())}
    assert (code, err) == (0, "2520 measurements\n")
    assert rows["wechat"]["difference"] == "network"
    assert list(rows["wechat"]["cells"][0]) == [
        "by", "outcome", "method", "agreement", "measurements", "vantage_days", "blocked_share", "interval", "last"
    ]  # fmt: skip
    assert run("--fail-on-difference")[0] == 1
    code, out, _ = run("--by", "day")
    assert code == 0
    assert "wechat   ✓✓✓✓✓≠≠≠≠≠" in out
