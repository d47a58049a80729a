"""What the operator's Prometheus asks of a hub; and a member's own network, told by an address that is kept nowhere."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from results.hub.credentials import hash_password
from tests.results.hub.asgi_client import OPERATOR
from tests.results.hub.hub_process import RunningHub, record
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
    hub.config.write_text(f'{hub.config.read_text()}\n[hub]\noperator_password = "{hash_password(OPERATOR)}"\n{more}')


async def test_the_metrics_count_members_uploads_and_outliers(hub: RunningHub) -> None:
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


async def test_only_the_operator_gets_the_metrics_and_only_with_a_password_set(hub: RunningHub) -> None:
    token = await hub.enrol("home-fibre")
    for header in ({}, BEARER, {"Authorization": f"Bearer {token}"}, {"Authorization": "Bearer "}):
        status, _, text = await hub.get("/metrics", **header)
        assert status == 401
        assert "reachprobe_" not in text


async def test_a_member_learns_its_network_and_its_address_is_not_stored(hub: RunningHub, tmp_path: Path) -> None:
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
