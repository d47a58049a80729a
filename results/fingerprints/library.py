"""The built-in fingerprints and an operator's collection, matched against answers and addresses.

A print is proof only where its list says that it is a country's or a provider's block page, expected in the country of
the vantage point; a link only in a short page that leads nowhere else. The rest are hints. A known false positive voids
them all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property, lru_cache
from itertools import islice

import msgspec

from probe.model import Http
from results.fingerprints import FORWARDS, MAX_FRAME_BYTES, SEARCHED_BYTES, Kind, Match, builtin_set, match
from results.fingerprints.fingerprint import Fingerprint, PageWords, PreparedFingerprint, digest, prepare
from results.i18n.translator import Phrase, Value

SEARCHED_HEADER_BYTES = 4_096
MAX_MATCHES = 64
"""Prints that are looked for in one answer; an honest list finds one or two."""


class Library:
    """Frozen: the same prints give the same matches. `digest` names the collection, None for our own set alone."""

    def __init__(self, prints: tuple[Fingerprint, ...] = ()) -> None:
        self.prints = prints

    @cached_property
    def digest(self) -> str | None:
        return digest(self.prints) if self.prints else None

    def match(self, http: Http, country: str | None) -> tuple[Match, ...]:
        """Every fingerprint that an answer seen in `country` bears; the work is bounded whatever the answer holds."""
        found = tuple(_in_country(country, known) for known in match(http))
        if not self.prints:
            return found
        matching = tuple(islice(self._matching(http), MAX_MATCHES))
        false_positives = [fingerprint for fingerprint in matching if fingerprint.scope == "fp"]
        found += tuple(_match(fingerprint, http, country) for fingerprint in matching if fingerprint.scope != "fp")
        if not false_positives:
            return found
        # A redirect to a block host stays proof whatever its body says.
        void_hosts = any(fingerprint.where == "header.location" for fingerprint in false_positives)
        kept = (known for known in found if not known.is_page or (known.kind == "block_host" and not void_hosts))
        return (*kept, *map(_false_positive, false_positives))

    def stub(self, value: str, country: str | None) -> str | None:
        """The name of what serves block pages at this address, or under this alias, in place of names; else None."""
        known = self._answers.get(value.rstrip(".").lower(), ())
        if any(fingerprint.scope == "fp" for fingerprint in known):
            return None
        if value in builtin_set().stubs:
            return builtin_set().stubs[value].name
        return next((fingerprint.name for fingerprint in known if fingerprint.proves(country)), None)

    def _matching(self, http: Http) -> Iterator[Fingerprint]:
        body = (http.body or b"")[:SEARCHED_BYTES]
        for name, value in _headers(http):
            yield from (prepared.print for prepared in self._headers.get(name, ()) if prepared.in_value(value))
        words = PageWords.of(body)
        yield from (prepared.print for prepared in self._bodies if prepared.in_body(body, words))

    @cached_property
    def _bodies(self) -> tuple[PreparedFingerprint, ...]:
        bodies = (fingerprint for fingerprint in self.prints if fingerprint.where == "body")
        return tuple(map(prepare, sorted(bodies, key=lambda fingerprint: fingerprint.scope != "fp")))

    @cached_property
    def _headers(self) -> dict[str, list[PreparedFingerprint]]:
        by_name: defaultdict[str, list[PreparedFingerprint]] = defaultdict(list)
        for fingerprint in self.prints:
            if fingerprint.where.startswith("header."):
                by_name[fingerprint.where.removeprefix("header.")].append(prepare(fingerprint))
        return by_name

    @cached_property
    def _answers(self) -> dict[str, list[Fingerprint]]:
        by_value: defaultdict[str, list[Fingerprint]] = defaultdict(list)
        for fingerprint in self.prints:
            if fingerprint.where == "dns":
                by_value[fingerprint.pattern].append(fingerprint)
        return by_value


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


def _in_country(country: str | None, known: Match) -> Match:
    """The match as it counts in a country (None: unknown): a block page outside its own countries proves nothing."""
    if not known.is_page or country is None or not known.countries or country in known.countries:
        return known
    tells = Phrase("fingerprint.known_in", {"page": known.tells, "countries": list(known.countries)})
    return msgspec.structs.replace(known, proof=False, tells=tells)


def _match(given: Fingerprint, http: Http, country: str | None) -> Match:
    proof = given.proves(country) and _is_whole_page(given, http)
    header = given.where.removeprefix("header.")
    page: dict[str, Value] = {"page": Phrase(f"fingerprint.{given.scope}")}
    tells = Phrase("fingerprint.body", page)
    if given.where != "body":
        tells = Phrase("fingerprint.header", page | {"header": header})
    if not proof and given.scope in ("nat", "isp") and given.countries and country not in given.countries:
        tells = Phrase("fingerprint.elsewhere", {"page": tells, "countries": list(given.countries[:5])})
    kind: Kind = "block_host" if given.where == "header.location" else "blockpage"
    return Match(name=given.name, kind=kind, scope=given.scope, tells=tells, proof=proof)


def _is_whole_page(given: Fingerprint, http: Http) -> bool:
    """Whether the page can be a block page: none is large, and one that is known by a link only leads there."""
    if given.where != "body":
        return True
    length = http.length if http.length is not None else len(http.body or b"")
    if not given.is_link:
        return length <= SEARCHED_BYTES
    forwards = any(mark in (http.body or b"").lower() for mark in FORWARDS)
    return length <= MAX_FRAME_BYTES and forwards


def _false_positive(given: Fingerprint) -> Match:
    return Match(name=given.name, kind="false_positive", scope=given.scope, tells=Phrase("fingerprint.false_positive"))
