"""Mutates JSON by its structure: bytes that are no JSON are refused at once, and show nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 443, 65536, 2**31, 2**63 - 1, 2**63, 1e308, -0.0, 0.001, "", "x", "*", "a.example",
    "192.0.2.1", "::1", "fe80::1%eth0", "2001:db8::1", "1.2.3", "https://a.example/", "http://[::1", "tls://a.example",
    "javascript:1", "\0", "\x1b[31m", "\u202e", "\ufeff", "ß.example", "xn--", "=1+1", "A" * 300,
    "2026-11-20T15:37:00Z", "0000-00-00", "9999-12-31T23:59:60Z", "connection_reset", "generic_timeout_error",
    "dns_nxdomain_error", "unknown_failure: x", "http", "dns", "tcp", "tls", "quic", "main", "again", "trusted",
    [], {}, [None], {"": None},
)  # fmt: skip
MAX_TRIES = 4


def mutated(data: bytes, max_size: int, seed: int, otherwise: Callable[[bytes, int], bytes]) -> bytes:
    """The JSON value with a few nodes changed; now and then, and where it is none, changed as bytes by `otherwise`."""
    chance = random.Random(seed)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return otherwise(data, max_size)
    if chance.random() < 0.05:
        return otherwise(data, max_size)
    for _ in range(chance.choice((1, 1, 1, 2, 3, MAX_TRIES))):
        value = _changed(value, chance)
    made = json.dumps(value, separators=(",", ":")).encode("utf-8", "replace")
    return made if len(made) <= max_size else data


def _changed(value: Any, chance: random.Random) -> Any:
    """The value with one node in it, chosen by chance, replaced, removed, repeated or swapped."""
    places = list(_places(value))
    if not places:
        return chance.choice(VALUES)
    holder, key = chance.choice(places)
    match chance.randrange(5):
        case 0:
            holder[key] = chance.choice(VALUES)
        case 1:
            del holder[key]
        case 2:
            other, its_key = chance.choice(places)
            holder[key] = json.loads(json.dumps(other[its_key])) if its_key in _keys(other) else None
        case 3 if isinstance(holder, list):
            holder[key:key] = [holder[key]] * chance.choice((1, 2, 20))
        case _:
            holder[key] = _nudged(holder[key], chance)
    return value


def _places(value: Any) -> Any:
    pending = [value]
    while pending:
        holder = pending.pop()
        if isinstance(holder, dict | list):
            for key in _keys(holder):
                yield holder, key
                pending.append(holder[key])


def _keys(holder: Any) -> list[Any]:
    return list(holder) if isinstance(holder, dict) else list(range(len(holder)))


def _nudged(value: Any, chance: random.Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + chance.choice((-1, 1, 0.5, 1000))
    if isinstance(value, str):
        at = chance.randrange(len(value) + 1)
        piece = chance.choice(("", "\0", "\ud800", ".", "/", ":", "[", "%", "\u202e", "é", "9", "-", " ", "\n", value))
        return value[:at] + piece + value[at + chance.randrange(3) :]
    return chance.choice(VALUES)
