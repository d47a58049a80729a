"""OONI's data format as it is read: only the keys used, lists and numbers bounded, and its words as ours.

Sources: ooni/spec, df-001-httpt, df-002-dnst, df-005-tcpconnect, df-006-tlshandshake and ts-017-web-connectivity.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from probe.net.address_policy import literal
from probe.net.network import ALPHABET, ID_CHARACTERS
from probe.text import printable
from probe.timestamps import parse_time, rfc3339
from results.db.jsonl import BadRecord

WORDS = tomllib.loads(Path(__file__).with_name("words.toml").read_text("utf-8"))
FAILURES: frozenset[str] = frozenset(WORDS["failures"])
OLDER: dict[str, str] = WORDS["older"]
TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)Z?")
COUNTRY = re.compile(r"[A-Z]{2}")
ASN = re.compile(r"AS(\d{1,10})")
NOWHERE = "ZZ"
"""OONI's country where it could not tell."""
MAX_ASN = 2**32 - 1
MAX_UNKNOWN_CHARACTERS = 200

Seconds = Annotated[float, Meta(ge=-1e6, le=1e6)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Status = Annotated[int, Meta(ge=-1, le=999)]
Name = Annotated[str, Meta(max_length=4096)]
Tags = Annotated[list[Name], Meta(max_length=16)]
MANY = Meta(max_length=500)


class Binary(msgspec.Struct):
    """Bytes that are no UTF-8 text."""

    data: str
    format: str = "base64"


Text = str | Binary | None


Failure = Name | bool | None


class OoniEntry(msgspec.Struct, kw_only=True):
    """What the entries of all four lists have."""

    t0: Seconds | None = None
    t: Seconds | None = None
    tags: Tags | None = None


class OoniAnswer(msgspec.Struct):
    answer_type: Name
    ipv4: Name | None = None
    ipv6: Name | None = None
    hostname: Name | None = None
    ttl: Annotated[float, Meta(ge=0, le=2**32)] | None = None


class OoniQuery(OoniEntry, kw_only=True):
    hostname: Name = ""
    query_type: Name = "ANY"
    engine: Name | None = None
    resolver_address: Name | None = None
    failure: Failure = None
    rcode: Annotated[int, Meta(ge=0, le=4095)] | None = None
    answers: Annotated[list[OoniAnswer], MANY] | None = None


class ConnectStatus(msgspec.Struct):
    success: bool | None = None
    failure: Failure = None


class Connect(OoniEntry, kw_only=True):
    ip: Name
    port: Port
    status: ConnectStatus


class Handshake(OoniEntry, kw_only=True):
    address: Name | None = None
    server_name: Name | None = None
    failure: Failure = None
    tls_version: Name | None = None
    cipher_suite: Name | None = None
    negotiated_protocol: Name | None = None
    no_tls_verify: bool | None = None
    peer_certificates: Annotated[list[Binary], Meta(max_length=32)] | None = None


class OoniRequest(msgspec.Struct):
    url: str = ""


class NetworkEvent(msgspec.Struct):
    """One read or write on a connection."""

    operation: Name = ""
    t: Seconds | None = None
    num_bytes: Annotated[int, Meta(ge=0, le=2**40)] | None = None
    transaction_id: int | None = None


class Response(msgspec.Struct):
    code: Status | None = None
    body: Text = None
    body_is_truncated: bool | None = None
    headers: Annotated[dict[Name, Text], MANY] | None = None
    headers_list: Annotated[list[tuple[Text, Text]], MANY] | None = None


class OoniExchange(OoniEntry, kw_only=True):
    request: OoniRequest | None = None
    response: Response | None = None
    failure: Failure = None
    address: Name | None = None
    alpn: Name | None = None
    transaction_id: int | None = None


class ControlStatus(msgspec.Struct):
    status: bool | None = None
    failure: Failure = None
    server_name: Name | None = None


class ControlHttp(msgspec.Struct):
    status_code: Status | None = None
    body_length: Annotated[int, Meta(ge=-1, le=2**53)] | None = None
    title: str | None = None
    headers: Annotated[dict[Name, Text], MANY] | None = None
    failure: Failure = None


class ControlDns(msgspec.Struct):
    addrs: Annotated[list[Name], MANY] | None = None
    failure: Failure = None


class OoniControl(msgspec.Struct):
    """What the test helper saw; it has no times, no certificates, and no page."""

    tcp_connect: Annotated[dict[Name, ControlStatus], MANY] | None = None
    tls_handshake: Annotated[dict[Name, ControlStatus], MANY] | None = None
    http_request: ControlHttp | None = None
    dns: ControlDns | None = None


class TestKeys(msgspec.Struct):
    queries: Annotated[list[OoniQuery], MANY] | None = None
    tcp_connect: Annotated[list[Connect], MANY] | None = None
    tls_handshakes: Annotated[list[Handshake], MANY] | None = None
    requests: Annotated[list[OoniExchange], Meta(max_length=50)] | None = None
    control: OoniControl | None = None
    network_events: msgspec.Raw = msgspec.Raw(b"null")
    """Only reads are used, so a list that is too long or odd does not spoil the record."""


class OoniRecord(msgspec.Struct):
    """One measurement, as far as it is read."""

    test_name: Name
    input: Annotated[str, Meta(max_length=4096)] | None = None
    measurement_start_time: Name = ""
    test_start_time: Name | None = None
    probe_asn: Name | None = None
    probe_cc: Name | None = None
    probe_network_name: Name | None = None
    report_id: Name | None = None
    measurement_uid: Name | None = None
    test_version: Name = ""
    test_runtime: Annotated[float, Meta(ge=0, le=1e7)] | None = None
    test_keys: TestKeys = msgspec.field(default_factory=TestKeys)


class HeadKeys(msgspec.Struct):
    x_reachprobe: Any = None


class OoniHeader(msgspec.Struct):
    """What tells whether a record is one to read, and whether it is an export of our own."""

    test_name: str
    test_keys: HeadKeys | None = None


def failure_of(word: str | bool | None) -> str | None:
    """A failure as one of our words; a word that OONI's vocabulary has not is an unknown failure that keeps it."""
    if word is None or word is False or word == "":
        return None
    if word is True:
        return "unknown_failure: not told"
    word = OLDER.get(word, word)
    if word in FAILURES:
        return word
    return f"unknown_failure: {printable(word.removeprefix('unknown_failure:').strip(), MAX_UNKNOWN_CHARACTERS)}"


def bytes_of(text: Text) -> bytes | None:
    """Text that may be binary; None where its base64 is broken, BadRecord for a format that is not base64."""
    if text is None:
        return b""
    if isinstance(text, str):
        return text.encode()
    if text.format != "base64":
        raise BadRecord("binary data in the unknown format {name}", name=printable(text.format, 40))
    try:
        return b64decode(text.data, validate=True)
    except ValueError:
        return None


def text_of(text: Text) -> str:
    """Text that may be binary, read as UTF-8; what is none is replaced."""
    return text if isinstance(text, str) else (bytes_of(text) or b"").decode(errors="replace")


def address_of(text: str) -> str:
    """An address in its usual spelling; BadRecord for anything else."""
    found = literal(text)
    if found is None or "%" in text:
        raise BadRecord("not an address: {value}", value=printable(text, 60))
    return str(found)


def endpoint_of(text: str) -> tuple[str, int]:
    """The address and port of `192.0.2.1:443` and `[2001:db8::1]:443`; BadRecord for anything else."""
    address, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port[:6]) > 65535:
        raise BadRecord("not an address and port: {value}", value=printable(text, 60))
    return address_of(address.removeprefix("[").removesuffix("]")), int(port)


def time_of(text: str) -> datetime:
    """The UTC instant of `2026-11-24 15:37:00`; BadRecord for anything else."""
    found = TIME.fullmatch(text)
    try:
        if found:
            return parse_time(f"{found[1]}T{found[2]}")
    except ValueError:
        pass
    raise BadRecord("not a time: {value}", value=printable(text, 60))


def instant(began: datetime, offset_s: float = 0.0) -> str:
    """RFC 3339 with milliseconds. BadRecord where no calendar goes so far."""
    try:
        moment = began.astimezone(UTC) + timedelta(seconds=offset_s)
    except OverflowError as error:
        raise BadRecord("a time out of range") from error
    return rfc3339(moment)


def country_of(text: str | None) -> str | None:
    """ISO 3166 alpha-2; None where OONI does not know. BadRecord for anything else."""
    if text in (None, "", NOWHERE):
        return None
    if not COUNTRY.fullmatch(text or ""):
        raise BadRecord("probe_cc is not a country code: {value}", value=printable(text or "", 20))
    return text


def asn_of(text: str | None) -> int | None:
    """The network's number; None where OONI does not know (AS0). BadRecord for anything else."""
    if text in (None, ""):
        return None
    found = ASN.fullmatch(text or "")
    if not found or int(found[1]) > MAX_ASN:
        raise BadRecord("probe_asn is not an AS number: {value}", value=printable(text or "", 20))
    return int(found[1]) or None


def identifier(*parts: str) -> str:
    """An id like our own, always the same for the same parts."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:ID_CHARACTERS])
