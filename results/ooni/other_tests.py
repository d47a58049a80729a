"""OONI's tests of services and resolvers: one record made into one for each target that was tried.

A target is a URL that was requested, a handshake's name and port, or an endpoint that was connected to. These tests
have no control, so what fails stays an anomaly. Tests whose records hold no such steps are only counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from probe.net.address_policy import literal
from results.db.jsonl import BadRecord, decode
from results.ooni.format import WORDS

AS_IT_IS, GROUPED, COUNTED = (frozenset(WORDS["tests"][kind]) for kind in ("whole", "grouped", "counted"))
"""Names of OONI's tests."""
MAX_TARGETS, MAX_ENTRIES = 200, 500
LISTS = ("queries", "tcp_connect", "tls_handshakes", "requests")
INNER = ("lookups", "targets")
"""Tests of many endpoints have the lists once for each, under these keys."""


class UnjudgedTest(BadRecord):
    """A record of a test that is not judged, only counted."""

    def __init__(self, test: str) -> None:
        super().__init__("a record of the test {test}, which is not judged", test=test)
        self.test = test


class TestName(msgspec.Struct):
    test_name: Annotated[str, Meta(max_length=100)] = ""


def split(line: bytes) -> Iterator[bytes]:
    """The records in one line, each of one target. Raises BadRecord."""
    test = decode(line, TestName).test_name
    if test in COUNTED:
        raise UnjudgedTest(test)
    if test not in GROUPED:
        yield line
        return
    record = decode(line)
    found = _targets(record.get("test_keys"))
    count = 0
    for target, keys in found:
        count += 1
        yield msgspec.json.encode(record | {"input": target, "test_keys": keys})
    if not count:
        raise BadRecord("a record of the test {test} without any step", test=test)


def _targets(keys: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(keys, dict):
        return
    groups = [keys, *(one for name in INNER if isinstance(keys.get(name), dict) for one in keys[name].values())]
    seen: set[str] = set()
    for group in groups:
        if not isinstance(group, dict):
            continue
        for target, steps in _of_lists({name: _entries(group.get(name)) for name in LISTS}):
            if target not in seen and len(seen) < MAX_TARGETS:
                seen.add(target)
                yield target, steps


def _entries(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value[:MAX_ENTRIES] if isinstance(entry, dict)] if isinstance(value, list) else []


def _of_lists(lists: dict[str, list[dict[str, Any]]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """URLs first, then the handshakes and connects that belong to none."""
    names = _names(lists["queries"])
    connects, handshakes = list(lists["tcp_connect"]), list(lists["tls_handshakes"])
    for request in lists["requests"]:
        url = _text(request.get("request"), "url")
        place = _place(url)
        if place is None:
            continue
        host, port = place
        of_url = [c for c in connects if _host_of(c.get("ip"), names) == host and c.get("port") == port]
        of_name = [h for h in handshakes if _text(h, "server_name") == host and _port(h) == port]
        connects, handshakes = _without(connects, of_url), _without(handshakes, of_name)
        yield url, _steps(lists, host, of_url, of_name, [request])
    while handshakes:
        host, port = _text(handshakes[0], "server_name"), _port(handshakes[0])
        alike = [h for h in handshakes if _text(h, "server_name") == host and _port(h) == port]
        handshakes = _without(handshakes, alike)
        at = {_text(h, "address") for h in alike}
        below = [c for c in connects if _endpoint(c) in at]
        connects = _without(connects, below)
        if host and port:
            yield f"tls://{host}:{port}", _steps(lists, host, below, alike, [])
    while connects:
        host, number = _host_of(connects[0].get("ip"), names), connects[0].get("port")
        alike = [c for c in connects if _host_of(c.get("ip"), names) == host and c.get("port") == number]
        connects = _without(connects, alike)
        if host and isinstance(number, int):
            yield f"tcp://{f'[{host}]' if ':' in host else host}:{number}", _steps(lists, host, alike, [], [])


def _without(entries: list[dict[str, Any]], taken: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = {id(entry) for entry in taken}
    return [entry for entry in entries if id(entry) not in ids]


def _steps(
    lists: dict[str, list[dict[str, Any]]], host: str, connects: list[Any], handshakes: list[Any], requests: list[Any]
) -> dict[str, Any]:
    queries = [query for query in lists["queries"] if _text(query, "hostname").rstrip(".").lower() == host]
    return {"queries": queries, "tcp_connect": connects, "tls_handshakes": handshakes, "requests": requests}


def _names(queries: list[dict[str, Any]]) -> dict[str, str]:
    """The host that each address was given for."""
    found: dict[str, str] = {}
    for query in queries:
        for answer in _entries(query.get("answers")):
            for family in ("ipv4", "ipv6"):
                if address := _text(answer, family):
                    found.setdefault(address, _text(query, "hostname").rstrip(".").lower())
    return found


def _host_of(address: Any, names: dict[str, str]) -> str:
    return names.get(address) or (address if literal(address) else "") if isinstance(address, str) else ""


def _place(url: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


def _port(handshake: dict[str, Any]) -> int:
    digits = _text(handshake, "address").rpartition(":")[2]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 5 else 0


def _endpoint(connect: dict[str, Any]) -> str:
    host = _text(connect, "ip")
    return f"{f'[{host}]' if ':' in host else host}:{connect.get('port')}"


def _text(value: Any, key: str) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""
