"""Each way a site may answer, or not."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from schedules.demo import sites
from schedules.demo.network import Site
from tests.lab import site_answers
from tests.lab.network import LabNetwork

Ask = Callable[..., Awaitable[Any]]


async def answer_of(net: LabNetwork, client: Any, ask: Ask, responder: sites.Responder) -> bytes:
    data: bytes = await ask(client.get, net.add_site("site.x.test", responder))
    return data


async def received_before_the_reset(net: LabNetwork, site: Site, tls: bool) -> bytes:
    """Over asyncio, since a blocking SSLSocket reports a reset as an end of file."""
    context = ssl.create_default_context(cafile=str(net.authority.ca_file)) if tls else None
    name = site.name if tls else None
    reader, writer = await asyncio.open_connection(site.address, site.port, ssl=context, server_hostname=name)
    writer.write(b"GET / HTTP/1.1\r\nHost: site.x.test\r\n\r\n")
    received = b""
    try:
        while more := await reader.read(65536):
            received += more
    except ConnectionResetError:
        return received
    finally:
        writer.close()
    raise AssertionError("the stream ended without a reset")


def body_of(answer: bytes) -> bytes:
    return answer.split(b"\r\n\r\n", 1)[1]


async def test_a_page_has_its_title_and_exactly_its_size(net: LabNetwork, client: Any, ask: Ask) -> None:
    answer = await answer_of(net, client, ask, sites.page("Honest", kib=3))
    assert b"<title>Honest</title>" in answer
    assert len(body_of(answer)) == 3 * 1024
    assert b"Content-Length: 3072\r\n" in answer


async def test_a_redirect_names_its_target(net: LabNetwork, client: Any, ask: Ask) -> None:
    answer = await answer_of(net, client, ask, site_answers.redirect("https://other.x.test/", 301))
    assert answer.startswith(b"HTTP/1.1 301 ")
    assert b"Location: https://other.x.test/\r\n" in answer


async def test_a_challenge_page_is_a_403_over_a_good_certificate(net: LabNetwork, client: Any, ask: Ask) -> None:
    answer = await answer_of(net, client, ask, sites.challenge())
    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"cf-mitigated: challenge\r\n" in answer
    assert b"<title>Just a moment...</title>" in answer


async def test_a_geoblock_is_a_451(net: LabNetwork, client: Any, ask: Ask) -> None:
    assert (await answer_of(net, client, ask, site_answers.geoblock())).startswith(b"HTTP/1.1 451 ")


@pytest.mark.parametrize("tls", [True, False])
async def test_a_reset_in_the_body_comes_after_the_bytes_before_it(
    net: LabNetwork, client: Any, ask: Ask, tls: bool
) -> None:
    site = net.add_site("site.x.test", site_answers.resets_after(1000), tls=tls)
    assert len(body_of(await received_before_the_reset(net, site, tls))) == 1000


async def test_a_body_that_ends_early_keeps_its_promised_length(net: LabNetwork, client: Any, ask: Ask) -> None:
    answer = await answer_of(net, client, ask, site_answers.ends_after(1000, total=5000))
    assert b"Content-Length: 5000\r\n" in answer
    assert len(body_of(answer)) == 1000


async def test_a_stalled_body_stays_open(net: LabNetwork, client: Any, ask: Ask, short_s: float) -> None:
    site = net.add_site("site.x.test", site_answers.stalls_after(1000))
    with pytest.raises(TimeoutError):
        await ask(client.get, site, timeout_s=short_s)


async def test_no_answer_stays_open_too(net: LabNetwork, client: Any, ask: Ask, short_s: float) -> None:
    with pytest.raises(TimeoutError):
        await ask(client.get, net.add_site("site.x.test", site_answers.no_answer), timeout_s=short_s)


async def test_closing_without_an_answer_gives_no_byte(net: LabNetwork, client: Any, ask: Ask) -> None:
    assert await answer_of(net, client, ask, site_answers.closes) == b""


async def test_a_reset_instead_of_an_answer(net: LabNetwork, client: Any, ask: Ask) -> None:
    site = net.add_site("site.x.test", site_answers.resets)
    assert await received_before_the_reset(net, site, tls=True) == b""


@pytest.mark.parametrize("responder", [site_answers.endless_headers, site_answers.endless_body])
async def test_an_endless_answer_goes_on_past_four_mebibytes_and_ends_when_the_client_leaves(
    net: LabNetwork, client: Any, ask: Ask, responder: sites.Responder
) -> None:
    assert len(await answer_of(net, client, ask, responder)) >= 4 * 1024 * 1024


async def test_a_gzip_bomb_is_small_on_the_wire(net: LabNetwork, client: Any, ask: Ask) -> None:
    answer = await answer_of(net, client, ask, site_answers.gzip_bomb(mib=16))
    assert len(answer) < 32 * 1024
    assert len(gzip.decompress(body_of(answer))) == 16 * 1024 * 1024


async def test_a_trickle_arrives_whole(net: LabNetwork, client: Any, ask: Ask) -> None:
    answer = await answer_of(net, client, ask, site_answers.trickle(200, every_s=0.001, piece=10))
    assert len(body_of(answer)) == 200


async def test_bytes_that_are_no_http_are_sent_as_they_are(net: LabNetwork, client: Any, ask: Ask) -> None:
    assert (await answer_of(net, client, ask, site_answers.not_http)).startswith(b"\x00\x01")


async def test_paths_answer_apart(net: LabNetwork, client: Any, ask: Ask) -> None:
    pages = site_answers.by_path({"/": sites.page("Home")})
    assert b"<title>Home</title>" in await answer_of(net, client, ask, pages)
    assert (await answer_of(net, client, ask, site_answers.by_path({}))).startswith(b"HTTP/1.1 404 ")


async def test_a_site_may_have_a_bad_certificate(net: LabNetwork, client: Any, ask: Ask) -> None:
    site = net.add_site("old.x.test", tls=net.authority.expired("old.x.test"))
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        await ask(client.handshake, site)
    assert caught.value.verify_code == 10
