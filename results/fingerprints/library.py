"""Our own fingerprints with an operator's collection beside them: what an answer or an address is known to be.

A print is proof only where its list says that it is a country's or a provider's block page and expects it in the
country that the answer was seen in. A link in a page proves nothing either, unless the page is short and only leads
there. The rest are hints. Prints are void where the answer is also known to be taken for a block page wrongly.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from itertools import islice

import msgspec

from probe.model import Http
from results.fingerprints import FORWARDS, MAX_FRAME_BYTES, SEARCHED_BYTES, Kind, Match, builtin_set, match
from results.fingerprints.fingerprint import Fingerprint, PageWords, PreparedFingerprint, digest, prepare

SEARCHED_HEADER_BYTES = 4_096
MAX_MATCHES = 64
"""Prints that are looked for in one answer; an honest list finds one or two."""
SCOPE_DESCRIPTIONS = {
    "nat": "a country's block page",
    "isp": "a provider's block page",
    "prod": "a filtering product's page",
    "inst": "the block page of a school or an office",
    "vbw": "block pages, in vague words",
    "unknown": "a block page of unknown standing",
}


class Library:
    """Frozen: the same prints give the same matches. `digest` names the collection, None for our own set alone."""

    def __init__(self, prints: tuple[Fingerprint, ...] = ()) -> None:
        self.prints = prints

    @cached_property
    def digest(self) -> str | None:
        return digest(self.prints) if self.prints else None

    def match(self, http: Http, country: str | None) -> tuple[Match, ...]:
        """Every fingerprint that an answer seen in `country` bears; the work is bounded whatever the answer holds."""
        found = tuple(_seen_in(country, one) for one in match(http))
        if not self.prints:
            return found
        borne = tuple(islice(self._borne(http), MAX_MATCHES))
        void = tuple(_false_positive(one) for one in borne if one.scope == "fp")
        outside = tuple(_matched(one, http, country) for one in borne if one.scope != "fp")
        if not void:
            return found + outside
        # A redirect says by itself where it leads, whatever stands in its body.
        firm = any(one.where == "header.location" for one in borne if one.scope == "fp")
        kept = (one for one in found + outside if not one.is_page or (one.kind == "block_host" and not firm))
        return (*kept, *void)

    def stub(self, value: str, country: str | None) -> str | None:
        """The name of what serves block pages at this address, or under this alias, in place of names; else None."""
        known = self._answers.get(value.rstrip(".").lower(), ())
        if any(one.scope == "fp" for one in known):
            return None
        if value in builtin_set().stubs:
            return builtin_set().stubs[value].name
        return next((one.name for one in known if one.proves(country)), None)

    def _borne(self, http: Http) -> Iterator[Fingerprint]:
        body = (http.body or b"")[:SEARCHED_BYTES]
        for name, value in _headers(http):
            for one in self._headers.get(name, ()):
                if one.in_value(value):
                    yield one.print
        words = PageWords.of(body)
        for one in self._bodies:
            if one.in_body(body, words):
                yield one.print

    @cached_property
    def _bodies(self) -> tuple[PreparedFingerprint, ...]:
        bodies = (one for one in self.prints if one.where == "body")
        return tuple(prepare(one) for one in sorted(bodies, key=lambda one: one.scope != "fp"))

    @cached_property
    def _headers(self) -> dict[str, list[PreparedFingerprint]]:
        found: dict[str, list[PreparedFingerprint]] = {}
        for one in self.prints:
            if one.where.startswith("header."):
                found.setdefault(one.where.removeprefix("header."), []).append(prepare(one))
        return found

    @cached_property
    def _answers(self) -> dict[str, list[Fingerprint]]:
        found: dict[str, list[Fingerprint]] = {}
        for one in self.prints:
            if one.where == "dns":
                found.setdefault(one.pattern, []).append(one)
        return found


@lru_cache(maxsize=1)
def builtin_library() -> Library:
    """Our own set alone."""
    return Library()


def _headers(http: Http) -> Iterator[tuple[str, bytes]]:
    location = ("location", http.location) if http.location else None
    given = [(name.lower(), value) for name, value in http.headers]
    if location and location not in given:
        given.append(location)
    for name, value in given:
        yield name, value[:SEARCHED_HEADER_BYTES].encode("utf-8", "replace")


def _expects(countries: tuple[str, ...], country: str | None) -> bool:
    """Whether one of our own set is expected in a country; one that is not known is taken for any."""
    return country is None or not countries or country in countries


def _seen_in(country: str | None, one: Match) -> Match:
    """The match as it counts in a country: a block page that is shown outside its own proves nothing by itself."""
    if not one.is_page or _expects(one.countries, country):
        return one
    tells = f"{one.tells}, which is known in {', '.join(one.countries)}"
    return msgspec.structs.replace(one, proof=False, tells=tells)


def _matched(one: Fingerprint, http: Http, country: str | None) -> Match:
    proof = one.proves(country) and _is_the_whole_page(one, http)
    seen = "its body bears a print" if one.where == "body" else f"its {one.where.removeprefix('header.')} header is"
    tells = f"{seen} of {SCOPE_DESCRIPTIONS[one.scope]}"
    if not proof and one.scope in ("nat", "isp") and one.countries and country not in one.countries:
        tells += f" elsewhere ({', '.join(one.countries[:5])})"
    kind: Kind = "block_host" if one.where == "header.location" else "blockpage"
    return Match(name=one.name, kind=kind, scope=one.scope, tells=tells, proof=proof)


def _is_the_whole_page(one: Fingerprint, http: Http) -> bool:
    """Whether the page can be a block page: none is large, and one that is known by a link only leads there."""
    if one.where != "body":
        return True
    length = http.length if http.length is not None else len(http.body or b"")
    if not one.is_link:
        return length <= SEARCHED_BYTES
    forwards = any(mark in (http.body or b"").lower() for mark in FORWARDS)
    return length <= MAX_FRAME_BYTES and forwards


def _false_positive(one: Fingerprint) -> Match:
    tells = "it bears what is known to be taken for a block page and is none"
    return Match(name=one.name, kind="false_positive", scope=one.scope, tells=tells)
