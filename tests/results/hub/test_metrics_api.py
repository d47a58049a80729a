"""What the operator's Prometheus asks of a hub; and a member's own network, told by an address that is kept nowhere."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from results.hub.secrets import hashed
from schedules.demo.resolver import addresses
from tests.results.hub.asgi_client import OPERATOR
from tests.results.hub.hub_process import RunningHub, record
from tests.results.hub.test_control import hub_in_the_free_world
from tests.schedules.lab import Lab
from tests.schedules.location.test_geoip import database

BEARER = {"Authorization": f"Bearer {OPERATOR}"}


def numbers(text: str) -> dict[tuple[str, str], float]:
    """Every sample by its name and the values of its labels."""
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def with_operator(hub: RunningHub, more: str = "") -> None:
    hub.config.write_text(f'{hub.config.read_text()}\n[hub]\noperator_password = "{hashed(OPERATOR)}"\n{more}')


@pytest.fixture
def free(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> RunningHub:
    made = RunningHub(tmp_path_factory.mktemp("hub"))
    hub_in_the_free_world(lab, made)
    with_operator(made)
    made.start()
    return made


async def test_a_target_is_probed_as_blackbox_exporter_does(lab: Lab, free: RunningHub) -> None:
    dead = lab.net.add_site("dead.x.test", dead=True)
    try:
        status, head, text = await free.get(f"/probe?target={lab.good.url}&module=http_2xx", **BEARER)
        gone = numbers((await free.get(f"/probe?target={dead.url}", **BEARER))[2])
    finally:
        free.kill()
    assert status == 200
    assert "text/plain; version=0.0.4" in head
    found = numbers(text)
    assert found["probe_success", ""] == 1
    assert found["probe_http_status_code", ""] == 200
    assert found["probe_ip_protocol", ""] == 4
    assert found["probe_http_ssl", ""] == 1
    assert found["probe_ssl_earliest_cert_expiry", ""] > 1_700_000_000
    assert 0 < found["probe_http_duration_seconds", "connect"] <= found["probe_duration_seconds", ""]
    assert found["reachprobe_probe_outcome", ",reachable"] == 1
    assert (gone["probe_success", ""], gone["probe_http_status_code", ""]) == (0, 0)


@pytest.mark.parametrize("target", ["http://10.0.0.1/", "http://127.0.0.1:9/", "http://inside.x.test/"])
async def test_not_even_the_operator_has_what_is_private_probed(lab: Lab, hub: RunningHub, target: str) -> None:
    hub.kill()
    lab.net.add_site("inside.x.test", lie=addresses("10.1.2.3"))
    host, port = lab.net.trusted_plain
    text = f'[network]\nresolvers = ["udp://{host}:{port}"]\ntrusted_resolvers = []\ntimeout_s = 2\n'
    hub.config.write_text(text)
    with_operator(hub)
    hub.start()
    status, _, said = await hub.get(f"/probe?target={target}", **BEARER)
    assert status == 422
    assert "not measured from here" in said


@pytest.mark.parametrize(
    ("query", "status"), [("", 400), ("target=", 400), ("target=%00", 422), ("target=http://[", 422)]
)
async def test_a_probe_of_nothing_is_refused(hub: RunningHub, query: str, status: int) -> None:
    hub.kill()
    with_operator(hub)
    hub.start()
    assert (await hub.get(f"/probe?{query}", **BEARER))[0] == status


async def test_the_hub_s_own_numbers_say_who_sent_when_and_how_much_is_odd(hub: RunningHub) -> None:
    hub.kill()
    with_operator(hub)
    hub.start()
    token = await hub.enrol("home-fibre")
    await hub.enrol("silent")
    await hub.send(token, [record("2kq7aaaa"), record("2kq7aaab")])
    with closing(sqlite3.connect(hub.db)) as db, db:
        db.execute("UPDATE received SET flag = 'alone' WHERE measurement = 1")
    found = numbers((await hub.get("/metrics", **BEARER))[2])
    assert found["reachprobe_hub_measurements", ""] == 2
    assert found["reachprobe_hub_flagged", ""] == 1
    assert found["reachprobe_hub_members", "send"] == 2
    assert found["reachprobe_hub_vantage_received_timestamp_seconds", "home-fibre"] > 1_700_000_000
    assert ("reachprobe_hub_vantage_received_timestamp_seconds", "silent") not in found
    assert found["reachprobe_hub_answers_total", "200"] >= 3


async def test_nobody_but_the_operator_gets_them_and_without_a_password_nobody_at_all(hub: RunningHub) -> None:
    token = await hub.enrol("home-fibre")
    for header in ({}, BEARER, {"Authorization": f"Bearer {token}"}, {"Authorization": "Bearer "}):
        for path in ("/metrics", "/probe?target=https://example.org/"):
            status, _, text = await hub.get(path, **header)
            assert status == 401
            assert "reachprobe_" not in text


async def test_a_member_is_told_its_network_and_its_address_stays_nowhere(hub: RunningHub, tmp_path: Path) -> None:
    hub.kill()
    file = tmp_path / "asn.mmdb"
    file.write_bytes(database({"2a02:6b8::/32": {"autonomous_system_number": 12389, "country_code": "RU"}}))
    hub.config.write_text(f'[asn]\nmmdb = "{file}"\n')
    hub.start("--behind-proxy")
    token = {"Authorization": f"Bearer {await hub.enrol('a')}"}
    known = await hub.get("/v1/whoami", X_Forwarded_For="198.51.100.1, 2a02:6b8::77", **token)
    unknown = await hub.get("/v1/whoami", X_Forwarded_For="198.51.100.1", **token)
    odd = await hub.get("/v1/whoami", X_Forwarded_For="nonsense", **token)
    nobody = await hub.get("/v1/whoami", X_Forwarded_For="2a02:6b8::77")
    assert (known[0], known[2]) == (200, '{"asn":12389,"country":"RU"}')
    assert (unknown[2], odd[2]) == ('{"asn":null,"country":null}',) * 2
    assert nobody[0] == 401
    assert hub.stop() == 0
    kept = b"".join(one.read_bytes() for one in hub.folder.rglob("*") if one.is_file() and one != file)
    assert b"2a02:6b8::77" not in kept


async def test_a_hub_that_knows_no_networks_says_so(hub: RunningHub) -> None:
    token = {"Authorization": f"Bearer {await hub.enrol('a')}"}
    assert (await hub.get("/v1/whoami", **token))[0] == 404
