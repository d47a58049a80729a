"""Names of networks, services and targets on a page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

import msgspec

from probe.services import built_in
from probe.text import bounded
from results.compare.record import DIRECT
from results.i18n.translator import Translator
from results.report.tables import short_target

DIGITS = re.compile(r"([0-9]{1,18})")


class NetworkColumn(msgspec.Struct, frozen=True):
    """A network, or a path that leaves in it; `name` is None where the ASN identifies it."""

    country: str | None
    asn: int | None
    name: str | None
    path: str = DIRECT

    def label(self, words: Translator, names: dict[int, str] | None = None) -> str:
        """`AS12389 Rostelecom`, `AS1136 via vpn`."""
        name = (names or {}).get(self.asn or 0) or self.name
        parts = [f"AS{self.asn}" if self.asn is not None else None, bounded(name, 60) if name else None]
        label = " ".join(filter(None, parts)) or words.say("page.unknown_network")
        return words.network(label, bounded(self.path, 40))


def network(country: str | None, asn: int | None, name: str | None, path: str = DIRECT) -> NetworkColumn:
    return NetworkColumn(country, asn, name if asn is None else None, path)


def names_of(rows: Iterable[tuple[int | None, str | None]]) -> dict[int, str]:
    """A name for each ASN: of several the alphabetically first."""
    names: dict[int, str] = {}
    for asn, name in rows:
        if asn is not None and name is not None:
            names[asn] = min(names.get(asn, name), name)
    return names


def in_order(networks: Iterable[NetworkColumn]) -> list[NetworkColumn]:
    return sorted(networks, key=lambda one: (one.path != DIRECT, one.asn or 2**32, one.name or "", one.path))


@cache
def _service_titles() -> dict[str, str]:
    return {name: service.title for name, service in built_in().items()}


def title(service: str | None, target: str | None = None) -> str:
    """A service's title; for a target that is in none, its host."""
    if service is not None:
        return bounded(_service_titles().get(service, service), 100)
    return bounded(short_target(target or ""), 200)


def natural(text: str) -> list[tuple[int, str]]:
    """A sort key by which numbers sort by value."""
    return [(int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in DIGITS.split(text)]
