"""Whoever may read tries more than that: headers made of questions, downloads without end, files of the machine's."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from results.db.store import Store
from results.hub import auth
from tests.bench.bench_hub import members
from tests.results.hub.asgi_client import Inside
from tests.results.hub.hub_process import RunningHub, hang_up, record
from tests.results.hub.in_thread import asked
from tests.results.records import HOME, finished, measurement, target

HOSTILE = [
    "\r\nSet-Cookie: a=b",
    "<script>alert(1)</script>",
    "'; DROP TABLE measurements; --",
    '"}{"',
    "\u202e\x00\x1b[2J",
    "=cmd|' /C calc'!A0",
    "../../etc/passwd",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_query_becomes_no_header_and_no_second_response(tmp_path: Path, text: str) -> None:
    with Inside(tmp_path) as app:
        with closing(Store.open(tmp_path / "hub.db")) as store:
            vantage = msgspec.structs.replace(HOME, path="x")
            one = target(service=text.replace("\x00", ""))
            made = [measurement(f"id{n:04}", vantage=vantage, target=one) for n in range(3)]
            store.save([finished(seen.id, measurement=seen) for seen in made])
        got = await asked(app, f"/v1/measurements?limit=1&service={quote(one.service or '')}")
    assert got.status == 200
    assert [json.loads(line)["service"] for line in got.body.splitlines()] == [one.service]
    assert got.headers["content-type"] == "application/x-ndjson"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in got.headers
    assert "\n" not in got.headers["link"]
    assert quote("\r\nSet-Cookie", safe="") in got.headers["link"] or "Set-Cookie" not in text


PATHS = [
    "/v1/measurements/..%2f..%2fhub.db",
    "/v1/registers/..%2f..%2fhub.db",
    "/v1/registers/%00",
    "/v1/registers/%2e%2e%2fhub.toml",
    "/..%2f..%2f..%2fetc/passwd",
    "/v1/measurements/%ff%fe",
    "//etc/passwd",
    "/v1/export/../../hub.db",
    "/v1/targets?format=../../hub.toml",
    "/.env",
    "/hub.db",
    "/hub.db.shared/",
]


@pytest.mark.parametrize("path", PATHS)
async def test_no_path_leads_to_a_file_of_the_machine(hub: RunningHub, path: str) -> None:
    status, head, text = await hub.get(path)
    assert status in (404, 422)
    assert "SQLite format" not in text
    assert "root:" not in text
    assert "frame-ancestors 'none'" in head


async def test_a_stalled_download_holds_at_most_two_slots_and_releases_them(
    hub: RunningHub,
) -> None:
    token = await hub.enrol("home-fibre")
    for start in range(0, 1500, 250):
        await hub.send(token, [record(f"id{start + number:05}") for number in range(250)])
    request = b"GET /v1/export?format=jsonl HTTP/1.1\r\nHost: localhost\r\n\r\n"
    held = []
    for _ in range(2):
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port, limit=1024)
        writer.write(request)
        assert b"200" in await reader.readline()
        held.append(writer)
    assert (await hub.get("/v1/export?format=jsonl"))[0] == 429  # this reader's own two places, not the hub's
    assert (await hub.get("/v1/measurements?limit=5"))[0] == 200
    await hang_up(*held)
    async with asyncio.timeout(20):
        while (await hub.get("/v1/export?format=csv&limit=1"))[0] != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_reader_without_pause_is_rate_limited_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "MAX_READS", 5)
    monkeypatch.setattr(auth, "READS_PER_S", 1e-6)
    with Inside(tmp_path) as app:
        said = [await asked(app, "/v1/corrections") for _ in range(6)]
        elsewhere = await asked(app, "/v1/corrections", place="198.51.100.9")
        not_counted = await asked(app, "/healthz")
    assert [one.status for one in said] == [200] * 5 + [429]
    assert int(said[-1].headers["retry-after"]) > 1
    assert (elsewhere.status, not_counted.status) == (200, 200)


async def test_a_member_reads_for_itself_where_others_at_its_address_have_read_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "MAX_READS", 5)
    monkeypatch.setattr(auth, "READS_PER_S", 1e-6)
    with Inside(tmp_path) as app:
        (token,) = members(tmp_path / "hub.db", ["home-fibre"])
        for wrong in ({}, {"authorization": f"Bearer {token[:-3]}AAA"}):
            said = [(await asked(app, "/v1/corrections", wrong)).status for _ in range(5)]
        mine = [(await asked(app, "/v1/corrections", {"authorization": f"Bearer {token}"})).status for _ in range(6)]
    assert said == [429] * 5
    assert mine == [200] * 5 + [429]


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /v1/measurements?a\x00b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/measurements HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic " + b"A" * 15000 + b"\r\n\r\n",
        b"GET /v1/measurements HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic //79\r\n\r\n",
        b"GET /v1/registers/rkn HTTP/1.1\r\nHost: localhost\r\nRange: bytes=9-1,-,x\r\n\r\n",
        b"GET /v1/registers/rkn HTTP/1.1\r\nHost: localhost\r\nIf-Modified-Since: \xff\xff\r\n\r\n",
        b"DELETE /v1/measurements/2kq7aaaa HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        b"POST /v1/export HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
async def test_an_odd_request_is_refused_and_the_hub_goes_on(hub: RunningHub, request_: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    try:
        writer.write(request_)
        head = await reader.readuntil(b"\r\n\r\n")
    finally:
        await hang_up(writer)
    assert 200 <= int(head.split()[1]) < 500
    assert (await hub.get("/healthz"))[0] == 200
