"""A hub as the control of an agent: it tells blocked from down, and a round goes on without it."""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from contextlib import closing

import pytest

from schedules.demo import censor, sites
from schedules.demo.resolver import addresses
from tests.results.hub.hub_process import RunningHub
from tests.schedules.hub_client.test_upload import enrolled
from tests.schedules.lab import Lab, rows


def hub_in_the_free_world(lab: Lab, hub: RunningHub) -> None:
    """It asks the honest resolver, and says where it stands. Its packets pass the same middlebox, so that what it is to
    see otherwise must be by name."""
    host, port = lab.net.trusted_plain
    hub.config.write_text(
        f'[vantage]\nname = "hub"\ncountry = "NL"\nasn = 64500\n[network]\nresolvers = ["udp://{host}:{port}"]\n'
        'allow_private = true\ntimeout_s = 3\nfamilies = ["ipv4"]\ntrusted_resolvers = []\n'
        f"ca_file = {json.dumps(str(lab.net.authority.ca_file))}\n"
    )


def without_paths(lab: Lab, hub: RunningHub) -> None:
    """The agent has no control but the hub, and no trusted resolver."""
    text = lab.net.config_toml().replace('path = "control"', f'hub = "{hub.url}"')
    lines = ["trusted_resolvers = []" if one.startswith("trusted_resolvers") else one for one in text.splitlines()]
    (lab.folder / "c.toml").write_text("\n".join(lines) + f'\n[hub]\nurl = "{hub.url}"\n')


def all_but_the_third() -> censor.Action:
    """Resets, but lets the third connection through: the hub's, after the agent's two."""
    numbers = itertools.count(1)

    async def act(flow: censor.Flow) -> None:
        await (censor.passes if next(numbers) == 3 else censor.resets)(flow)

    return act


@pytest.fixture
def hub(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> RunningHub:
    made = RunningHub(tmp_path_factory.mktemp("hub"))
    hub_in_the_free_world(lab, made)
    return made


async def test_a_target_that_the_hub_reaches_is_blocked_here_and_else_it_is_down(
    lab: Lab, hub: RunningHub, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = lab.net.add_site("forged.x.test", lie=addresses("127.77.9.9"))  # where nothing answers
    page = sites.page("News", kib=30)
    censored = lab.net.add_site("censored.x.test", page, tls=False, censored=all_but_the_third())
    dead = lab.net.add_site("dead.x.test", dead=True)
    hub.start()
    try:
        await enrolled(lab, hub)
        without_paths(lab, hub)
        capsys.readouterr()
        assert await lab.call("check", forged.url, dead.url, lab.good.url, censored.url, "--json") == 0
        found = {row["target"]: row for row in rows(capsys.readouterr().out)}
        assert [found[site.url]["outcome"] for site in (forged, dead, lab.good, censored)] == [
            "inconclusive",
            "down",
            "reachable",
            "blocked",
        ]
        assert (found[censored.url]["method"], found[censored.url]["control"]) == ("http.reset", "hub")
        with closing(sqlite3.connect(lab.db)) as db:
            recorded = db.execute(
                "SELECT DISTINCT w.name, w.country, w.asn, w.path FROM measurements m "
                "JOIN vantages w ON w.id = m.vantage_id WHERE m.control_of IS NOT NULL"
            ).fetchall()
        assert recorded == [("127.0.0.1", "NL", 64500, "hub")]
    finally:
        hub.kill()


async def test_without_the_hub_a_round_goes_on_with_no_control(
    lab: Lab, hub: RunningHub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.start()
    await enrolled(lab, hub)
    hub.kill()
    without_paths(lab, hub)
    sites = [lab.net.add_site(f"dead-{number}.x.test", dead=True).url for number in range(10)]
    capsys.readouterr()
    began = time.monotonic()
    assert await lab.call("check", *sites, lab.good.url, "--json") == 0
    assert time.monotonic() - began < 30
    found = {row["target"]: row["outcome"] for row in rows(capsys.readouterr().out)}
    assert found == {**dict.fromkeys(sites, "inconclusive"), lab.good.url: "reachable"}


async def test_private_targets_need_no_token_to_be_refused_and_are_refused_with_one(lab: Lab, hub: RunningHub) -> None:
    hub.config.write_text("")
    hub.start()
    try:
        token = await hub.enrol("a")
        targets = [
            "https://127.0.0.1/",
            "http://localhost/",
            "https://10.0.0.1/",
            "tcp://192.0.2.1:22",
            "https://[::1]/",
        ]
        for target in targets:
            body = json.dumps({"target": target}).encode()
            assert (await hub.post("/v1/control", body))[0] == 401
            assert (await hub.post("/v1/control", body, token))[0] == 422
        for body in (
            b"",
            b"{}",
            b"[]",
            b'{"target": 7}',
            b'{"target": "\xff"}',
            b'{"target":"x","more":1}',
            b"[" * 9000,
        ):
            assert (await hub.post("/v1/control", body, token))[0] == 422
    finally:
        hub.kill()
