"""OONI's data format as it is read: only the keys used, lists and numbers bounded, older spellings allowed.

Sources: ooni/spec, df-001-httpt, df-002-dnst, df-005-tcpconnect, df-006-tlshandshake and ts-017-web-connectivity.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

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
