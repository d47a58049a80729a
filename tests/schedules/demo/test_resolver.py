"""Each way a name may be answered, over each transport."""

from __future__ import annotations

import asyncio
import socket
import ssl
import urllib.error
import urllib.request

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from schedules.demo import resolver as zone
from tests.lab import dns_behaviours
from tests.lab.network import LabNetwork

NAME = "wechat.x.test"
HONEST = zone.addresses("192.0.2.1", "2001:db8::1")
FORGED = zone.addresses("198.51.100.1")


def query(rdtype: str = "A", name: str = NAME) -> dns.message.Message:
    return dns.message.make_query(name, rdtype)


async def over_udp(net: LabNetwork, asked: dns.message.Message) -> dns.message.Message:
    host, port = net.system_resolver
    return await asyncio.to_thread(dns.query.udp, asked, host, 5, port)


async def datagrams(net: LabNetwork, asked: dns.message.Message, count: int) -> list[dns.message.Message]:
    """The first `count` answers to one query, whatever their ids."""

    def listen() -> list[dns.message.Message]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.connect(net.system_resolver)
            sock.send(asked.to_wire())
            return [dns.message.from_wire(sock.recv(4096)) for _ in range(count)]

    return await asyncio.to_thread(listen)


def literals(answer: dns.message.Message) -> list[str]:
    return [rdata.to_text() for rrset in answer.answer for rdata in rrset]


async def test_addresses_are_told_apart_by_family(net: LabNetwork) -> None:
    net.honest_zone[NAME] = HONEST
    assert literals(await over_udp(net, query("A"))) == ["192.0.2.1"]
    assert literals(await over_udp(net, query("AAAA"))) == ["2001:db8::1"]
    assert literals(await over_udp(net, query("MX"))) == []


async def test_an_alias_chain_is_given_whole(net: LabNetwork) -> None:
    net.honest_zone[NAME] = dns_behaviours.cname("edge.x.test", "far.x.test", to=["192.0.2.1"])
    answer = await over_udp(net, query())
    assert [(rrset.name.to_text(), literal[0].to_text()) for rrset in answer.answer for literal in [list(rrset)]] == [
        ("wechat.x.test.", "edge.x.test."),
        ("edge.x.test.", "far.x.test."),
        ("far.x.test.", "192.0.2.1"),
    ]


@pytest.mark.parametrize(
    ("behaviour", "rcode"),
    [
        (zone.nxdomain, dns.rcode.NXDOMAIN),
        (dns_behaviours.servfail, dns.rcode.SERVFAIL),
        (dns_behaviours.refused, dns.rcode.REFUSED),
        (dns_behaviours.empty, dns.rcode.NOERROR),
    ],
)
async def test_an_answer_may_be_a_code_alone(
    net: LabNetwork, behaviour: zone.Behaviour, rcode: dns.rcode.Rcode
) -> None:
    net.honest_zone[NAME] = behaviour
    answer = await over_udp(net, query())
    assert answer.rcode() == rcode
    assert not answer.answer


async def test_a_name_nobody_knows_does_not_exist(net: LabNetwork) -> None:
    assert (await over_udp(net, query(name="nobody.x.test"))).rcode() == dns.rcode.NXDOMAIN


async def test_a_silent_name_is_never_answered(net: LabNetwork, short_s: float) -> None:
    net.honest_zone[NAME] = dns_behaviours.silence
    host, port = net.system_resolver
    with pytest.raises(dns.exception.Timeout):
        await asyncio.to_thread(dns.query.udp, query(), host, short_s, port)
    assert NAME in net.lying.seen


async def test_a_lie_is_told_by_the_system_resolver_alone(net: LabNetwork) -> None:
    net.honest_zone[NAME] = HONEST
    net.lies[NAME] = FORGED
    host, port = net.trusted_plain
    assert literals(await over_udp(net, query())) == ["198.51.100.1"]
    assert literals(await asyncio.to_thread(dns.query.udp, query(), host, 5, port)) == ["192.0.2.1"]


async def test_a_truncated_answer_is_whole_over_tcp(net: LabNetwork) -> None:
    net.honest_zone[NAME] = dns_behaviours.truncated(HONEST)
    host, port = net.system_resolver
    short = await over_udp(net, query())
    assert short.flags & dns.flags.TC
    assert not short.answer
    assert literals(await asyncio.to_thread(dns.query.tcp, query(), host, 5, port)) == ["192.0.2.1"]


async def test_an_injected_answer_comes_first_and_the_honest_one_behind_it(net: LabNetwork) -> None:
    net.honest_zone[NAME] = dns_behaviours.injected(FORGED, HONEST)
    asked = query()
    first, second = await datagrams(net, asked, 2)
    assert [literals(first), literals(second)] == [["198.51.100.1"], ["192.0.2.1"]]
    assert first.id == second.id == asked.id


async def test_an_injector_cannot_speak_inside_a_tcp_stream(net: LabNetwork) -> None:
    net.honest_zone[NAME] = dns_behaviours.injected(FORGED, HONEST)
    host, port = net.system_resolver
    assert literals(await asyncio.to_thread(dns.query.tcp, query(), host, 5, port)) == ["192.0.2.1"]


async def test_a_stray_answer_with_another_id_comes_before_the_honest_one(net: LabNetwork) -> None:
    net.honest_zone[NAME] = dns_behaviours.wrong_id_first(FORGED, HONEST)
    asked = query()
    stray, honest = await datagrams(net, asked, 2)
    assert stray.id != asked.id == honest.id


async def test_bytes_that_are_no_query_are_ignored_and_the_next_query_is_answered(net: LabNetwork) -> None:
    net.honest_zone[NAME] = HONEST
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for junk in (b"", b"\x00", b"\xff" * 500, query().to_wire()[:15]):
            sock.sendto(junk, net.system_resolver)
    assert literals(await over_udp(net, query())) == ["192.0.2.1"]


async def test_dns_over_tls_answers_with_a_certificate_for_its_address(net: LabNetwork) -> None:
    net.honest_zone[NAME] = HONEST
    context = ssl.create_default_context(cafile=str(net.authority.ca_file))

    def ask_twice() -> list[str]:
        with (
            socket.create_connection(net.dot, 5) as plain,
            context.wrap_socket(plain, server_hostname=net.dot[0]) as sock,
        ):
            found = []
            for rdtype in ("A", "AAAA"):
                dns.query.send_tcp(sock, query(rdtype))
                found += literals(dns.query.receive_tcp(sock)[0])
            return found

    assert await asyncio.to_thread(ask_twice) == ["192.0.2.1", "2001:db8::1"]


async def test_dns_over_https_answers_a_post(net: LabNetwork) -> None:
    net.honest_zone[NAME] = HONEST
    assert literals(dns.message.from_wire(await asyncio.to_thread(_post, net, query().to_wire()))) == ["192.0.2.1"]


async def test_dns_over_https_refuses_what_is_no_post(net: LabNetwork) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        await asyncio.to_thread(_post, net, None)
    with caught.value as answer:
        assert answer.code == 405


def _post(net: LabNetwork, wire: bytes | None) -> bytes:
    url = f"https://{net.doh[0]}:{net.doh[1]}/dns-query"
    request = urllib.request.Request(url, wire, {"Content-Type": "application/dns-message"})
    context = ssl.create_default_context(cafile=str(net.authority.ca_file))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(request, timeout=5) as answer:
        assert answer.headers["Content-Type"] == "application/dns-message"
        body: bytes = answer.read()
        return body


async def test_the_resolver_remembers_what_it_was_asked(net: LabNetwork) -> None:
    await over_udp(net, query(name="Asked.X.test"))
    assert net.lying.seen == ["asked.x.test"]
