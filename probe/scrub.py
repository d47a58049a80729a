"""Takes the volunteer's own addresses out of a record: pages and headers like to echo them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

from probe.address import literal
from probe.model import Http, Measurement, Observation

SCRUBBED = "[scrubbed]"
SECRETS = ("set-cookie", "www-authenticate")
"""Headers whose values name this visitor and say nothing about blocking."""


def scrub(measurement: Measurement, own: frozenset[str]) -> Measurement:
    """The measurement without the addresses in `own` (loopback aside) and without cookies set for this visitor."""
    pattern = _pattern(own)
    return msgspec.structs.replace(
        measurement, observations=tuple(_observation(o, pattern) for o in measurement.observations)
    )


def _observation(observation: Observation, pattern: re.Pattern[str] | None) -> Observation:
    detail = observation.detail
    if isinstance(detail, Http) and detail.status is not None:
        detail = _http(detail, pattern)
    error = observation.error if pattern is None else _text(observation.error, pattern)
    if detail is observation.detail and error is observation.error:
        return observation
    return msgspec.structs.replace(observation, detail=detail, error=error)


def _http(detail: Http, pattern: re.Pattern[str] | None) -> Http:
    headers = tuple((key, SCRUBBED if key.lower() in SECRETS else value) for key, value in detail.headers)
    if pattern is None:
        return detail if headers == detail.headers else msgspec.structs.replace(detail, headers=headers)
    changed: dict[str, Any] = {
        "headers": tuple((key, pattern.sub(SCRUBBED, value)) for key, value in headers),
        "location": _text(detail.location, pattern),
        "title": _text(detail.title, pattern),
    }
    if detail.body:
        changed["body"] = _bytes_pattern(pattern.pattern).sub(SCRUBBED.encode(), detail.body)
    return msgspec.structs.replace(detail, **changed)


def _text(text: str | None, pattern: re.Pattern[str]) -> str | None:
    return pattern.sub(SCRUBBED, text) if text is not None else None


def _pattern(own: Iterable[str]) -> re.Pattern[str] | None:
    """Any of the addresses, not as a part of a longer one; None where there is nothing to take out."""
    spellings = {spelling for address in own for spelling in _spellings(address)}
    return _compiled(tuple(sorted(spellings))) if spellings else None


def _spellings(address: str) -> tuple[str, ...]:
    parsed = literal(address.split("%")[0])
    if parsed is None or parsed.is_loopback or parsed.is_unspecified:
        return ()
    return (str(parsed), parsed.exploded)


@lru_cache(maxsize=64)
def _compiled(spellings: tuple[str, ...]) -> re.Pattern[str]:
    alternatives = "|".join(re.escape(spelling) for spelling in spellings)
    return re.compile(rf"(?<![0-9A-Fa-f.:])(?:{alternatives})(?![0-9A-Fa-f]|[.:][0-9A-Fa-f])", re.IGNORECASE)


@lru_cache(maxsize=64)
def _bytes_pattern(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode("ascii"), re.IGNORECASE)
