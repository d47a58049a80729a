"""Names of networks, services and targets on a page, and its sentences: the report's and the page's own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from probe.text import bounded
from results.compare.record import DIRECT
from results.report import phrases
from results.report.phrases import Words, languages
from results.report.tables import what

DIGITS = re.compile(r"([0-9]{1,18})")
DEFAULT_LANGUAGE = "en"


@cache
def catalogue(language: str) -> dict[str, Any]:
    """The page's own tables of sentences."""
    return tomllib.loads((files("results.hub.web") / "catalogue" / f"{language}.toml").read_text("utf-8"))


class PageWords(Words):
    """The report's sentences and the page's own."""

    def __init__(self, language: str) -> None:
        super().__init__(language)
        self._catalogue = {**phrases.catalogue(language), **catalogue(language)}

    def when(self, text: str) -> str:
        """As the report formats a time; a text that is none is shown as it is."""
        try:
            return super().when(text)
        except ValueError:
            return bounded(text, 40)

    def role(self, role: str) -> str:
        """What a step was made for."""
        known: dict[str, str] = self._catalogue["role"]
        return known.get(role, bounded(role, 40))


def language_of(chosen: str | None, accepted: str) -> str:
    """The chosen language, else the best of Accept-Language (RFC 9110, 12.5.4), else English."""
    if chosen in languages():
        return str(chosen)
    return max(_accepted(accepted), default=(0.0, DEFAULT_LANGUAGE))[1]


def _accepted(header: str) -> Iterable[tuple[float, str]]:
    for part in header[:400].split(","):
        tag, _, weight = part.partition(";q=")
        language = tag.strip().lower().split("-")[0]
        try:
            quality = float(weight or 1)
        except ValueError:
            continue
        if language in languages() and 0 < quality <= 1:
            yield quality, language


class NetworkColumn(msgspec.Struct, frozen=True):
    """A network, or a path that leaves in it; `name` is None where the ASN identifies it."""

    country: str | None
    asn: int | None
    name: str | None
    path: str = DIRECT

    def label(self, words: Words, names: dict[int, str] | None = None) -> str:
        """`AS12389 Rostelecom`, `AS1136 via vpn`."""
        name = (names or {}).get(self.asn or 0) or self.name
        parts = [f"AS{self.asn}" if self.asn is not None else None, bounded(name, 60) if name else None]
        label = " ".join(filter(None, parts)) or words.say("page.unknown_network")
        return label if self.path == DIRECT else words.say("by_path", network=label, path=bounded(self.path, 40))


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
    from probe.services import built_in

    return {name: service.title for name, service in built_in().items()}


def title(service: str | None, target: str | None = None) -> str:
    """A service's title; for a target that is in none, its host."""
    if service is not None:
        return bounded(_service_titles().get(service, service), 100)
    return bounded(what(target or ""), 200)


def natural(text: str) -> list[tuple[int, str]]:
    """A sort key by which numbers sort by value."""
    return [(int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in DIGITS.split(text)]
