"""Who answers for a public resolver: the owner, another party, or nobody that says so."""

from __future__ import annotations

import dns.edns
import dns.message
import dns.rrset
import msgspec
import pytest

from probe import reference_sites
from probe.dns import identity
from probe.dns.identity import PublicResolver, identify, owner_of, public_resolvers
from probe.net.network import RealNetwork
from probe.net.path import Path
from probe.net.resolver import parse
from schedules.demo.listener import Listeners
from schedules.demo.resolver import Behaviour, DemoResolver, Packets, nxdomain, reply_to
from tests.lab.dns_behaviours import refused, silence
from tests.probe.loopback import LOOPBACK, QUICK_S, session, settings

QUESTION = "id.server"
KNOWN = PublicResolver(addresses=(LOOPBACK,), question=QUESTION, pattern="res[0-9]+[.][a-z]+", source="", chaos=True)


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "public_resolvers", lambda: {"Lab": KNOWN})


def says(text: str) -> Behaviour:
    def answer(query: dns.message.Message, _: str) -> Packets:
        response = reply_to(query)
        question = query.question[0]
        response.answer.append(dns.rrset.from_text(question.name, 0, question.rdclass, "TXT", f'"{text}"'))
        return [response]

    return answer


def identifier(value: bytes) -> Behaviour:
    def answer(query: dns.message.Message, transport: str) -> Packets:
        (response,) = says("192.0.2.7")(query, transport)
        response.use_edns(0, options=[dns.edns.GenericOption(dns.edns.OptionType.NSID, value)])
        return [response]

    return answer


def by_transport(**each: Behaviour) -> Behaviour:
    return lambda query, transport: each[transport](query, transport)


def listening(here: Listeners, behaviour: Behaviour) -> str:
    host, port = DemoResolver({QUESTION: behaviour}).listen(here, LOOPBACK)
    return f"{host}:{port}"


async def identity_of(here: Listeners, behaviour: Behaviour, transport: str = "udp") -> str | None:
    (resolver,) = parse(f"{transport}://{listening(here, behaviour)}")
    return await identify(RealNetwork(Path()), resolver, settings(timeout_s=QUICK_S))


@pytest.mark.parametrize(
    ("behaviour", "whose"),
    [
        (says("res100.fra"), "own"),
        (says("RES7.AMS"), "own"),
        (says("dnsmasq-2.90"), "other"),
        (says("res100.fra and more"), "other"),
        (nxdomain, "none"),
        (refused, "none"),
        (silence, None),
    ],
    ids=["owner", "another site", "another program", "more than the pattern", "no such name", "refused", "silent"],
)
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_an_identity_is_read_by_its_owners_pattern(
    here: Listeners, behaviour: Behaviour, whose: str | None, transport: str
) -> None:
    assert await identity_of(here, behaviour, transport) == whose


@pytest.mark.parametrize(
    ("value", "whose"), [(b"res1.fra", "own"), (b"router", "other"), (b"", "none"), (b"\xff\x00" * 500, "other")]
)
async def test_the_servers_identifier_counts_where_the_owner_sends_one(
    here: Listeners, monkeypatch: pytest.MonkeyPatch, value: bytes, whose: str
) -> None:
    by_nsid = msgspec.structs.replace(KNOWN, nsid=True, chaos=False)
    monkeypatch.setattr(identity, "public_resolvers", lambda: {"Lab": by_nsid})
    assert await identity_of(here, identifier(value)) == whose


async def impostors(here: Listeners, behaviour: Behaviour, transport: str = "udp") -> tuple[str, ...]:
    text = f"{transport}://{listening(here, behaviour)}"
    wanted = session(trusted_resolvers=(text,), timeout_s=QUICK_S)
    found = await reference_sites.facts(wanted)
    assert found.untrusted((text,)) == ((text,) if f"{transport}://{LOOPBACK}" in found.impostors else ())
    return found.impostors


OWNER, STRANGER = says("res1.fra"), says("unbound")


@pytest.mark.parametrize(
    ("over_udp", "over_tcp", "found"),
    [
        (STRANGER, OWNER, ("udp://127.0.0.1",)),
        (nxdomain, OWNER, ("udp://127.0.0.1",)),
        (OWNER, STRANGER, ("tcp://127.0.0.1",)),
        (OWNER, OWNER, ()),
        (STRANGER, STRANGER, ()),
        (refused, refused, ()),
        (silence, OWNER, ()),
        (silence, silence, ()),
    ],
    ids=[
        "UDP intercepted", "UDP intercepted, without identity", "TCP intercepted", "honest", "changed identity",
        "refuses to say", "UDP is dropped", "down",
    ],
)  # fmt: skip
async def test_another_party_is_found_where_the_owner_answers_over_another_transport(
    here: Listeners, over_udp: Behaviour, over_tcp: Behaviour, found: tuple[str, ...]
) -> None:
    behaviour = by_transport(udp=over_udp, tcp=over_tcp)
    assert await impostors(here, behaviour) == found
    assert await impostors(here, behaviour, "tcp") == found


async def test_a_resolver_that_is_not_known_is_not_asked(here: Listeners, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "public_resolvers", dict)
    asked = DemoResolver({QUESTION: STRANGER})
    host, port = asked.listen(here, LOOPBACK)
    assert (await reference_sites.facts(session(trusted_resolvers=(f"udp://{host}:{port}",)))).impostors == ()
    assert asked.seen == []


def test_an_intercepting_network_makes_every_resolver_over_udp_untrusted() -> None:
    facts = reference_sites.NetworkFacts(intercepted="192.0.2.1")
    assert facts.untrusted(("udp://8.8.8.8", "tcp://8.8.8.8", "tls://9.9.9.9")) == ("udp://8.8.8.8",)
    assert reference_sites.NetworkFacts().untrusted(("udp://8.8.8.8",)) == ()


def test_each_address_has_one_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "public_resolvers", public_resolvers)
    every = [address for known in public_resolvers().values() for address in known.addresses]
    assert len(every) == len(set(every))
    assert all(known.source for known in public_resolvers().values())
    assert (owner_of("8.8.8.8"), owner_of("192.0.2.1")) == ("Google", None)
