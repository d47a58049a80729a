"""Whose request it is: the proxy's own line counts, and a loopback hub answers to its own names alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from results.hub.limits import is_proxy
from results.hub.routes import HubApp, HubOptions
from schedules.config.load import load
from schedules.config.toml import ConfigError
from tests.results.hub.asgi_client import Inside
from tests.results.hub.hub_process import RunningHub
from tests.results.hub.in_thread import asked


def address_of(lines: list[str], peer: str | None = "127.0.0.1", **options: Any) -> str:
    """The address that a hub behind a proxy takes a request to come from."""
    headers = [(b"x-forwarded-for", line.encode()) for line in lines]
    request = Request({"type": "http", "headers": headers, "client": (peer, 1) if peer is not None else None})
    hub: Any = SimpleNamespace(_options=HubOptions(**{"behind_proxy": True, **options}))
    return HubApp.address(hub, request)


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["198.51.100.7"], "198.51.100.7"),
        (["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        (["203.0.113.9", "198.51.100.7"], "198.51.100.7"),
        (["203.0.113.9, 203.0.113.10", "203.0.113.11,198.51.100.7 "], "198.51.100.7"),
        (["203.0.113.9", ""], "127.0.0.1"),
        ([], "127.0.0.1"),
    ],
)
def test_the_last_address_of_the_last_line_is_the_clients(lines: list[str], address: str) -> None:
    assert address_of(lines) == address


def test_a_public_peer_is_believed_only_where_it_is_named() -> None:
    assert address_of(["198.51.100.7"], "8.8.8.8") == "8.8.8.8"
    assert address_of(["198.51.100.7"], "8.8.8.8", proxies=("8.8.8.0/24",)) == "198.51.100.7"
    assert address_of(["198.51.100.7"], "8.8.8.8", proxies=("2001:db8::/32", "9.9.9.9")) == "8.8.8.8"
    assert address_of(["198.51.100.7"], "172.17.0.1") == "198.51.100.7"
    assert address_of(["198.51.100.7"], None) == "198.51.100.7"
    assert address_of(["198.51.100.7"], behind_proxy=False) == "127.0.0.1"
    assert not is_proxy("nonsense", ())


def test_a_socket_of_both_families_shows_the_same_peers() -> None:
    assert not is_proxy("::ffff:8.8.8.8", ())
    assert is_proxy("::ffff:8.8.8.8", ("8.8.8.0/24",))
    assert is_proxy("::ffff:172.17.0.1", ())


def test_a_proxy_that_is_no_address_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[hub]\nproxies = ["proxy.example"]\n')
    with pytest.raises(ConfigError, match=r"hub\.proxies"):
        load(file, {}, {})


@pytest.mark.parametrize("line", ["203.0.113.1", "203.0.113.2"])
async def test_a_line_that_the_client_wrote_does_not_hide_who_guesses(tmp_path: Path, line: str) -> None:
    with Inside(tmp_path, "password", behind_proxy=True) as app:
        said = []
        for number in range(12):
            forged = {"x-forwarded-for": f"198.51.100.{number}, {line}", "authorization": "Bearer guess"}
            said.append((await asked(app, "/v1/measurements", forged)).status)
    assert said == [401] * 10 + [429] * 2


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1:80", "[::1]:8765"])
async def test_a_loopback_hub_answers_to_its_own_names(hub: RunningHub, host: str) -> None:
    assert (await hub.raw(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()))[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io:8765", "", "10.0.0.1"])
async def test_a_page_whose_name_leads_to_the_loopback_reads_nothing(hub: RunningHub, host: str) -> None:
    for path in ("/v1/measurements", "/v1/export?format=csv", "/healthz", "/openapi.json"):
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        assert (await hub.raw(request.encode()))[0] == 400


async def test_a_hub_behind_a_proxy_has_whatever_name_the_proxy_has(hub: RunningHub) -> None:
    hub.kill()
    hub.start("--behind-proxy")
    assert (await hub.raw(b"GET /healthz HTTP/1.1\r\nHost: hub.example\r\nConnection: close\r\n\r\n"))[0] == 200
