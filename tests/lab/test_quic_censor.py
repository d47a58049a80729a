"""The censor of QUIC on loopback: what it reads of real clients, and what comes through it. Needs no namespaces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from hypothesis import given
from hypothesis import strategies as st

from probe.model import Attempt, Observation
from probe.net.network import RealNetwork
from probe.net.path import Path as NetworkPath
from probe.recorder import Log, StepContext
from probe.session import Settings
from probe.steps import quic
from schedules.demo.authority import Authority
from schedules.demo.listener import LOCALHOST, Listeners
from tests.lab.quic_censor import Judge, names, serve_quic_middlebox
from tests.lab.quic_initial import Hello
from tests.lab.quic_site import serve_quic_site

SITE = "video.x.test"


def datagrams(name: str, alpn: tuple[str, ...] = ("h3",)) -> list[bytes]:
    """What a real client sends first."""
    configuration = QuicConfiguration(is_client=True, alpn_protocols=list(alpn), server_name=name)
    connection = QuicConnection(configuration=configuration)
    connection.connect((LOCALHOST, 443), now=0.0)
    return [data for data, _ in connection.datagrams_to_send(now=0.0)]


def test_the_name_is_read_out_of_a_real_client_s_first_datagram() -> None:
    hello = Hello()
    hello.add(datagrams("Video.x.test")[0])
    assert (hello.whole, hello.name) == (True, "video.x.test")


@pytest.mark.parametrize("backwards", [False, True])
def test_a_client_hello_over_several_datagrams_is_put_together_in_any_order(backwards: bool) -> None:
    sent = datagrams(SITE, alpn=tuple(f"protocol-{number}" for number in range(150)))
    assert len(sent) > 1
    hello = Hello()
    for datagram in reversed(sent) if backwards else sent:
        assert not hello.whole
        hello.add(datagram)
    assert (hello.whole, hello.name) == (True, SITE)


@given(st.binary(max_size=1500))
def test_anything_else_is_no_client_hello_and_no_error(data: bytes) -> None:
    hello = Hello()
    hello.add(data)
    assert hello.name is None


@given(st.integers(0, 1199), st.integers(1, 255))
def test_a_damaged_first_datagram_names_nobody_else(at: int, change: int) -> None:
    good = bytearray(FIRST)
    good[at] ^= change
    hello = Hello()
    hello.add(bytes(good))
    assert hello.name in (None, SITE)


FIRST = datagrams(SITE)[0]


@asynccontextmanager
async def behind(folder: Path, drops: Judge, exempt: tuple[str, ...] = ()) -> AsyncIterator[tuple[Authority, int]]:
    authority = Authority(folder)
    async with Listeners() as here:
        site = serve_quic_site(here, LOCALHOST, authority.pem(SITE), b"<title>Video</title>")
        yield authority, serve_quic_middlebox(here, LOCALHOST, site, drops, exempt)[1]


async def handshake(authority: Authority, port: int, server_name: str = SITE) -> Observation:
    settings = Settings(timeout_s=0.5, allow_private=True, ca_file=str(authority.ca_file))
    about = StepContext(role="main", hop=0, host=SITE, address=LOCALHOST, port=port)
    attempt = Attempt(
        role="main", hop=0, scheme="quic", host=SITE, server_name=server_name, address=LOCALHOST, port=port
    )
    return await quic.attempt(Log("m", RealNetwork(NetworkPath())), about, attempt, settings)


async def test_a_listed_name_is_dropped_and_an_innocent_one_passes_at_the_same_address(tmp_path: Path) -> None:
    async with behind(tmp_path, names(SITE)) as (authority, port):
        listed, innocent = await asyncio.gather(
            handshake(authority, port), handshake(authority, port, "innocent.x.test")
        )
    assert (listed.failure, listed.detail.datagrams_received) == ("generic_timeout_error", 0)
    assert innocent.failure is None


async def test_an_exempt_source_passes_whatever_it_asks_for(tmp_path: Path) -> None:
    async with behind(tmp_path, names(SITE), exempt=(LOCALHOST,)) as (authority, port):
        seen = await handshake(authority, port)
    assert (seen.failure, seen.detail.verified) == (None, True)
