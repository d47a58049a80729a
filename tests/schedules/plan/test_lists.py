"""Published target lists: fetched once a day, and what becomes of one that cannot be had or read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from results.db.store import Store
from schedules import cli
from schedules.config.load import load
from schedules.config.schema import Config
from schedules.config.toml import ConfigError
from schedules.demo import sites
from schedules.demo.listener import ServerStream
from schedules.hub_client.download import fetcher
from schedules.plan.lists import FRESH_S, RETRY_S, copy_of, refresh
from schedules.plan.selection import from_campaigns
from tests.lab.network import LabNetwork

CSV = b"url,category_code\nhttps://a.example/,NEWS\nno target at all,NEWS\nhttps://b.example/,NEWS\n"


class Publisher:
    """A list at an https URL on loopback, and a configuration whose campaign names it."""

    def __init__(self, net: LabNetwork, folder: Path) -> None:
        self.net, self.folder, self.asked, self.answer = net, folder, 0, sites.response(200, CSV)
        host = net.host("127.77.9.1")
        _, port = sites.serve_site(net.listeners, host, self, net.authority.context(host))
        self.url = f"https://{host}:{port}/ru.csv"
        self.copy = copy_of(self.url, folder / "x.db")
        (folder / "c.toml").write_text(net.config_toml() + f'\n[[campaign]]\nname = "all"\nlist = "{self.url}"\n')

    async def __call__(self, _: sites.SiteRequest, stream: ServerStream) -> None:
        self.asked += 1
        await stream.send(self.answer)

    @property
    def config(self) -> Config:
        return load(self.folder / "c.toml", {}, {})

    async def refresh(self, later_s: float = 0.0) -> list[str]:
        """So long after the copy, or the last failure, was written."""
        failed = self.copy.with_suffix(".failed")
        there = [path.stat().st_mtime for path in (self.copy, failed) if path.exists()]
        config, database = self.config, self.folder / "x.db"
        return await refresh(config, database, max(there, default=0.0) + later_s, fetcher(config, database))

    def targets(self) -> list[str]:
        store = Store.open(self.folder / "x.db")
        try:
            return [target.text for choice in from_campaigns(self.config, store) for target in choice.targets]
        finally:
            store.close()


@pytest.fixture
async def publisher(tmp_path: Path) -> AsyncIterator[Publisher]:
    async with LabNetwork() as net:
        yield Publisher(net, tmp_path)


async def test_a_list_is_fetched_and_a_line_that_is_no_target_is_passed_over(publisher: Publisher) -> None:
    assert publisher.targets() == []
    assert await publisher.refresh() == []
    assert publisher.targets() == ["https://a.example/", "https://b.example/"]


async def test_it_is_fetched_anew_after_a_day_and_not_before(publisher: Publisher) -> None:
    await publisher.refresh()
    await publisher.refresh(FRESH_S - 1)
    assert publisher.asked == 1
    publisher.answer = sites.response(200, b"https://c.example/\n")
    await publisher.refresh(FRESH_S)
    assert publisher.targets() == ["https://c.example/"]


async def test_a_copy_from_the_future_is_fetched_anew(publisher: Publisher) -> None:
    await publisher.refresh()
    await publisher.refresh(-10 * FRESH_S)
    assert publisher.asked == 2


async def test_one_that_cannot_be_had_is_told_tried_again_after_an_hour_and_the_old_copy_serves(
    publisher: Publisher,
) -> None:
    publisher.answer = sites.response(404)
    (said,) = await publisher.refresh()
    assert said.endswith("the campaign waits for it")
    publisher.answer = sites.response(200, CSV)
    assert await publisher.refresh(RETRY_S - 1) == []
    assert publisher.targets() == []
    assert await publisher.refresh(RETRY_S) == []
    assert len(publisher.targets()) == 2
    publisher.answer = sites.response(503)
    (said,) = await publisher.refresh(FRESH_S)
    assert said.endswith("using the previous copy")
    assert len(publisher.targets()) == 2


async def test_an_error_that_nobody_thought_of_costs_only_that_list(publisher: Publisher) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise OverflowError("198.51.100.7 has an odd clock")

    (failure,) = await refresh(publisher.config, publisher.folder / "x.db", 0.0, fails)
    assert failure.startswith("OverflowError at ")
    assert failure.endswith("the campaign waits for it")


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (b"https://a.example/\nhttps://\xff\xfe.example/\nhttps://b.example/\n", ["a", "b"]),
        (b'https://a.example/\n"' + b"x" * 200_000 + b"\nhttps://b.example/\n", ["a"]),
        (b"\0\0\0\nhttps://b.example/\n", ["b"]),
    ],
    ids=["no UTF-8", "an endless quotation", "zero bytes"],
)
async def test_a_published_list_in_disorder_gives_what_can_be_read(
    publisher: Publisher, listed: bytes, expected: list[str]
) -> None:
    publisher.answer = sites.response(200, listed)
    await publisher.refresh()
    assert publisher.targets() == [f"https://{name}.example/" for name in expected]


async def test_run_fetches_it_and_a_dry_run_only_says_who_would_be_asked(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = publisher.net.add_site("listed.x.test")
    publisher.answer = sites.response(200, f"{site.url}\n".encode())
    monkeypatch.setenv("REACHPROBE_CONSENT", "yes")
    whole = ["--config", str(publisher.folder / "c.toml"), "--db", str(publisher.folder / "x.db"), "run", "--json"]
    assert await asyncio.to_thread(cli.call, [*whole, "--dry-run"]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert publisher.asked == 0
    assert "list of campaign all" in {row["why"] for row in said}
    assert await asyncio.to_thread(cli.call, whole) == 0
    assert [json.loads(line)["target"] for line in capsys.readouterr().out.splitlines()] == [site.url]


def test_a_list_without_tls_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[[campaign]]\nname = "a"\nlist = "http://lists.example/ru.csv"\n')
    with pytest.raises(ConfigError, match="needs an https:// URL"):
        load(tmp_path / "c.toml", {}, {})
