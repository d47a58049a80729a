"""Each thing the middlebox does to a connection, as the client meets it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from schedules.demo import censor, sites
from tests.lab import censor_actions
from tests.lab.network import LabNetwork

Ask = Callable[..., Awaitable[Any]]


async def test_an_untouched_site_answers_through_the_middlebox(net: LabNetwork, client: Any, ask: Ask) -> None:
    site = net.add_site("honest.x.test", sites.page("Honest", kib=2048))
    answer = await ask(client.get, site)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(answer.split(b"\r\n\r\n", 1)[1]) == 2048 * 1024


async def test_a_name_in_the_sni_is_reset(net: LabNetwork, client: Any, ask: Ask) -> None:
    site = net.add_site("wechat.x.test", censored=censor.resets)
    with pytest.raises(ConnectionResetError):
        await ask(client.handshake, site)


async def test_an_innocent_name_passes_at_the_address_where_the_censored_one_is_reset(
    net: LabNetwork, client: Any, ask: Ask
) -> None:
    site = net.add_site("wechat.x.test", censored=censor.resets)
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        await ask(client.handshake, site, "innocent.x.test")
    assert caught.value.verify_code == 62  # the site's own certificate came through


async def test_the_censored_name_is_reset_at_the_address_set_aside_too(net: LabNetwork, client: Any, ask: Ask) -> None:
    net.add_site("wechat.x.test", censored=censor.resets)
    (await ask(client.handshake, net.innocent)).close()
    with pytest.raises(ConnectionResetError):
        await ask(client.handshake, net.innocent, "wechat.x.test")


async def test_names_below_a_censored_name_are_censored_and_others_are_not(
    net: LabNetwork, client: Any, ask: Ask
) -> None:
    net.censored["wechat.x.test"] = censor.resets
    below, beside = net.add_site("web.wechat.x.test"), net.add_site("notwechat.x.test")
    with pytest.raises(ConnectionResetError):
        await ask(client.handshake, below)
    assert b"200 OK" in await ask(client.get, beside)


async def test_a_dropped_client_hello_is_never_answered(net: LabNetwork, client: Any, ask: Ask, short_s: float) -> None:
    site = net.add_site("line.x.test", censored=censor.drops)
    with pytest.raises(TimeoutError):
        await ask(client.handshake, site, None, short_s)


async def test_a_closed_handshake_is_an_end_of_file(net: LabNetwork, client: Any, ask: Ask) -> None:
    site = net.add_site("closed.x.test", censored=censor_actions.closes)
    with pytest.raises((ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        await ask(client.handshake, site)


async def test_an_alert_is_a_real_tls_alert(net: LabNetwork, client: Any, ask: Ask) -> None:
    site = net.add_site("alert.x.test", censored=censor_actions.alerts())
    with pytest.raises(ssl.SSLError) as caught:
        await ask(client.handshake, site)
    assert caught.value.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE"


async def test_an_interceptor_presents_another_authority_s_certificate(net: LabNetwork, client: Any, ask: Ask) -> None:
    interceptor = net.add_interceptor(sites.page("Intercepted"))
    site = net.add_site("mitm.x.test", censored=censor.diverts(interceptor))
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        await ask(client.handshake, site)
    assert caught.value.verify_code == 20


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1251"])
async def test_a_block_page_answers_for_the_host(net: LabNetwork, client: Any, ask: Ask, encoding: str) -> None:
    site = net.add_site("news.x.test", tls=False, censored=censor.block_page(403, encoding))
    answer = await ask(client.get, site)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert "<title>Доступ ограничен</title>" in answer.decode(encoding)
    assert b"200 OK" in await ask(client.get, site, host="innocent.x.test")


async def test_a_block_redirect_points_to_the_provider_s_host(net: LabNetwork, client: Any, ask: Ask) -> None:
    site = net.add_site("news.x.test", tls=False, censored=censor_actions.block_redirect())
    assert b"\r\nLocation: http://warning.rt.ru/?" in await ask(client.get, site)


async def test_a_stream_freezes_after_exactly_so_many_bytes(
    net: LabNetwork, client: Any, ask: Ask, short_s: float
) -> None:
    site = net.add_site(
        "frozen.x.test", sites.page("Big", kib=64), tls=False, censored=censor_actions.freezes_after(16384)
    )

    def receive() -> int:
        with client.connect(site) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: frozen.x.test\r\n\r\n")
            received = 0
            while received < 16384:
                received += len(sock.recv(65536))
            sock.settimeout(short_s)
            with pytest.raises(TimeoutError):
                sock.recv(1)
            return received

    assert await ask(receive) == 16384


async def test_a_throttled_page_arrives_whole_in_many_pieces(net: LabNetwork, client: Any, ask: Ask) -> None:
    site = net.add_site(
        "slow.x.test", sites.page("Big", kib=64), tls=False, censored=censor_actions.throttles_to(400_000)
    )

    def pieces() -> list[int]:
        with client.connect(site) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: slow.x.test\r\n\r\n")
            sizes = []
            while more := sock.recv(65536):
                sizes.append(len(more))
            return sizes

    sizes = await ask(pieces)
    assert sum(sizes) > 65536
    assert max(sizes) <= 40_000


async def test_a_block_by_address_takes_every_name(net: LabNetwork, client: Any, ask: Ask) -> None:
    listed, neighbour = net.add_site("one.x.test"), net.add_site("two.x.test")
    net.policy = censor_actions.by_destination({listed.address: censor.resets}, net.policy)
    with pytest.raises(ConnectionResetError):
        await ask(client.handshake, listed, "innocent.x.test")
    assert b"200 OK" in await ask(client.get, neighbour)


async def test_a_censor_of_http_alone_lets_tls_pass(net: LabNetwork, client: Any, ask: Ask) -> None:
    net.policy = censor_actions.only_protocol("http", net.policy)
    site = net.add_site("wechat.x.test", censored=censor.resets)
    assert b"200 OK" in await ask(client.get, site)


async def test_an_exempt_source_is_not_touched(net: LabNetwork, client: Any, ask: Ask) -> None:
    site = net.add_site("wechat.x.test", censored=censor.resets)
    exempt = type(client)(client.ca_file, source="127.77.0.99")
    assert b"200 OK" in await ask(exempt.get, site)


async def test_a_refused_port_refuses_and_a_silent_one_never_answers(
    net: LabNetwork, client: Any, ask: Ask, short_s: float
) -> None:
    with pytest.raises(ConnectionRefusedError):
        await ask(client.connect, net.add_site("refused.x.test", connect="refused"))
    with pytest.raises(TimeoutError):
        await ask(client.connect, net.add_site("silent.x.test", connect="unanswered"), short_s)


async def test_residual_blocking_hits_an_innocent_name_until_it_is_over(net: LabNetwork, client: Any, ask: Ask) -> None:
    now = [0.0]
    net.policy = censor_actions.with_residue(net.policy, 60, clock=lambda: now[0])
    site = net.add_site("wechat.x.test", censored=censor.resets)
    for name in ("wechat.x.test", "innocent.x.test"):
        with pytest.raises(ConnectionResetError):
            await ask(client.handshake, site, name)
    now[0] = 61.0
    with pytest.raises(ssl.SSLCertVerificationError):
        await ask(client.handshake, site, "innocent.x.test")


async def test_a_captive_portal_sends_the_canary_to_its_login_page(net: LabNetwork, client: Any, ask: Ask) -> None:
    assert b" 204 No Content\r\n" in await ask(client.get, net.canary)
    net.policy = censor_actions.captive_portal("http://portal.x.test/login")
    assert b"Location: http://portal.x.test/login" in await ask(client.get, net.canary)
    with pytest.raises(ConnectionResetError):
        await ask(client.handshake, net.canary_tls)


async def test_a_client_that_connects_and_leaves_harms_nobody(net: LabNetwork, client: Any, ask: Ask) -> None:
    site = net.add_site("honest.x.test")
    for _ in range(20):
        (await ask(client.connect, site)).close()
    assert b"200 OK" in await ask(client.get, site)


async def test_bytes_that_are_neither_tls_nor_http_reach_the_site(net: LabNetwork, client: Any, ask: Ask) -> None:
    site = net.add_site("plain.x.test", tls=False)

    def talk() -> bytes:
        with client.connect(site) as sock:
            sock.sendall(b"\x00\x01hello\r\n\r\n")
            sock.shutdown(socket.SHUT_WR)
            data: bytes = sock.recv(4096)
            return data

    assert (await ask(talk)).startswith(b"HTTP/1.1 400 ")


async def test_a_site_has_one_port_on_both_families_and_one_may_be_blocked(
    net: LabNetwork, client: Any, ask: Ask
) -> None:
    from schedules.demo.listener import can_bind

    if not can_bind("::1"):
        pytest.skip("this machine has no IPv6 loopback")
    site = net.add_site("both.x.test", tls=False, at=("127.77.9.1", "::1"))
    net.policy = censor_actions.by_destination({"127.77.9.1": censor.resets}, net.policy)
    request = b"GET / HTTP/1.1\r\nHost: both.x.test\r\n\r\n"

    def talk(host: str) -> bytes:
        with socket.create_connection((host, site.port), 5) as sock:
            sock.sendall(request)
            data: bytes = sock.recv(4096)
            return data

    with pytest.raises(ConnectionResetError):
        await ask(talk, "127.77.9.1")
    assert b"200 OK" in await ask(talk, "::1")
