"""What networks, services and targets are called on a page, and which address each has."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

import msgspec

from results.compare.record import DIRECT, bounded
from results.report.phrases import Words
from results.report.tables import what

PARTS = re.compile(r"([0-9]{1,18})")


class Network(msgspec.Struct, frozen=True):
    """What stands in one column: a network, or a path that leaves in it. Its name does not tell it from another where
    its ASN does."""

    country: str | None
    asn: int | None
    name: str | None
    path: str = DIRECT

    def label(self, words: Words, names: dict[int, str] | None = None) -> str:
        """`AS12389 Rostelecom`, `AS1136 via vpn`."""
        name = (names or {}).get(self.asn or 0) or self.name
        parts = [f"AS{self.asn}" if self.asn is not None else None, bounded(name, 60) if name else None]
        said = " ".join(filter(None, parts)) or words.say("page.unknown_network")
        return said if self.path == DIRECT else words.say("by_path", network=said, path=bounded(self.path, 40))


def network(country: str | None, asn: int | None, name: str | None, path: str = DIRECT) -> Network:
    return Network(country, asn, name if asn is None else None, path)


def names_of(rows: Iterable[tuple[int | None, str | None]]) -> dict[int, str]:
    """What each ASN is called: the name that comes first by its letters, whichever row has it."""
    found: dict[int, str] = {}
    for asn, name in rows:
        if asn is not None and name is not None:
            found[asn] = min(found.get(asn, name), name)
    return found


def in_order(networks: Iterable[Network]) -> list[Network]:
    return sorted(networks, key=lambda one: (one.path != DIRECT, one.asn or 2**32, one.name or "", one.path))


@cache
def _titles() -> dict[str, str]:
    from probe.services import built_in

    return {name: service.title for name, service in built_in().items()}


def title(service: str | None, target: str | None = None) -> str:
    """`WeChat`; of a target that is in no service its host."""
    if service is not None:
        return bounded(_titles().get(service, service), 100)
    return bounded(what(target or ""), 200)


def natural(text: str) -> list[tuple[int, str]]:
    """For sorting: numbers by their size."""
    return [(int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in PARTS.split(text)]
