"""Who reads what a hub holds: as configured, and beyond loopback nobody whom it does not know."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from results.db.store import Store
from results.hub.auth import ReadPolicy, secret_of
from results.hub.database import QueryTimeout, ReadPool
from tests.results.hub.asgi_client import PASSWORD, Inside
from tests.results.hub.hub_process import RunningHub
from tests.results.hub.in_thread import asked

OWN_CSP = "default-src 'none'; style-src 'self'"


async def page(request: Request, pool: ReadPool) -> Response:
    count = await pool.run(lambda db: db.execute("SELECT count(*) FROM measurements").fetchone()[0])
    return HTMLResponse(f"<p>{count}", headers={"Content-Security-Policy": OWN_CSP})


async def slow(request: Request, pool: ReadPool) -> Response:
    await pool.run(lambda db: db.execute(ENDLESS).fetchall(), timeout_s=0.05)
    return HTMLResponse("never")


ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def open_to(folder: Path, reads: ReadPolicy) -> Inside:
    return Inside(folder, reads, pages=(("/", page), ("/slow", slow)))


def basic(password: str, name: str = "") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


async def test_a_public_page_is_for_everybody_and_says_its_own_policy(tmp_path: Path) -> None:
    with open_to(tmp_path, "public") as app:
        got = await asked(app, "/")
    assert (got.status, got.body) == (200, b"<p>0")
    assert got.headers["content-security-policy"] == OWN_CSP
    assert got.headers["x-content-type-options"] == "nosniff"


async def test_a_browser_asks_for_a_missing_password(tmp_path: Path) -> None:
    with open_to(tmp_path, "password") as app:
        none = await asked(app, "/")
        wrong = await asked(app, "/", basic("guess"))
        right = await asked(app, "/", basic(PASSWORD, "anybody"))
        again = await asked(app, "/", {"authorization": f"Bearer {PASSWORD}"})
    assert (none.status, wrong.status, right.status, again.status) == (401, 401, 200, 200)
    assert none.headers["www-authenticate"].startswith("Basic realm=")


async def test_with_reading_for_members_only_the_password_is_refused(tmp_path: Path) -> None:
    with open_to(tmp_path, "members") as app:
        assert (await asked(app, "/", basic(PASSWORD))).status == 401


async def test_password_guesses_are_rate_limited_also_in_parallel(tmp_path: Path) -> None:
    with open_to(tmp_path, "password") as app:
        got = await asyncio.gather(*(asked(app, "/", basic(f"guess {number}")) for number in range(30)))
        late = await asked(app, "/", basic(PASSWORD))
        elsewhere = await asked(app, "/", basic(PASSWORD), place="198.51.100.9")
    assert sorted(one.status for one in got) == [401] * 10 + [429] * 20
    assert (late.status, elsewhere.status) == (429, 200)


async def test_a_slow_query_is_interrupted_and_the_next_is_answered(tmp_path: Path) -> None:
    with open_to(tmp_path, "public") as app:
        late, next_one = await asked(app, "/slow"), await asked(app, "/")
    assert (late.status, next_one.status) == (503, 200)


async def test_the_read_pool_cannot_write(tmp_path: Path) -> None:
    Store.open(tmp_path / "hub.db").close()
    with closing(ReadPool(tmp_path / "hub.db")) as pool:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await pool.run(lambda db: db.execute("DELETE FROM measurements"))
        with pytest.raises(QueryTimeout):
            await pool.run(lambda db: db.execute(ENDLESS).fetchall(), timeout_s=0.01)


@pytest.mark.parametrize(
    ("header", "secret"),
    [
        (None, None),
        ("", None),
        ("Basic", None),
        ("Basic !!!", None),
        ("Basic bm9jb2xvbg==", None),
        ("Basic //86/w==", None),
        ("Digest x", None),
        ("basic OmE6Yg==", "a:b"),
        ("Bearer  x ", "x"),
    ],
)
def test_the_secret_of_an_authorization_header(header: str | None, secret: str | None) -> None:
    assert secret_of(header) == secret


def test_a_hub_says_who_may_read_and_the_default_beyond_loopback_is_members(tmp_path: Path) -> None:
    hub = RunningHub(tmp_path)
    for more, who in (((), b"everybody"), (("--behind-proxy",), b"members")):
        hub.start(*more)
        assert b"readable by " + who in hub.log.read_bytes()
        assert hub.stop() == 0
    hub.config.write_text('[hub]\nreading = "public"\n')
    hub.start("--behind-proxy")
    assert b"readable by everybody" in hub.log.read_bytes()
    hub.kill()


def test_a_command_hashes_the_password_for_the_configuration(tmp_path: Path) -> None:
    hub = RunningHub(tmp_path)
    done = subprocess.run(hub.command("password"), input=f"{PASSWORD}\n", capture_output=True, text=True, check=True)
    line = done.stdout.strip()
    assert PASSWORD not in line
    hub.config.write_text(f'[hub]\nreading = "password"\nreading_password = "{line}"\n')
    hub.start()
    assert b"anyone with the password" in hub.log.read_bytes()
    hub.kill()
    hub.config.write_text('[hub]\nreading = "password"\n')
    refused = subprocess.run(hub.command(), capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "hub.reading" in refused.stderr
    assert "hub password" in refused.stderr


def test_a_short_password_is_refused(tmp_path: Path) -> None:
    short = RunningHub(tmp_path).command("password")
    done = subprocess.run(short, input="hunter2\n", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
