"""A machine that travels, sleeps, or is behind a VPN: what was measured on two networks is never held together."""

from __future__ import annotations

import sqlite3
from contextlib import aclosing, closing
from datetime import UTC, datetime
from pathlib import Path as File

import msgspec
import pytest

from probe.net.identity import RouteOut, Whereabouts
from probe.net.path import BadPath, Path
from results.db.read import recent_outcomes
from results.db.store import Store
from results.judge.judged import JudgedMeasurement, RoundRecord
from schedules.agent.agent import Agent, ConfigSource
from schedules.agent.side_effects import SideEffects
from schedules.cli._app import App
from schedules.cli.agent import _measure
from schedules.config.load import load
from schedules.config.schema import CampaignTable, Config, VantageLocation
from schedules.demo.network import Site
from schedules.location.location import Locator, moved, secret_file, secret_of
from schedules.plan.due import due_now, with_priority
from schedules.plan.model import Choice
from schedules.plan.selection import from_words
from schedules.plan.selection import planned_targets as every
from schedules.round.round import Interrupted, Measured, Retesting, Round
from tests.results.records import HOME as VANTAGE
from tests.results.records import finished, measurement, target
from tests.schedules.lab import Lab, rows

SECRET = b"s" * 32
OWN, ROUTER, MAC = "192.168.77.5", "192.168.77.1", bytes.fromhex("02c0ffee0001")
HOME = Whereabouts(ways=(RouteOut(interface="wlan0", gateway=ROUTER, link_address=MAC, own=OWN, ethernet=True),))
CAFE = Whereabouts(ways=(RouteOut(interface="wlan0", gateway=ROUTER, link_address=b"cafe00", own=OWN, ethernet=True),))
VPN = Whereabouts(ways=(RouteOut(interface="wg0", own="10.2.0.2", tunnel="a WireGuard tunnel"),))
GONE = Whereabouts()


class Machine:
    """Where a machine is: one place, and another as soon as a round has begun."""

    def __init__(self, database: File, first: Whereabouts, then: Whereabouts) -> None:
        self._database, self._first, self._then = database, first, then

    def __call__(self, path: Path) -> Whereabouts:
        with closing(sqlite3.connect(self._database)) as db:
            begun = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'rounds'").fetchone()[0]
            begun = begun and db.execute("SELECT count(*) FROM rounds").fetchone()[0]
        return self._then if begun else self._first


def at(where: Whereabouts) -> Locator:
    return Locator(SECRET, look=lambda path: where)


class Seen:
    """What a round's events said."""

    def __init__(self) -> None:
        self.rows: list[JudgedMeasurement] = []
        self.retested = 0
        self.interrupted: Interrupted | None = None


async def round_at(here: Locator, config: Config, store: Store, *sites: Site, path: str = "direct") -> Seen:
    seen = Seen()
    choice = Choice(from_words([site.url for site in sites], config), path)
    async with aclosing(Round(choice, here.locate(config), store, here).events()) as events:
        async for event in events:
            match event:
                case Measured(record):
                    seen.rows.append(record)
                case Retesting(count):
                    seen.retested += count
                case Interrupted():
                    seen.interrupted = event
    return seen


def keys(store: Store) -> list[str | None]:
    return [row[0] for row in store.db.execute("SELECT network_key FROM rounds ORDER BY started_at")]


async def test_what_was_blocked_at_home_is_new_in_a_cafe_and_known_again_at_home(
    lab: Lab, store: Store, config: Config
) -> None:
    measured_again = []
    for where in (HOME, HOME, CAFE, HOME):
        measured_again.append((await round_at(at(where), config, store, lab.reset)).retested)
    assert measured_again == [1, 0, 1, 0]


def test_failures_on_two_networks_are_no_run_of_failures(store: Store) -> None:
    for hour, network in enumerate(("home", "cafe", "home")):
        began = f"2026-11-24T0{hour}:00:00.000Z"
        store.save_round(RoundRecord(id=f"round{hour}", started_at=began, network="online"), network_key=network)
        name = f"m{hour:015d}"
        made = msgspec.structs.replace(measurement(name, observations=()), started_at=began)
        store.save([finished(name, "blocked", measurement=made, round_id=f"round{hour}")])
    late = "2026-11-24T09:00:00.000Z"

    def seen(network: str | None) -> int:
        moment = datetime.fromisoformat(late)
        return len(recent_outcomes(store.db, target().text, VANTAGE, moment, 12, network=network))

    assert {network: seen(network) for network in ("home", "cafe", "train", None)} == {
        "home": 2, "cafe": 1, "train": 0, None: 0
    }  # fmt: skip
    assert store.latest_outcome(target(), VANTAGE, late, network="cafe") == "blocked"
    assert store.latest_outcome(target(), VANTAGE, late, network="train") is None


async def test_a_network_that_changes_in_a_round_ends_it_and_what_was_under_way_is_no_record(
    lab: Lab, store: Store, config: Config
) -> None:
    sites = [lab.net.add_site(f"s{number}.x.test", dead=number == 1) for number in range(3)]
    one_at_once = msgspec.structs.replace(config, network=msgspec.structs.replace(config.network, concurrency=1))
    seen = await round_at(Locator(SECRET, look=Machine(lab.db, HOME, CAFE)), one_at_once, store, *sites)
    assert seen.interrupted is not None
    assert seen.interrupted.reason == "the network changed"
    kept = {row.measurement.target.text for row in seen.rows}
    assert {left.text for left in seen.interrupted.remaining} == {site.url for site in sites} - kept
    assert sites[1].url not in kept, "it failed, and by then the network was another"
    assert (seen.retested, seen.interrupted.can_continue) == (0, True)


async def test_a_check_goes_on_by_itself_on_the_new_network_and_has_a_row_for_everything(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = Locator(SECRET, look=Machine(lab.db, HOME, CAFE))
    monkeypatch.setattr(App, "locator", lambda app, **_: here)
    sites = [lab.net.add_site(f"s{number}.x.test", dead=True).url for number in range(3)]
    assert await lab.call("check", "--json", *sites) == 0
    said = capsys.readouterr()
    assert {row["target"] for row in rows(said.out)} == set(sites)
    assert "the network changed; continuing with the remaining targets: 3" in said.err
    store = Store.open(lab.db)
    assert len(set(keys(store))) == 2
    store.close()


async def test_a_machine_that_slept_in_a_round_ends_it(lab: Lab, store: Store, config: Config) -> None:
    slept = msgspec.structs.replace(HOME, slept_s=3600.0)
    seen = await round_at(Locator(SECRET, look=Machine(lab.db, HOME, slept)), config, store, lab.reset)
    assert seen.interrupted is not None
    assert (seen.interrupted.reason, seen.rows) == ("the machine slept", [])
    assert keys(store)[0] is not None


def test_a_line_that_is_gone_for_a_moment_is_no_other_network() -> None:
    assert moved(VantageLocation(line="a", network_key="a"), VantageLocation()) is None
    assert moved(VantageLocation(line="a"), VantageLocation(line="b")) == "the network changed"
    assert moved(VantageLocation(line="a", network_key="v"), VantageLocation(line="a", network_key="w")) is not None


async def test_nothing_that_is_kept_tells_the_router_or_our_own_address(lab: Lab, store: Store, config: Config) -> None:
    await round_at(at(HOME), config, store, lab.good, lab.reset)
    whole = "\n".join(store.db.conn.iterdump()).lower()
    for secret in (OWN, ROUTER, MAC.hex(), MAC.hex(":"), "wlan0", SECRET.decode(), SECRET.hex()):
        assert secret not in whole, secret


async def test_a_key_is_never_exported(
    lab: Lab, store: Store, config: Config, tmp_path: File, capsys: pytest.CaptureFixture[str]
) -> None:
    await round_at(at(HOME), config, store, lab.good)
    capsys.readouterr()
    assert await lab.call("results", "export", "--format", "jsonl") == 0
    exported = capsys.readouterr().out
    assert '"asn_source":"declared"' in exported
    (key,) = keys(store)
    assert key is not None
    assert key not in exported


async def test_behind_a_vpn_that_no_path_names_neither_country_nor_network_is_recorded(
    lab: Lab, store: Store, config: Config
) -> None:
    assert config.vantage.asn is not None
    seen = await round_at(at(VPN), config, store, lab.good)
    vantage = seen.rows[0].measurement.vantage
    assert (vantage.name, vantage.country, vantage.asn, vantage.network_name) == (config.vantage.name, None, None, None)
    (evidence, source) = store.db.execute("SELECT evidence, asn_source FROM rounds").fetchone()
    assert "packets leave via a WireGuard tunnel (wg0)" in evidence
    assert source is None


def with_network(config: Config, **changed: str) -> Config:
    return msgspec.structs.replace(config, network=msgspec.structs.replace(config.network, **changed))


async def test_a_round_behind_a_vpn_is_skipped_where_that_is_wanted_and_the_rest_waits(
    lab: Lab, store: Store, config: Config
) -> None:
    skipping = with_network(config, tunnel="skip")
    with pytest.raises(BadPath, match=r"via a WireGuard tunnel \(wg0\); skipped, as set in \[network\] tunnel"):
        await round_at(at(VPN), skipping, store, lab.good)
    assert at(VPN).locate(skipping).place("direct").sentences == (), "what is not measured is not recorded either"
    found = due_now(at(VPN).locate(skipping), store, 1_800_000_000)
    assert (found.choices, len(found.missing)) == ((), 1)
    assert due_now(at(HOME).locate(skipping), store, 1_800_000_000).choices != ()


async def test_a_vpn_that_is_meant_so_is_this_vantage(lab: Lab, store: Store, config: Config) -> None:
    seen = await round_at(at(VPN), with_network(config, tunnel="ignore"), store, lab.good)
    assert seen.rows[0].measurement.vantage == config.vantage_by("direct")


def test_a_path_that_is_bound_to_a_vpn_is_not_mistaken_for_one(lab: Lab) -> None:
    lab.configure('\n[[path]]\nname = "vpn"\nbind = "wg0"\ncountry = "NL"\n')
    config = with_network(load(lab.folder / "c.toml", {}, {}), tunnel="skip")
    here = Locator(SECRET, look=lambda path: VPN if path.bind == "wg0" else HOME)
    located = here.locate(config)
    assert located.place("vpn").tunnel is None
    assert located.vantage_by("vpn").country == "NL"
    assert located.vantage_by("direct") == config.vantage_by("direct")
    assert located.place("vpn").network_key != located.place("direct").network_key


def test_locating_again_forgets_where_it_was_before(config: Config) -> None:
    behind = at(VPN).locate(config)
    assert behind.vantage_by("direct").country is None
    assert at(HOME).locate(behind).vantage_by("direct") == config.vantage_by("direct")


def test_a_public_address_tells_the_network_and_goes_before_what_is_declared(config: Config) -> None:
    public = Whereabouts(ways=(RouteOut(interface="eth0", link_address=MAC, own="2a02:6b8::1", ethernet=True),))
    told = {"2a02:6b8::1": (13238, "FI")}
    here = Locator(SECRET, look=lambda path: public, lookup=lambda address: told[address])
    located = here.locate(config)
    assert (located.vantage_by("direct").asn, located.vantage_by("direct").country) == (13238, "FI")
    assert located.place("direct").asn_source == "mmdb"
    behind_nat = Locator(SECRET, look=lambda path: HOME, lookup=lambda address: (1, "XX")).locate(config)
    assert behind_nat.vantage_by("direct") == config.vantage_by("direct")
    assert behind_nat.place("direct").asn_source == "declared"


def test_the_secret_is_made_once_and_is_its_owners_alone(tmp_path: File) -> None:
    database = tmp_path / "state" / "x.db"
    first = secret_of(database)
    assert (len(first), secret_of(database)) == (32, first)
    assert secret_file(database).stat().st_mode & 0o777 == 0o600
    assert secret_of(File("/proc/nowhere/x.db")) != secret_of(File("/proc/nowhere/x.db")), "a passing one"


async def test_the_agent_goes_on_within_a_minute_where_it_is_then_and_measures_each_target_once(lab: Lab) -> None:
    sites = [lab.net.add_site(f"s{number}.x.test", dead=True).url for number in range(3)]
    lab.configure(f'\n[[campaign]]\nname = "m"\nevery = "6h"\ntargets = {sites!r}\n'.replace("'", '"'))
    said: list[str] = []
    here = Locator(SECRET, look=Machine(lab.db, HOME, CAFE))
    agent = Agent(
        ConfigSource(lambda: load(lab.folder / "c.toml", {}, {}), lambda: 0, here.locate),
        lab.db,
        measure=_measure(said.append, here),
        say=said.append,
        side_effects=SideEffects(said.append, {}),
    )
    await agent.wake()
    assert said[0] == "the network changed; targets not measured: 3"
    await agent.wake()
    store = Store.open(lab.db)
    assert {row["target"] for row in store.rows(repeated=False)} == set(sites)
    assert len(list(store.rows(repeated=False))) == 3
    found = store.db.execute(
        "SELECT DISTINCT r.network_key FROM measurements m JOIN rounds r ON r.id = m.round_id"
    ).fetchall()
    assert found == [(CAFE.key(SECRET),)]
    store.close()
    said.clear()
    await agent.wake()
    assert said == [], "nothing is due any more"


UNMET = Whereabouts(ways=(RouteOut(interface="wlan0", gateway=ROUTER, own=OWN, ethernet=True),))


def changed_at_home(store: Store, config: Config) -> None:
    """A target that was reachable for long, and was blocked the last time, ten minutes ago, at home."""
    key = HOME.key(SECRET)
    (wanted,) = {one.target for one in every(config)}
    for minutes, outcome in ((300, "reachable"), (200, "reachable"), (10, "blocked")):
        began = datetime.fromtimestamp(NOW - 60 * minutes, UTC).isoformat(timespec="milliseconds")
        began, name = began.replace("+00:00", "Z"), f"m{minutes:015d}"
        store.save_round(RoundRecord(id=f"round{minutes}", started_at=began, network="online"), network_key=key)
        made = msgspec.structs.replace(measurement(name, observations=()), started_at=began, target=wanted)
        made = msgspec.structs.replace(made, vantage=config.vantage_by("direct"))
        store.save([finished(name, outcome, measurement=made, round_id=f"round{minutes}")])


NOW = 1_800_000_000


@pytest.mark.parametrize(("where", "minutes"), [(HOME, 15), (UNMET, 15), (CAFE, 360)])
def test_a_changed_verdict_is_confirmed_soon_on_its_own_network_also_where_the_router_is_not_met_yet(
    where: Whereabouts, minutes: int, store: Store
) -> None:
    config = Config(campaign=(CampaignTable(name="m", targets=("https://www.example.com/",)),))
    changed_at_home(store, config)
    (often,) = with_priority(at(where).locate(config), store, every(config), NOW)
    assert often.every_s == 60 * minutes


async def test_a_router_that_is_first_met_by_the_canaries_is_known_when_the_round_is_kept(
    lab: Lab, store: Store, config: Config
) -> None:
    looked = 0

    def look(path: Path) -> Whereabouts:
        nonlocal looked
        looked += 1
        return UNMET if looked < 5 else HOME

    seen = await round_at(Locator(SECRET, look=look), config, store, lab.good)
    assert (seen.interrupted, keys(store)) == (None, [HOME.key(SECRET)])
