"""The data itself under `/data`: read only, by the same door as the pages, and nothing of who sends and by what."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.results.hub.hub_process import RunningHub, record

pytest.importorskip("datasette", reason="datasette is not installed: pip install 'reachprobe[browse]'")
PRIVATE = ("tokens", "members", "invitations", "hubs", "outbox", "consents", "received")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    made = RunningHub(tmp_path_factory.mktemp("hub"))
    made.start()

    async def fill() -> None:
        token = await made.enrol("home-fibre")
        status, _ = await made.send(token, [record("abcd1234")])
        assert status == 200

    asyncio.run(fill())
    yield made
    made.kill()


async def get(hub: RunningHub, path: str) -> tuple[int, str, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    writer.write(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{hub.port}\r\nConnection: close\r\n\r\n".encode())
    await writer.drain()
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), head.decode("latin-1").lower(), body.decode()


async def asked(hub: RunningHub, sql: str) -> Any:
    status, _, body = await get(hub, f"/data/reachprobe.json?_shape=arrays&sql={quote(sql)}")
    return status, body


async def test_it_is_in_the_menu_and_shows_the_findings(hub: RunningHub) -> None:
    _, _, page = await get(hub, "/")
    assert 'href="/data/"' in page
    status, head, body = await get(hub, "/data/reachprobe/findings")
    assert status == 200
    assert "https://www.example.com/" in body
    assert "content-security-policy: default-src 'none'; script-src 'self'" in head
    assert head.count("content-security-policy") == 1
    assert "cache-control: private, no-store" in head
    status, body = await asked(hub, "select outcome from findings")
    assert json.loads(body)["rows"]
    assert "ERROR" not in hub.log.read_text()
    status, head, _ = await get(hub, "/data")
    assert "location: /data/" in head


@pytest.mark.parametrize("table", PRIVATE)
async def test_no_question_is_answered_from_what_is_nobodys_business(table: str, hub: RunningHub) -> None:
    for sql in (f"select * from {table}", f"select count(*) from {table}",
                f"with x as (select * from {table}) select 1 from x",
                f"select (select 1 from {table}) from findings"):  # fmt: skip
        status, body = await asked(hub, sql)
        assert status == 400, (sql, body)
        assert "prohibited" in body or "not authorized" in body
    status, _, body = await get(hub, f"/data/reachprobe/{table}")
    assert status == 403
    _, _, home = await get(hub, "/data/reachprobe")
    assert f'/data/reachprobe/{table}"' not in home


@pytest.mark.parametrize(
    "sql",
    ["select * from sqlite_dbpage", "delete from measurements", "attach 'x.db' as x",
     "update verdicts set outcome = ''",
     "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) from n"],
)  # fmt: skip
async def test_nothing_is_written_and_nothing_else_is_opened(sql: str, hub: RunningHub) -> None:
    status, body = await asked(hub, sql)
    assert status == 400, body
    assert (await asked(hub, "select count(*) from measurements"))[1].count("1") >= 1


@pytest.mark.parametrize(
    "path", ["databases.json", "threads", "plugins.json", "settings", "metadata.json", "actor.json"]
)
async def test_it_tells_nothing_of_the_machine(path: str, hub: RunningHub) -> None:
    status, _, body = await get(hub, f"/data/-/{path}")
    assert status == 404
    assert str(hub.folder) not in body
    status, _, body = await get(hub, f"/data/./-/{path}")
    assert str(hub.folder) not in body
    assert (await get(hub, "/data/-/static/app.css"))[0] == 200


async def test_it_is_behind_the_same_door(tmp_path: Path) -> None:
    closed = RunningHub(tmp_path, '[hub]\nreading = "members"\n')
    closed.start()
    try:
        for path in ("/", "/data/", "/data/reachprobe.json?sql=select+1", "/data/-/static/app.css"):
            assert (await get(closed, path))[0] == 401
    finally:
        closed.kill()
