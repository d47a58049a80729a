"""Behind NAT a vantage does not know its own network: the group's hub tells it, where its owner wants that."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from itertools import chain, repeat
from pathlib import Path

import msgspec
import pytest

from results.db.store import Store
from results.db.upload_queue import enrol
from schedules.config.load import load
from schedules.config.schema import Config
from schedules.config.toml import ConfigError
from schedules.hub_client.client import MAX_SEEN_AGE_S, network_seen, refresh, remembered, seen_file
from schedules.location.location import Locator
from tests.results.hub.hub_process import RunningHub
from tests.schedules.location.test_geoip import database
from tests.schedules.location.test_travel import CAFE, HOME, SECRET, VPN

NOW = 1_800_000_000.0


class Vantage:
    """At home, enrolled at a hub that knows the networks."""

    def __init__(self, folder: Path, hub: RunningHub) -> None:
        self.folder, self.hub, self.db = folder, hub, folder / "agent.db"
        self.where = HOME
        self.here = Locator(SECRET, look=lambda path: self.where, seen_by_hub=partial(network_seen, self.db))

    def config(self, asn: str = "echo = true", hub: str = "") -> Config:
        file = self.folder / "c.toml"
        file.write_text(
            f'[vantage]\ncountry = "BY"\nasn = 64500\n[asn]\n{asn}\n[hub]\nurl = "{self.hub.url}"\n{hub}\n'
            '[[path]]\nname = "way"\nproxy = "socks5://127.0.0.1:9"\n'
        )
        return load(file, {}, {})

    async def enrol(self) -> None:
        token = await self.hub.enrol("a")
        with closing(Store.open(self.db)) as store:
            enrol(store, self.hub.url, "a", token, "2026-11-24T00:00:00Z")

    def told(self, config: Config) -> tuple[int | None, str | None, str | None]:
        located = self.here.locate(config)
        vantage = located.vantage_by("direct")
        return vantage.asn, vantage.country, located.place("direct").asn_source


@pytest.fixture
async def vantage(tmp_path: Path, hub: RunningHub) -> Vantage:
    hub.kill()
    file = tmp_path / "asn.mmdb"
    file.write_bytes(database({"::127.0.0.0/104": {"autonomous_system_number": 12389, "country_code": "RU"}}))
    hub.config.write_text(f'[asn]\nmmdb = "{file}"\n')
    hub.start()
    made = Vantage(tmp_path, hub)
    await made.enrol()
    return made


async def test_the_network_that_the_hub_sees_overrides_the_declared_one(vantage: Vantage) -> None:
    config = vantage.config()
    assert vantage.told(config) == (64500, "BY", "declared")
    await refresh(config, vantage.db, vantage.here, NOW)
    assert vantage.told(config) == (12389, "RU", "echoed")
    assert b"127.0.0" not in seen_file(vantage.db).read_bytes()


async def test_it_does_not_apply_to_another_network(vantage: Vantage) -> None:
    await refresh(vantage.config(), vantage.db, vantage.here, NOW)
    vantage.where = CAFE
    assert vantage.told(vantage.config()) == (64500, "BY", "declared")


async def test_behind_a_vpn_the_hub_is_neither_asked_nor_used(vantage: Vantage) -> None:
    vantage.where = VPN
    await refresh(vantage.config(), vantage.db, vantage.here, NOW)
    assert remembered(vantage.db) == {}


async def test_it_is_asked_once_a_day_and_an_error_changes_nothing(vantage: Vantage) -> None:
    config = vantage.config()
    await refresh(config, vantage.db, vantage.here, NOW)
    vantage.hub.kill()
    for later in (1, MAX_SEEN_AGE_S + 1, -MAX_SEEN_AGE_S):
        await refresh(config, vantage.db, vantage.here, NOW + later)
    assert [echo.at for echo in remembered(vantage.db).values()] == [NOW]
    assert vantage.told(config) == (12389, "RU", "echoed")


@pytest.mark.parametrize(("asn", "by"), [("", ""), ("echo = false", ""), ("echo = true", 'path = "way"')])
async def test_without_echo_or_by_another_path_no_hub_is_asked(vantage: Vantage, asn: str, by: str) -> None:
    await refresh(vantage.config(asn, by), vantage.db, vantage.here, NOW)
    assert not seen_file(vantage.db).exists()


async def test_a_network_change_during_the_request_is_noticed(vantage: Vantage) -> None:
    looks = chain([HOME] * 3, repeat(CAFE))  # each time it looks thrice
    moving = Locator(SECRET, look=lambda path: next(looks))
    await refresh(vantage.config(), vantage.db, moving, NOW)
    assert remembered(vantage.db) == {}


def test_a_damaged_or_hostile_file_is_ignored(tmp_path: Path) -> None:
    for data in (b"", b"{", b"[]", b'{"k": {"asn": -1, "at": 0}}', b'{"k": {"asn": 1, "country": "ru"}}', b"[" * 9999):
        seen_file(tmp_path / "x.db").write_bytes(data)
        assert remembered(tmp_path / "x.db") == {}


def test_echo_without_a_hub_is_a_configuration_error(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[asn]\necho = true\n")
    with pytest.raises(ConfigError, match=r"asn\.echo"):
        load(file, {}, {})
    assert msgspec.structs.asdict(Config().asn)["echo"] is False
