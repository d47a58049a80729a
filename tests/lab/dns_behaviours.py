"""DNS behaviours that only tests use; they extend schedules.demo.resolver."""

from __future__ import annotations

from collections.abc import Iterable

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from schedules.demo.resolver import TTL, Behaviour, Packets, addresses, code, reply_to


def cname(*chain: str, to: Iterable[str] = (), ttl: int = TTL) -> Behaviour:
    """A chain of aliases, the last of which has the addresses `to`."""

    def answer(query: dns.message.Message, transport: str) -> Packets:
        response = reply_to(query)
        owner = query.question[0].name.to_text()
        for alias in chain:
            response.answer.append(dns.rrset.from_text(owner, ttl, "IN", "CNAME", alias + "."))
            owner = alias + "."
        for rrset in addresses(*to, ttl=ttl)(query, transport)[0].answer:
            texts = [rdata.to_text() for rdata in rrset]
            response.answer.append(dns.rrset.from_text(owner, ttl, "IN", rrset.rdtype, *texts))
        return [response]

    return answer


def with_https_record(record: str, others: Behaviour, ttl: int = TTL) -> Behaviour:
    """Answer HTTPS questions with this record (RFC 9460, in its text form), everything else as `others` does."""

    def answer(query: dns.message.Message, transport: str) -> Packets:
        question = query.question[0]
        if question.rdtype != dns.rdatatype.HTTPS:
            return others(query, transport)
        response = reply_to(query)
        response.answer.append(dns.rrset.from_text(question.name, ttl, "IN", "HTTPS", record))
        return [response]

    return answer


servfail = code(dns.rcode.SERVFAIL)


refused = code(dns.rcode.REFUSED)


empty = code(dns.rcode.NOERROR)


def with_error(info: int, behaviour: Behaviour) -> Behaviour:
    """The same answer with an extended error (RFC 8914), where the question allows one."""

    def answer(query: dns.message.Message, transport: str) -> Packets:
        packets = behaviour(query, transport)
        for packet in packets if query.edns >= 0 else []:
            packet.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode(info))])
        return packets

    return answer


def silence(query: dns.message.Message, transport: str) -> Packets:
    """Say nothing."""
    return []


def injected(forged: Behaviour, honest: Behaviour) -> Behaviour:
    """The forged answer first and the honest one right behind it, as an injector beside the road does it."""
    return lambda query, transport: [*forged(query, transport), *honest(query, transport)]


def wrong_id_first(forged: Behaviour, honest: Behaviour) -> Behaviour:
    """An answer with another id first, which a client must not believe, then the honest one."""

    def answer(query: dns.message.Message, transport: str) -> Packets:
        strays = forged(query, transport)
        for stray in strays:
            stray.id = (query.id + 1) % 65536
        return [*strays, *honest(query, transport)]

    return answer


def truncated(whole: Behaviour) -> Behaviour:
    """Over UDP only the TC flag, over anything else the whole answer."""

    def answer(query: dns.message.Message, transport: str) -> Packets:
        if transport != "udp":
            return whole(query, transport)
        response = reply_to(query)
        response.flags |= dns.flags.TC
        return [response]

    return answer
