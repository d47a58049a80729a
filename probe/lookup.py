"""From a name to the addresses to connect to, each question an observation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from probe.model import Observation, Role
from probe.net import resolver as resolvers
from probe.net.address_policy import family_of, is_public, literal
from probe.net.resolver import DnsResolver
from probe.recorder import Log, StepContext
from probe.session import Session
from probe.settings import Settings
from probe.steps import dns

QUERY_TYPES = {"ipv4": "A", "ipv6": "AAAA"}
OWN = ("system", "getaddrinfo")
"""Resolvers whose address belongs to the volunteer's own network, and stays out of the record."""


async def addresses(host: str, hop: int, log: Log, session: Session) -> tuple[str | None, ...]:
    """Where to connect for `host`: (None,) where the path's far end resolves, () where nothing usable was found."""
    if literal(host):
        return (host,)
    if session.network.remote_names:
        return (None,)
    answers = await look_up(host, hop, "main", session.settings.resolvers, log, session)
    return _usable((address for answer in answers for address in answer.detail.addresses), session.settings)


async def look_up(
    host: str, hop: int, role: Role, texts: Iterable[str], log: Log, session: Session
) -> tuple[Observation, ...]:
    """Ask each of the configured resolvers for every family; all of them at once."""
    asked = [_ask_one(host, hop, role, text, log, session) for text in texts]
    if len(asked) == 1:  # a task of its own is not free, and most have one resolver
        return tuple(await asked[0])
    found = await asyncio.gather(*asked)
    return tuple(observation for answers in found for observation in answers)


async def _ask_one(host: str, hop: int, role: Role, text: str, log: Log, session: Session) -> list[Observation]:
    """One configured resolver; of a machine's several nameservers, the next only where one gives no DNS answer."""
    answers: list[Observation] = []
    if "." not in host and role == "trusted":
        return answers  # a name of the machine's own, of which the outside can say nothing
    for candidate in (resolvers.GETADDRINFO,) if "." not in host else resolvers.parse(text):
        answers += await _ask(host, hop, role, candidate, log, session)
        if any(answer.failure is None or answer.detail.rcode is not None for answer in answers):
            break
    return answers


async def _ask(host: str, hop: int, role: Role, resolver: DnsResolver, log: Log, session: Session) -> list[Observation]:
    own = resolver.text in OWN
    about = StepContext(
        role=role, hop=hop, host=host, address=None if own else resolver.address, port=None if own else resolver.port
    )
    types = ["ANY"] if resolver.transport == "getaddrinfo" else [QUERY_TYPES[f] for f in session.settings.families]
    return await asyncio.gather(*(dns.ask(log, about, resolver, kind, session.settings) for kind in types))


def _usable(found: Iterable[str], settings: Settings) -> tuple[str, ...]:
    """At most `max_addresses` of each family in use, in the order in which they were given."""
    chosen: list[str] = []
    for address in dict.fromkeys(found):
        family = family_of(address)
        if family not in settings.families or not (settings.allow_private or is_public(address)):
            continue
        if sum(family_of(other) == family for other in chosen) < settings.max_addresses:
            chosen.append(address)
    return tuple(chosen)
