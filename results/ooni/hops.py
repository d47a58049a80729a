"""Sorts what one OONI measurement holds by hop: the target, and each redirect behind it.

Version 0.5 says `depth=N` in each entry's tags. Version 0.4 looks up, connects and handshakes for the target alone, and
only its `requests` tell of redirects, the last of them first (ts-017-web-connectivity, the web step).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import urljoin

import msgspec

from probe import target as targets
from probe.model import Target
from results.db.jsonl import BadRecord
from results.ooni.format import Connect, Handshake, OoniExchange, OoniQuery, Response, TestKeys
from results.ooni.vocabulary import text_of

DEPTH = re.compile(r"depth=(\d{1,3})")
MAX_HOPS = 21
"""Web Connectivity follows ten redirects at most."""
REDIRECTS = (301, 302, 303, 307, 308)


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """What was done for one URL of the chain."""

    goal: Target
    queries: tuple[OoniQuery, ...]
    connects: tuple[Connect, ...]
    handshakes: tuple[Handshake, ...]
    exchanges: tuple[OoniExchange, ...]


def is_tagged(keys: TestKeys) -> bool:
    """Whether entries say to which hop they belong, as those of version 0.5 do."""
    lists = (keys.queries, keys.tcp_connect, keys.tls_handshakes, keys.requests)
    return any(DEPTH.fullmatch(tag) for entries in lists for entry in entries or () for tag in entry.tags or ())


def hops(keys: TestKeys, target: Target) -> tuple[Hop, ...]:
    """The chain, the target first. It ends where no URL tells what the next hop was."""
    exchanges = list(reversed(keys.requests or []))
    if is_tagged(keys):
        place = {id(entry): _depth(entry.tags) for entry in exchanges}
    else:
        place = {id(entry): number for number, entry in enumerate(exchanges)}
    others = [*(keys.queries or ()), *(keys.tcp_connect or ()), *(keys.tls_handshakes or ())]
    place |= {id(entry): _depth(entry.tags) for entry in others}
    if max(place.values(), default=0) >= MAX_HOPS:
        raise BadRecord(f"more than {MAX_HOPS - 1} redirects")
    found: list[Hop] = []
    goal: Target | None = target
    for number in range(max(place.values(), default=0) + 1):
        here = [entry for entry in exchanges if place[id(entry)] == number]
        if number:
            goal = _goal(here, found[-1])
        if goal is None:
            break
        found.append(
            Hop(
                goal=goal,
                queries=tuple(q for q in keys.queries or () if place[id(q)] == number),
                connects=tuple(c for c in keys.tcp_connect or () if place[id(c)] == number),
                handshakes=tuple(h for h in keys.tls_handshakes or () if place[id(h)] == number),
                exchanges=tuple(sorted(here, key=lambda entry: entry.t or 0.0)),
            )
        )
    return tuple(found)


def location_of(response: Response | None) -> str | None:
    """Where an answer redirects to, as its header has it."""
    if response is None or response.code not in REDIRECTS:
        return None
    return next((value for name, value in headers_of(response) if name.lower() == "location"), None)


def headers_of(response: Response) -> tuple[tuple[str, str], ...]:
    """Every header: from the list, or from the map of older records."""
    pairs: Iterable[tuple[object, object]] = response.headers_list or (response.headers or {}).items()
    return tuple((text_of(name)[:4096], text_of(value)[:4096]) for name, value in pairs)  # type: ignore[arg-type]


def _depth(tags: Sequence[str] | None) -> int:
    return next((int(found[1]) for tag in tags or () if (found := DEPTH.fullmatch(tag))), 0)


def _goal(here: Sequence[OoniExchange], before: Hop) -> Target | None:
    """What a hop asked for: by its own URL, else by the redirect that led there."""
    asked = [entry.request.url for entry in here if entry.request and entry.request.url]
    for entry in before.exchanges:
        location = location_of(entry.response)
        if location is not None and entry.request is not None:
            asked.append(_joined(entry.request.url, location))
    for url in asked:
        try:
            found = targets.parse(url.split("#")[0], allow_private=True)
        except targets.BadTarget:
            continue
        if found.scheme in ("http", "https"):
            return found
    return None


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location.strip())
    except ValueError:
        return ""
