"""Removes addresses that a page or redirect calls the visitor's, such as `?ip=203.0.113.9`: behind NAT we do not
know our public address. Digits become zeros; an address that the measurement itself used stays.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, AnyStr, Generic, NamedTuple

import msgspec

from probe.model import Dns, Http, Measurement, Observation
from probe.net.address_policy import is_public, literal

WINDOW = 64
"""Characters before an address in which its label may begin."""
MAX_MATCHES, MAX_ADDRESSES = 2000, 64
"""A page with more addresses is a list, not a visitor's own address."""
PERCENT = ("%", ord("%"))
CODINGS = ("utf-8", "windows-1251")
_V4 = r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)"
_V6 = r"(?:(?<![\w:%])|(?<=%3d)|(?<=%22)|(?<=%20))(?:[0-9a-f]{1,4}|:)(?::[0-9a-f]{0,4}){2,7}(?![\w:])"
_V4_HINT, _V6_HINT = r"\.\d{1,3}\.\d{1,3}\.\d", r":(?::|(?:[0-9a-fA-F]{1,4}:){5})"
"""Contained in every address and quick to find: the patterns are tried only there."""


class AddressFamily(NamedTuple, Generic[AnyStr]):
    """How to find addresses of one family: pattern, hint, and the characters that addresses are made of."""

    pattern: re.Pattern[AnyStr]
    hint: re.Pattern[AnyStr]
    characters: AnyStr
    run: re.Pattern[AnyStr]
    most_before: int
    """The longest an address can be before its hint."""


_V4_RUN, _V6_RUN = "0123456789.", "0123456789abcdefABCDEF:"
TEXT_KINDS = (
    AddressFamily(re.compile(_V4), re.compile(_V4_HINT), _V4_RUN, re.compile(f"[{_V4_RUN}]*"), 3),
    AddressFamily(re.compile(_V6, re.IGNORECASE), re.compile(_V6_HINT), _V6_RUN, re.compile(f"[{_V6_RUN}]*"), 40),
)
BYTES_KINDS = tuple(
    AddressFamily(
        re.compile(kind.pattern.pattern.encode(), kind.pattern.flags & re.IGNORECASE),
        re.compile(kind.hint.pattern.encode()),
        kind.characters.encode(),
        re.compile(kind.run.pattern.encode()),
        kind.most_before,
    )
    for kind in TEXT_KINDS
)
LABEL = re.compile(
    r"(?:[a-z_-]*ip(?:[ _-]?v[46])?|[a-z_-]*addr(?:ess)?|ip[ _-]*адрес\w{0,2}|адрес\w{0,2}|client|visitor|remote)"
    r"(?:[\s\"'\]\[>)(:=—–,-]|is|%3a|%3d|%22|%20|&quot;|&nbsp;|<[^<>]{0,40}>){1,12}$",
    re.IGNORECASE,
)


def without_labelled(measurement: Measurement) -> Measurement:
    """Remove public addresses that an HTTP response labels as an address of a client."""
    met = frozenset(_met(measurement))
    steps = tuple(_clean(step, met) if isinstance(step.detail, Http) else step for step in measurement.observations)
    if all(new is old for new, old in zip(steps, measurement.observations, strict=True)):
        return measurement
    return msgspec.structs.replace(measurement, observations=steps)


def _met(measurement: Measurement) -> Collection[str]:
    found = {measurement.target.host}
    for step in measurement.observations:
        found |= {step.host, step.address or ""}
        if isinstance(step.detail, Dns):
            found.update(step.detail.addresses)
    return found


def _clean(step: Observation, met: Collection[str]) -> Observation:
    answer: Http = step.detail
    changed: dict[str, Any] = {"body": answer.body and _out_of_bytes(answer.body, met)}
    if _may_hold_address(
        (answer.url, answer.location or "", answer.title or "", *[value for _, value in answer.headers])
    ):
        changed |= {
            "url": _out_of_text(answer.url, met),
            "location": answer.location and _out_of_text(answer.location, met),
            "title": answer.title and _out_of_text(answer.title, met),
            "headers": tuple((name, _out_of_text(value, met)) for name, value in answer.headers),
        }
    changed = {name: new for name, new in changed.items() if new != getattr(answer, name)}
    if not changed:
        return step
    if "body" in changed:  # the old hash would reveal the address to anyone who tries all addresses
        changed["body_sha256"] = hashlib.sha256(changed["body"]).hexdigest()
    return msgspec.structs.replace(step, detail=msgspec.structs.replace(answer, **changed))


def _may_hold_address(texts: Iterable[str]) -> bool:
    """Search all texts at once; no hint contains a line break."""
    joined = "\n".join(texts)
    return any(kind.hint.search(joined) for kind in TEXT_KINDS)


def _out_of_text(text: str, met: Collection[str]) -> str:
    spans = [(at, end) for at, end, before in _candidates(TEXT_KINDS, text, met) if LABEL.search(before)]
    for at, end in spans:
        text = text[:at] + re.sub("[0-9a-fA-F]", "0", text[at:end]) + text[end:]
    return text


def _out_of_bytes(body: bytes, met: Collection[str]) -> bytes:
    spans = [
        (at, end)
        for at, end, before in _candidates(BYTES_KINDS, body, met)
        if any(LABEL.search(before.decode(coding, "ignore")) for coding in CODINGS)
    ]
    for at, end in spans:
        body = body[:at] + re.sub(b"[0-9a-fA-F]", b"0", body[at:end]) + body[end:]
    return body


def _candidates(
    kinds: tuple[AddressFamily[AnyStr], ...], data: AnyStr, met: Collection[str]
) -> Iterator[tuple[int, int, AnyStr]]:
    """Public addresses that the measurement has not used: start, end, and the text before."""
    looked_at = 0
    for one in (one for kind in kinds for one in _spelled(kind, data)):
        at, end = one.span()
        spelled = one[0] if isinstance(one[0], str) else one[0].decode("ascii")
        parsed = literal(spelled)
        if parsed is None or str(parsed) in met or not is_public(str(parsed)):
            continue
        yield at, end, data[max(0, at - WINDOW) : at]
        looked_at += 1
        if looked_at == MAX_ADDRESSES:
            return


def _spelled(kind: AddressFamily[AnyStr], data: AnyStr) -> Iterator[re.Match[AnyStr]]:
    """Everything spelled like an address; each run of an address's characters is looked at once."""
    done = 0
    for _ in range(MAX_MATCHES):
        hint = kind.hint.search(data, done)
        if hint is None:
            return
        at, earliest = hint.start(), max(done, hint.start() - kind.most_before)
        while at > earliest and data[at - 1 : at] in kind.characters:
            at -= 1
        end = kind.run.match(data, hint.start())
        done = max(end.end() if end is not None else 0, hint.end())
        # An address begins where its run does, or behind a percent-encoded sign, whose digits look like part of it.
        found = kind.pattern.match(data, at)
        if found is None and at and data[at - 1] in PERCENT:
            found = kind.pattern.match(data, at + 2)
        if found is not None:
            yield found
