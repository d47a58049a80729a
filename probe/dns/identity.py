"""Who answers at a public resolver's address: its identity question, asked over one transport and read by its pattern.

What an answer says is never recorded, since such records may hold the volunteer's own address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, Literal

import msgspec

from probe import data_files
from probe.dns import client
from probe.net.network import Network
from probe.net.resolver import DnsResolver
from probe.session import Settings

Identity = Literal["own", "other", "none"]
"""The owner's, another's, or an answer without one."""
NSID = 3
"""The option code of a server's identifier (RFC 5001 section 2.1)."""
TIMEOUT_S = 3.0
MAX_RECORDS, MAX_TEXT = 16, 256


class PublicResolver(msgspec.Struct, frozen=True, kw_only=True):
    """One owner's resolvers, and how they identify themselves."""

    addresses: tuple[str, ...]
    question: str
    pattern: str
    source: str
    chaos: bool = False
    nsid: bool = False


@cache
def public_resolvers() -> dict[str, PublicResolver]:
    """Every public resolver whose identity is known, by its owner."""
    return msgspec.convert(data_files("probe.net")["public_resolvers"], dict[str, PublicResolver])


def owner_of(address: str | None) -> str | None:
    """Who runs the public resolver at an address; None where it is not known as one."""
    return next((owner for owner, known in public_resolvers().items() if address in known.addresses), None)


async def identify(network: Network, resolver: DnsResolver, settings: Settings) -> Identity | None:
    """Whose identity `resolver` answers with; None where nothing answers, or its address is not a known one."""
    owner = owner_of(resolver.address)
    if owner is None:
        return None
    known = public_resolvers()[owner]
    quick = msgspec.structs.replace(settings, timeout_s=min(TIMEOUT_S, settings.timeout_s))
    try:
        reply = await client.ask_query(network, _query(known), resolver, quick)
    except client.NoAnswer as error:
        error.socket.close()
        return None
    except (OSError, TimeoutError, EOFError, ValueError):
        return None
    if reply.socket is not None:
        reply.socket.close()
    found = [text[:MAX_TEXT] for text in _identities(reply.answer.message, known)]
    if any(re.fullmatch(known.pattern, text, re.IGNORECASE) for text in found):
        return "own"
    return "other" if found else "none"


def _query(known: PublicResolver) -> client.DnsQuery:
    import dns.edns
    import dns.message

    query = dns.message.make_query(
        known.question,
        "TXT",
        "CH" if known.chaos else "IN",
        use_edns=0,
        payload=client.EDNS_BYTES,
        options=[dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")],
    )
    wire = query.to_wire()
    end = client.HEADER_BYTES + len(query.question[0].name.to_wire() or b"") + 4
    return client.DnsQuery(wire, wire[client.HEADER_BYTES : end].lower())


def _identities(message: Any, known: PublicResolver) -> Iterable[str]:
    """The identifier, or the texts of the records; nothing where the answer was too plain to have either."""
    if message is None:
        return []
    if known.nsid:
        options = [option for option in message.options if option.otype == NSID][:1]
        values = [getattr(option, "nsid", None) or getattr(option, "data", b"") for option in options]
        return [value.decode("utf-8", "replace") for value in values if value]
    records = [rdata for rrset in message.answer for rdata in rrset if hasattr(rdata, "strings")][:MAX_RECORDS]
    return [b"".join(rdata.strings).decode("utf-8", "replace") for rdata in records]
