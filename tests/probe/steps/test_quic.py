"""QUIC handshakes against aioquic's own server, and against what a censor does to them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from aioquic.asyncio import serve
from aioquic.quic.configuration import QuicConfiguration

from probe.model import Attempt, Observation
from probe.net.network import RealNetwork
from probe.net.path import Path as NetworkPath
from probe.recorder import Log, StepContext
from probe.session import Settings
from probe.steps import quic

HOST = "127.0.0.1"
NAME = "site.x.test"


@asynccontextmanager
async def quic_server(folder: Path, authority: trustme.CA, name: str, alpn: str = "h3") -> AsyncIterator[int]:
    leaf = authority.issue_cert(name)
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    key.write_bytes(leaf.private_key_pem.bytes())
    configuration = QuicConfiguration(is_client=False, alpn_protocols=[alpn])
    configuration.load_cert_chain(chain, key)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        port = sock.getsockname()[1]
    server = await serve(HOST, port, configuration=configuration)
    try:
        yield port
    finally:
        server.close()
        await asyncio.sleep(0)


async def handshake(port: int, folder: Path, authority: trustme.CA, server_name: str = NAME) -> Observation:
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    settings = Settings(timeout_s=1, allow_private=True, ca_file=str(ca_file))
    log = Log("m", RealNetwork(NetworkPath()))
    about = StepContext(role="main", hop=0, host=NAME, address=HOST, port=port)
    attempt = Attempt(role="main", hop=0, scheme="quic", host=NAME, server_name=server_name, address=HOST, port=port)
    return await quic.attempt(log, about, attempt, settings)


async def test_an_honest_server_completes_and_its_certificate_is_kept(tmp_path: Path) -> None:
    authority = trustme.CA()
    async with quic_server(tmp_path, authority, NAME) as port:
        seen = await handshake(port, tmp_path, authority)
    assert seen.failure is None
    assert (seen.detail.version, seen.detail.alpn, seen.detail.verified) == ("1", "h3", True)
    assert seen.detail.fingerprint


async def test_a_certificate_for_another_name_fails_and_is_kept(tmp_path: Path) -> None:
    authority = trustme.CA()
    async with quic_server(tmp_path, authority, "other.x.test") as port:
        seen = await handshake(port, tmp_path, authority)
    assert seen.failure == "ssl_invalid_certificate"
    assert seen.detail.verified is False
    assert seen.detail.chain


async def test_an_innocent_name_is_not_verified(tmp_path: Path) -> None:
    authority = trustme.CA()
    async with quic_server(tmp_path, authority, NAME) as port:
        seen = await handshake(port, tmp_path, authority, server_name="innocent.x.test")
    assert seen.failure is None
    assert seen.detail.server_name == "innocent.x.test"
    assert seen.detail.verified is None


async def test_no_common_protocol_is_a_failed_handshake(tmp_path: Path) -> None:
    authority = trustme.CA()
    async with quic_server(tmp_path, authority, NAME, alpn="other") as port:
        seen = await handshake(port, tmp_path, authority)
    assert seen.failure == "ssl_failed_handshake"
    assert seen.error_code == 0x100 + 120


async def test_silence_is_a_timeout(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((HOST, 0))
        seen = await handshake(silent.getsockname()[1], tmp_path, trustme.CA())
    assert seen.failure == "generic_timeout_error"
    assert seen.detail.datagrams_received == 0


async def test_a_closed_port_is_refused_by_icmp(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind((HOST, 0))
        port = closed.getsockname()[1]
    seen = await handshake(port, tmp_path, trustme.CA())
    assert seen.failure == "connection_refused"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "168.63.129.16"])
async def test_a_private_address_gets_no_datagram(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    async def datagrams(_: RealNetwork, host: str, port: int) -> socket.socket:
        opened.append(host)
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(RealNetwork, "datagrams", datagrams)
    about = StepContext(role="main", hop=0, host=NAME, address=address, port=443)
    attempt = Attempt(role="main", hop=0, scheme="quic", host=NAME, server_name=NAME, address=address, port=443)
    for allowed, failure in ((False, "dns_bogon_error"), (True, "connection_refused")):
        settings = Settings(timeout_s=1, allow_private=allowed)
        seen = await quic.attempt(Log("m", RealNetwork(NetworkPath())), about, attempt, settings)
        assert seen.failure == failure
    assert opened == [address]
