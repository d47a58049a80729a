"""The records that measuring makes. They are frozen and hold no verdict; `None` means that it did not happen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

Scheme = str
"""One of `probe.steps.schemes()`."""
Role = Literal[
    "main",
    "again",
    "trusted",
    "innocent",
    "elsewhere",
    "elsewhere_innocent",
    "other_page",
    "made_up",
    "system",
    "late",
    "offered",
    "small_segments",
    "listed",
]
"""Why a step was taken.

main: the ordinary course of the target. again: the failed attempt once more on a fresh connection; in a control
measurement, an attempt at the address at which the vantage point failed.
trusted: asked of, or at the addresses given by, a trusted resolver. innocent: the same address under an innocent name.
elsewhere, elsewhere_innocent: the target's name, and the innocent one, at an address set aside for it.
other_page: another path of the same name at the same address. made_up: a name that does not exist, at the same address,
which shows whether the server answers any name. system: what the machine's own getaddrinfo says.
offered: QUIC to the same host, where its answer or its HTTPS record offers that.
listed: a name of this country's allow-list, at the same address.
small_segments: the failed attempt in small TCP segments, which pass where the path loses full-size packets.
late: a further answer to a DNS question, which an honest network does not give; or its first, but too late.
"""


class AllowList(msgspec.Struct, frozen=True, kw_only=True):
    """What a network that permits only a list goes by: a listed and an unlisted name tried at each other's address."""

    by: Literal["name", "address", "either", "both"]
    """What has to be listed for a connection to pass."""
    listed: str
    unlisted: str
    listed_place: str
    """Address and port of the listed name's own server."""
    unlisted_place: str


class Vantage(msgspec.Struct, frozen=True, kw_only=True):
    """A place on the network that measures; it never holds an address or a name of the volunteer's own."""

    name: str
    country: str | None = None
    """ISO 3166 alpha-2, upper case."""
    asn: int | None = None
    network_name: str | None = None
    path: str = "direct"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to measure, as `probe.target.parse` reads it."""

    text: str
    """As given, byte for byte."""
    scheme: Scheme
    host: str
    """A-labels in lower case, or an address literal without brackets."""
    port: int
    request_path: str | None = None
    """Path and query for http and https; `/name` with the name to ask of a resolver; None for an endpoint."""
    service: str | None = None
    required: bool = True


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One record of a DNS answer (RFC 1035 section 4.1.3)."""

    type: str
    value: str
    ttl: int | None = None


class ExtendedError(msgspec.Struct, frozen=True, kw_only=True):
    """What a resolver says about its answer (RFC 8914)."""

    code: int
    text: str | None = None


class Dns(msgspec.Struct, frozen=True, kw_only=True):
    """One question to one resolver. `rcode` is None where no answer came, or where getaddrinfo does not tell it."""

    resolver: str
    query_type: str
    rcode: int | None = None
    answers: tuple[Answer, ...] = ()
    authenticated: bool | None = None
    """The AD bit (RFC 4035 section 3.2.3)."""
    truncated: bool | None = None
    sendings: int | None = None
    """How often the datagram was sent before an answer came: more than once explains more than one answer."""
    extended_errors: tuple[ExtendedError, ...] = ()
    filter: str | None = None
    """The public filter that the resolver is known to be, which its user has chosen."""

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(answer.value for answer in self.answers if answer.type in ("A", "AAAA"))


class Svcb(msgspec.Struct, frozen=True, kw_only=True):
    """What a name's HTTPS record offers (RFC 9460), asked of one resolver; all None without a record."""

    resolver: str
    rcode: int | None = None
    alpn: tuple[str, ...] = ()
    """The protocols beside HTTP/1.1, of the record with the first priority."""
    ech_public_name: str | None = None
    """The name that an encrypted ClientHello would show in the target's place; None without an ECH configuration."""
    ttl: int | None = None


class Tcp(msgspec.Struct, frozen=True, kw_only=True):
    """One connect. `family` is None where a proxy resolved the name, so that the address is unknown."""

    family: Literal["ipv4", "ipv6"] | None = None
    max_segment: int | None = None
    """The largest TCP segment that was allowed (RFC 9293 section 3.7.1); None for the system's own."""


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """One handshake; the certificate is kept also where it did not verify."""

    server_name: str | None
    """The SNI sent; None where none was (an address literal)."""
    version: str | None = None
    cipher: str | None = None
    alpn: str | None = None
    verify_code: int | None = None
    """OpenSSL's X509_V_ERR; 0 for valid for the name, None where it did not come to that or was not asked."""
    alert: int | None = None
    """The alert received (RFC 8446 section 6)."""
    refused: str | None = None
    """Why our own TLS library ended the handshake, in its word; None where the other end did."""
    lenient: bool | None = None
    """True for a second try that allows TLS 1.0, legacy renegotiation and weak keys, after ours had refused them."""
    client_certificate: bool | None = None
    """True where a handshake failed in which the server had asked for a client certificate, as far as is visible."""
    chain: tuple[bytes, ...] = ()
    """The certificates presented, DER, leaf first."""
    fingerprint: str | None = None
    """SHA-256 of the leaf, hex."""


class Http(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange. The body is capped; `length` counts what was received of it, decoded.

    Without a status, the body is the beginning of an answer that is not HTTP.
    """

    url: str
    status: int | None = None
    version: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    location: str | None = None
    body: bytes | None = None
    body_sha256: str | None = None
    length: int | None = None
    truncated: bool | None = None
    """True where reading stopped at the size cap, which is not a failure."""
    title: str | None = None
    received: int | None = None
    """Bytes of the answer as they came over the stream, head included and before decoding."""
    curve: tuple[tuple[float, int], ...] = ()
    """Seconds since the request and bytes received, at the first bytes, each time they had doubled, and at the last."""
    quirks: tuple[str, ...] = ()
    """What of the answer is not valid HTTP and was read as browsers read it."""

    def header(self, name: str) -> str | None:
        """The first value of a header field, named in lower case."""
        return next((value for key, value in self.headers if key.lower() == name), None)


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """The record of one step: an envelope that every step has, and the step's own detail."""

    id: str
    step: str
    role: Role
    hop: int
    """0 for the target itself, n after n redirects."""
    started_at: str
    """UTC, RFC 3339."""
    offset_s: float
    """Seconds since the measurement began, monotonic."""
    duration_s: float
    host: str
    """The name or literal the attempt is about (for `innocent` roles the target's, not the innocent one)."""
    address: str | None = None
    port: int | None = None
    failure: str | None = None
    """None for success, else from OONI's vocabulary (OONI spec df-007-errors)."""
    error_code: int | None = None
    """errno, certificate verify code, DNS rcode, TLS alert or SOCKS reply: whichever `failure` was read from."""
    error: str | None = None
    """The raw text, scrubbed and bounded."""
    detail: Any
    """The step's own record: Dns, Tcp, Tls, Http, or that of a step added later."""


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One target, one vantage, one moment."""

    id: str
    target: Target
    vantage: Vantage
    started_at: str
    runtime_s: float
    observations: tuple[Observation, ...]
    control_of: str | None = None
    """The measurement this one was made for as its control."""
    repeats: str | None = None
    """The measurement that this one repeats, alone, at the end of the round."""
    internal_error: str | None = None
    """The bug that ended it: the exception's class and place in our code."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What people know: a named group of targets."""

    name: str
    title: str
    targets: tuple[Target, ...]
    ended: str | None = None
    """The day the service itself was shut down, where it was."""
    note: str | None = None
    category: str | None = None
    """Citizen Lab's category code."""


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """A follow-up: ask for `host`'s addresses once more; role trusted (each trusted resolver), again, or system."""

    role: Role
    hop: int
    host: str


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A follow-up: a fresh connection to one address, as far as `scheme` goes (tcp; tls; quic; http; https).

    QUIC fetches, and a resolver is asked, where there is a `request_path`.
    """

    role: Role
    hop: int
    scheme: Scheme
    host: str
    """The name the attempt is about, also in the `innocent` roles."""
    server_name: str | None
    """The SNI to send, for tls, https and quic; for http the name in Host."""
    address: str | None
    """None where the path's far end resolves the name."""
    port: int
    request_path: str | None = None
    max_segment: int | None = None
    """The largest TCP segment to send and to ask for."""
    after_s: float | None = None
    """Seconds to let pass before it: a censor that has seen a name may go on for a while."""


FollowUp = Callable[[Measurement], Sequence[Lookup | Attempt]]
"""Asked after each pass until it wants nothing more: what an anomaly calls for is the rules' business."""
