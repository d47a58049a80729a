"""Known block pages, stub addresses and challenge pages: the built-in set, in the TOML files of this folder.

A page is recognised by unique sentences or by several marks at once, never by a bare word. RU entries are facts from
ooni/blocking-fingerprints threads and zapret tools; each entry names its `source`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from functools import lru_cache
from typing import Literal
from urllib.parse import urljoin, urlsplit

import msgspec
from msgspec.structs import replace

from probe import data_files
from probe.model import Http
from results.i18n.translator import Phrase

Kind = Literal["blockpage", "block_host", "challenge", "geoblock", "false_positive"]

BLOCKS = ("blockpage", "block_host")
REFUSALS = ("challenge", "geoblock")
SEARCHED_BYTES = 65_536
"""Bytes of a body that are searched for block pages, which may carry their pictures inside."""
SEARCHED_BYTES_FOR_REFUSAL = 8_192
"""Challenge pages say what they are at once, and every honest answer is searched for them."""
MAX_FRAME_BYTES = 4_096
"""A page no longer than this that only frames or forwards to a block host is the block host's page."""
ENCODINGS = ("utf-8", "cp1251", "koi8-r")
FORWARDS = (b"<iframe", b"<frame", b"http-equiv", b"location")


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A fingerprint that an answer bears. `tells` is for the evidence."""

    name: str
    kind: Kind
    scope: str
    tells: Phrase
    proof: bool = True
    """False where it is only a hint: no list vouches for it in the country that the answer was seen in."""
    countries: tuple[str, ...] = ()
    """Where it is expected, ISO 3166; () for anywhere."""

    @property
    def is_page(self) -> bool:
        return self.kind in BLOCKS

    @property
    def is_block(self) -> bool:
        return self.is_page and self.proof

    @property
    def is_refusal(self) -> bool:
        return self.kind in REFUSALS


class Hosts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hosts that serve nothing but a provider's block page."""

    name: str
    hosts: tuple[str, ...]
    source: str
    scope: str = "isp"
    countries: tuple[str, ...] = ()


class Stubs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Addresses and aliases that resolvers give in place of a blocked name's."""

    name: str
    addresses: tuple[str, ...]
    source: str
    scope: str = "isp"


class PageFingerprint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page: every mark that is given must be there. `status` is any of those, `header` a name and part of a value,
    `tells` a key of the catalogue's table `fingerprint`."""

    name: str
    kind: Kind
    tells: str
    source: str
    scope: str = "isp"
    title: str | None = None
    body: tuple[str, ...] = ()
    header: tuple[str, str] | None = None
    status: tuple[int, ...] = ()
    at_most: int | None = None
    """Bytes: what quotes a block page is longer than one."""
    countries: tuple[str, ...] = ()


class FingerprintFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One TOML file of fingerprints."""

    host: tuple[Hosts, ...] = ()
    stub: tuple[Stubs, ...] = ()
    page: tuple[PageFingerprint, ...] = ()
    countries: tuple[str, ...] = ()
    """Where the file's pages and hosts are expected; () for anywhere."""


PreparedPage = tuple[PageFingerprint, tuple[tuple[bytes, ...], ...]]
"""A page, and each of its phrases in every form that its bytes may take."""


class CompiledSet(msgspec.Struct, frozen=True, kw_only=True):
    """The fingerprints made ready: each phrase as the bytes it has in each encoding, lower case where ASCII."""

    hosts: dict[str, Hosts]
    stubs: dict[str, Stubs]
    blocks: tuple[PreparedPage, ...]
    refusals: tuple[PreparedPage, ...]


def compile_set(files: Iterable[FingerprintFile]) -> CompiledSet:
    """Make a set of fingerprint files ready for matching."""
    files = tuple(map(_placed, files))
    return CompiledSet(
        hosts={host: entry for file in files for entry in file.host for host in entry.hosts},
        stubs={address: entry for file in files for entry in file.stub for address in entry.addresses},
        blocks=tuple(_prepared(page) for file in files for page in file.page if page.kind in BLOCKS),
        refusals=tuple(_prepared(page) for file in files for page in file.page if page.kind in REFUSALS),
    )


def _placed(file: FingerprintFile) -> FingerprintFile:
    """The file with its countries set on each page and host."""
    hosts = tuple(replace(host, countries=file.countries) for host in file.host)
    pages = tuple(replace(page, countries=file.countries) for page in file.page)
    return replace(file, host=hosts, page=pages)


@lru_cache(maxsize=1)
def builtin_set() -> CompiledSet:
    """Our own set, from this folder."""
    return compile_set(msgspec.convert(data, FingerprintFile) for data in data_files(__name__).values())


def is_block_host(host: str | None) -> bool:
    """Whether a host is a known block host, or below one."""
    return _block_host(host) is not None


def match(http: Http) -> tuple[Match, ...]:
    """Every fingerprint that an answer bears; the work is bounded, and the newest answers are cached: odd ones are
    judged several times."""
    has_body = http.body is not None
    if has_body and http.body_sha256 is None:
        return tuple(_matches(http))
    key = (http.url, http.status, http.headers, http.location, http.title, http.length, http.body_sha256, has_body)
    found = _CACHE.pop(key, None)
    _CACHE[key] = found = tuple(_matches(http)) if found is None else found
    if len(_CACHE) > MAX_CACHED:
        del _CACHE[next(iter(_CACHE))]
    return found


_CACHE: dict[Hashable, tuple[Match, ...]] = {}
MAX_CACHED = 256


def refusals(http: Http) -> tuple[Match, ...]:
    """Only the challenge and geoblock pages among the fingerprints that an answer bears."""
    return tuple(_pages(http, refusal=True))


def leads_to(answer: Http) -> str | None:
    """The URL a redirect leads to; None without a redirect or with an invalid one."""
    if not answer.location:
        return None
    try:
        return urljoin(answer.url, answer.location.strip())
    except ValueError:
        return None


def host_of(url: str | None) -> str | None:
    """The host a URL names, in lower case."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".") or None if url else None
    except ValueError:
        return None


def _matches(http: Http) -> Iterator[Match]:
    for url in (http.url, leads_to(http)):
        host = host_of(url)
        if (entry := _block_host(host)) is not None:
            yield _match(entry, "block_host", Phrase("fingerprint.leads_to", {"host": host or ""}))
    yield from _pages(http, refusal=False)
    yield from _pages(http, refusal=True)
    if http.body and http.length is not None and http.length <= MAX_FRAME_BYTES:
        yield from _framed(http.body.lower())


def _pages(http: Http, *, refusal: bool) -> Iterator[Match]:
    pages = [ready for ready in _for_status(http.status, refusal) if _fits(ready[0], http)]
    if not pages:
        return
    body = (http.body or b"")[: SEARCHED_BYTES_FOR_REFUSAL if refusal else SEARCHED_BYTES].lower()
    for page, phrases in pages:
        if all(any(form in body for form in forms) for forms in phrases):
            yield _match(page, page.kind, Phrase(f"fingerprint.{page.tells}"))


@lru_cache(maxsize=256)
def _for_status(status: int | None, refusal: bool) -> tuple[PreparedPage, ...]:
    """The pages that an answer with this status can be at all, in their order."""
    every = builtin_set().refusals if refusal else builtin_set().blocks
    return tuple(ready for ready in every if not ready[0].status or status in ready[0].status)


def _fits(page: PageFingerprint, http: Http) -> bool:
    """By all but its body."""
    if page.at_most is not None and (http.length or 0) > page.at_most:
        return False
    if page.title is not None and page.title.casefold() != (http.title or "").casefold():
        return False
    if page.header is None:
        return True
    name, word = page.header
    last = next((value for key, value in reversed(http.headers) if key.lower() == name), "\0")
    return word in last.lower()


def _framed(body: bytes) -> Iterator[Match]:
    if not any(mark in body for mark in FORWARDS):
        return
    for host, entry in builtin_set().hosts.items():
        if b"//" + host.encode() in body:
            yield _match(entry, "blockpage", Phrase("fingerprint.only_leads_to", {"host": host}))


def _match(entry: Hosts | PageFingerprint, kind: Kind, tells: Phrase) -> Match:
    return Match(name=entry.name, kind=kind, scope=entry.scope, tells=tells, countries=entry.countries)


def _block_host(host: str | None) -> Hosts | None:
    labels = (host or "").split(".")
    parents = (".".join(labels[start:]) for start in range(max(len(labels) - 6, 0), len(labels)))
    return next((builtin_set().hosts[name] for name in parents if name in builtin_set().hosts), None)


def _prepared(page: PageFingerprint) -> PreparedPage:
    return page, tuple(map(_forms, page.body))


def _forms(phrase: str) -> tuple[bytes, ...]:
    """A phrase as bytes in every encoding of ENCODINGS; Cyrillic also all in lower case and all in capitals."""
    texts = {phrase} if phrase.isascii() else {phrase, phrase.lower(), phrase.upper()}
    return tuple(dict.fromkeys(text.encode(encoding).lower() for text in sorted(texts) for encoding in ENCODINGS))
