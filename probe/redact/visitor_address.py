"""Removes addresses that a page or redirect calls the visitor's, such as `?ip=203.0.113.9`: behind NAT we do not
know our public address. Digits become zeros; an address that the measurement itself used stays.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache, lru_cache
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from probe import data_files
from probe.model import Dns, Http, Measurement, Observation
from probe.net.address_policy import is_public, literal
from probe.redact.own_address import Span, utf16_spans, zeroed

WINDOW = 64
"""Characters before an address in which its label may begin."""
MAX_ADDRESSES = 1000
"""Of a page with more, every one is removed, for to look at each would take too long."""
MAX_LEARNED = 4
CODINGS = ("utf-8", "windows-1251", "windows-1256", "gb18030", "koi8-r")
MAX_SHORT_BODY = 1024
HEX_OR_COLON, TAG = "0123456789abcdefABCDEF:", re.compile(r"<[^<>]*+>")
_V6 = rb"(?:(?<![\w:%])|(?<=%3d)|(?<=%22)|(?<=%20))(?:[0-9a-f]{1,4}|:)(?::[0-9a-f]{0,4}){2,7}(?![\w:])"


class AddressFamily(NamedTuple):
    """How to find addresses of one family."""

    pattern: re.Pattern[bytes]
    hint: re.Pattern[bytes]
    """Contained in every address and quick to find: the pattern is tried only there."""
    characters: bytes
    """What addresses are made of."""
    run: re.Pattern[bytes]
    most_before: int
    """The longest an address can be before its hint."""


IPV4 = AddressFamily(
    re.compile(rb"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)"),
    re.compile(rb"\.\d{1,3}\.\d{1,3}\.\d"),
    b"0123456789.",
    re.compile(rb"[0-9.]*"),
    3,
)
IPV6 = AddressFamily(
    re.compile(_V6, re.IGNORECASE),
    re.compile(rb":(?::|(?:[0-9a-fA-F]{1,4}:){5})"),
    b"0123456789abcdefABCDEF:",
    re.compile(rb"[0-9a-fA-F:]*"),
    40,
)


class VisitorLabels(NamedTuple):
    """`before` matches the text before an address, reversed, so that only what ends in a label is looked at."""

    headers: re.Pattern[str]
    before: re.Pattern[str]


@cache
def visitor_labels() -> VisitorLabels:
    """The data of visitor_labels.toml."""
    data = data_files("probe.redact")["visitor_labels"]
    words = "|".join(re.escape(word[::-1]) for word in data["words"])
    stems = "|".join(re.escape(stem[::-1]) for stem in data["stems"])
    signs = r"(?:[\s\"'\]\[>)(:=—–,،：|-]|si|a3%|d3%|22%|02%|;touq&|;psbn&|>[^<>]{0,40}<){1,12}"
    # Elsewhere IP in the same sentence does, with no number between, as in: Ihre IP-Adresse lautet.
    in_sentence = r"[^\d\n.;!?<>]{1,40}?(?<![a-z])pi(?![a-z])"
    label = rf"{signs}(?:6v[ _-]?|4v[ _-]?)?(?:{words}|\w{{0,6}}?(?:{stems}))|{in_sentence}"
    return VisitorLabels(re.compile("|".join(data["headers"])), re.compile(label, re.IGNORECASE))


@lru_cache(maxsize=1024)
def identifies_visitor(header: str) -> bool:
    """Whether a header's value is about this visitor, by its name."""
    return visitor_labels().headers.search(header.lower()) is not None


def labelled(measurement: Measurement) -> frozenset[str]:
    """A few public addresses that headers or whole bodies call the visitor's, and the measurement did not use."""
    about = [_encoded(text) for step in measurement.observations for text in _about_visitor(step.detail)]
    if not about:
        return frozenset()
    met = _met(measurement)
    found = (data[at:end].decode("ascii") for data in about for at, end, _ in _candidates(data, met))
    return frozenset(islice(dict.fromkeys(found), MAX_LEARNED))


def _about_visitor(answer: object) -> list[str]:
    """The header values, and the body, that are the visitor's address or hold it by their name."""
    if not isinstance(answer, Http):
        return []
    about = []
    if _may_hold_address([value for _, value in answer.headers]):
        about = [value for name, value in answer.headers if _tells(name, value)]
    body = answer.body or b""
    if len(body) <= MAX_SHORT_BODY and _hints_at_address(body) and _alone(text := _only_text(body)):
        about.append(text)
    return about


def _tells(name: str, value: str) -> bool:
    return (not name.lower().endswith("cookie") and identifies_visitor(name)) or _alone(value)


def _alone(text: str) -> bool:
    """Whether a text is one public address and nothing else."""
    bare = text.strip(" \t\r\n\"'[](){}")
    return bare[:1] in HEX_OR_COLON and is_public(bare.rpartition(":")[0] if bare.count(":") == 1 else bare)


def _only_text(body: bytes) -> str:
    """A short body without tags."""
    text = body.decode("utf-8", "replace") if len(body) <= MAX_SHORT_BODY else ""
    return TAG.sub(" ", text).strip()


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
    return _hints_at_address(_encoded("\n".join(texts)))


def _hints_at_address(data: bytes) -> bool:
    return IPV4.hint.search(data) is not None or IPV6.hint.search(data) is not None


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _out_of_text(text: str, met: Collection[str]) -> str:
    spans = _spans(_encoded(text), met, _alone(text))
    return zeroed(_encoded(text), spans).decode("utf-8", "surrogatepass") if spans else text


def _out_of_bytes(body: bytes, met: Collection[str]) -> bytes:
    alone = _hints_at_address(body) and _alone(_only_text(body))
    found = _spans(body, met, alone)
    return zeroed(body, found + (utf16_spans(body, lambda data: _spans(data, met, alone)) if b"\0" in body else []))


def _spans(data: bytes, met: Collection[str], alone: bool) -> list[Span]:
    found = _candidates(data, met)
    return [(at, end) for at, end, window in found if alone or window is None or _is_label(window)]


def _is_label(window: bytes) -> bool:
    before = visitor_labels().before
    codings = CODINGS[:1] if window.isascii() else CODINGS
    return any(before.match(window.decode(coding, "ignore")[::-1]) for coding in codings)


def _candidates(data: bytes, met: Collection[str]) -> Iterator[tuple[int, int, bytes | None]]:
    """Public addresses that the measurement has not used: start, end, and the text before, None if these are many."""
    looked_at = 0
    for one in (one for kind in (IPV4, IPV6) for one in _spelled(kind, data)):
        at, end = one.span()
        parsed = literal(one[0].decode("ascii"))
        if parsed is None or str(parsed) in met or not is_public(str(parsed)):
            continue
        looked_at += 1
        yield at, end, data[max(0, at - WINDOW) : at] if looked_at <= MAX_ADDRESSES else None


def _spelled(kind: AddressFamily, data: bytes) -> Iterator[re.Match[bytes]]:
    """Everything spelled like an address; each run of an address's characters is looked at once."""
    done = 0
    while hint := kind.hint.search(data, done):
        at, earliest = hint.start(), max(done, hint.start() - kind.most_before)
        while at > earliest and data[at - 1 : at] in kind.characters:
            at -= 1
        end = kind.run.match(data, hint.start())
        done = max(end.end() if end is not None else 0, hint.end())
        # An address begins where its run does, or behind a percent-encoded sign, whose digits look like part of it.
        found = kind.pattern.match(data, at)
        if found is None and at and data[at - 1] == ord("%"):
            found = kind.pattern.match(data, at + 2)
        if found is not None:
            yield found
