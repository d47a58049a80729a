"""A group's hub shows what is blocked where and how, and what the register expected: three agents in three networks,
rounds started as their timers start them, and the page as Chromium draws it beside the hub."""

from __future__ import annotations

import json
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import kernel
from tests.lab.standing import ROOT, Lab
from tests.lab.volunteers import LISTED_ON, URL, Group
from tests.results.hub.web import screenshots

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]
ROUNDS = 2
OPEN, LYING, WATCHED = "AS64496 Openline", "AS64497 Lyingname", "AS64498 Deepgaze"


@pytest.fixture(scope="module")
def group(standing: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    if reason := screenshots.why_not():
        pytest.skip(reason)
    made = Group(standing, tmp_path_factory.mktemp("group"))
    try:
        made.stand()
        for _ in range(ROUNDS):
            made.go_off()
        until = time.monotonic() + 60
        while made.received() < 3 * 5 * ROUNDS and time.monotonic() < until:
            time.sleep(0.5)
        yield made
    finally:
        made.end()


def photographed(group: Group, *paths: str) -> list[dict[str, Any]]:
    script = str(ROOT / "tests" / "results" / "hub" / "web" / "screenshots.py")
    urls = [f"{URL}{path}" for path in paths]
    home = f"HOME={group.folder}"
    out = kernel.inside(kernel.INTERNET, "env", home, sys.executable, script, str(group.folder), *urls)
    return [json.loads(line) for line in out.splitlines()]


def size_of(picture: Path) -> tuple[int, int]:
    head = picture.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])  # type: ignore[return-value]


def test_every_round_ran_and_everything_was_received(group: Group) -> None:
    assert [one.rounds for one in group.volunteers] == [[0] * ROUNDS] * 3
    assert group.received() >= 3 * 5 * ROUNDS


def test_the_page_shows_which_service_is_blocked_where_and_how_and_what_the_register_expected(group: Group) -> None:
    english, russian = photographed(group, "/", "/?lang=ru")
    day = f"{LISTED_ON.day} {LISTED_ON:%B} {LISTED_ON.year}"
    for network in (OPEN, LYING, WATCHED):
        assert network in english["text"]
    rows = {row.split("\n")[0]: " ".join(row.split()) for row in english["rows"]}
    wechat, linkedin, messenger, line, honest = (
        rows[name] for name in ("WeChat", "LinkedIn", "BlackBerry Messenger", "LINE", "honest")
    )
    assert f"rkn: listed since {day}" in wechat
    assert f"rkn: listed since {day}" in linkedin
    for row in (messenger, line, honest):
        assert "rkn: not listed" in row
    opened, unlisted = "✓ reachable □ listed, not blocked", "✓ reachable ○ not listed, not blocked"
    assert after(wechat, "UTC") == [opened, opened, "✗ blocked TLS: reset, triggered by the name ■ listed, blocked"]
    assert after(linkedin, "UTC") == [
        opened,
        "✗ blocked DNS: forged answer, triggered by the name ■ listed, blocked",
        opened,
    ]
    assert after(messenger, "not listed") == [
        unlisted, "✗ blocked DNS: NXDOMAIN, triggered by the name ▲ blocked, not listed", unlisted,
    ]  # fmt: skip
    silent = "✗ blocked TLS: timeout, triggered by the name ▲ blocked, not listed"
    assert after(line, "not listed") == [unlisted, unlisted, silent]
    assert after(honest, "not listed") == [unlisted] * 3
    assert "заблокировано TLS: сброс, по имени" in " ".join(russian["text"].split())
    for seen in (english, russian):
        assert all(url.startswith(URL) for url in seen["asked"])
        assert seen["complaints"] == []
    for number in range(2):
        width, height = size_of(group.folder / f"{number}.png")
        assert width == 1200
        assert height >= 600


def after(row: str, mark: str) -> list[str]:
    """What stands in each cell of a row, after its head."""
    cells = row.partition(mark)[2].replace("✓", "\n✓").replace("✗", "\n✗")
    return [cell.strip() for cell in cells.split("\n") if cell.strip()]
