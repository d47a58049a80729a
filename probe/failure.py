"""Foreign errors become OONI failure strings here and nowhere else, by number and type, never by message text."""

from __future__ import annotations

import errno
import logging
import re
import socket
import ssl
from pathlib import Path
from traceback import extract_tb

import msgspec

from probe.text import replace_unprintable

ERRNO_FAILURES = {
    errno.ECONNREFUSED: "connection_refused",
    errno.ECONNRESET: "connection_reset",
    errno.EPIPE: "connection_reset",
    errno.ECONNABORTED: "connection_aborted",
    errno.EHOSTUNREACH: "host_unreachable",
    errno.EHOSTDOWN: "host_unreachable",
    errno.ENOPROTOOPT: "host_unreachable",
    getattr(errno, "ENONET", errno.EHOSTDOWN): "host_unreachable",
    errno.ENETUNREACH: "network_unreachable",
    errno.EADDRNOTAVAIL: "network_unreachable",
    errno.EAFNOSUPPORT: "network_unreachable",
    errno.EACCES: "network_unreachable",
    errno.EPERM: "network_unreachable",
    errno.ENETDOWN: "network_down",
    errno.ENETRESET: "network_reset",
    errno.ETIMEDOUT: "generic_timeout_error",
    errno.ENOTCONN: "connection_already_closed",
    errno.EBADF: "connection_already_closed",
}

VERIFY_FAILURES = {
    9: "ssl_invalid_certificate",
    10: "ssl_invalid_certificate",
    18: "ssl_unknown_authority",
    19: "ssl_unknown_authority",
    20: "ssl_unknown_authority",
    21: "ssl_unknown_authority",
    62: "ssl_invalid_hostname",
    64: "ssl_invalid_hostname",
}

RCODE_FAILURES = {
    1: "dns_server_misbehaving",
    2: "dns_servfail_error",
    3: "dns_nxdomain_error",
    5: "dns_refused_error",
}

SOCKS_FAILURES = {
    3: "network_unreachable",
    4: "host_unreachable",
    5: "connection_refused",
    6: "generic_timeout_error",
}

GETADDRINFO_FAILURES = {
    socket.EAI_NONAME: "dns_nxdomain_error",
    socket.EAI_AGAIN: "dns_temporary_failure",
    socket.EAI_FAIL: "dns_non_recoverable_failure",
    getattr(socket, "EAI_NODATA", socket.EAI_NONAME): "dns_no_answer",
}

LOGGER = logging.getLogger("reachprobe")
OWN_CODE = str(Path(__file__).parent.parent)
ALERTS = {
    **{alert.name.removeprefix("ALERT_DESCRIPTION_"): int(alert) for alert in ssl.AlertDescription},
    "MISSING_EXTENSION": 109,
    "CERTIFICATE_REQUIRED": 116,
    "NO_APPLICATION_PROTOCOL": 120,
}
ALERT_REASON = re.compile(r"(?:SSLV3|TLSV1|TLSV13)_(?:ALERT_)?([A-Z_]+)")
"""What OpenSSL calls an alert that it received."""
WEAK_CERTIFICATES = {66: "ee_key_too_small", 67: "ca_key_too_small", 68: "ca_md_too_weak"}
"""Verify codes of a chain that is valid, but weaker than our own security level allows."""
NO_TLS = frozenset(
    (
        "WRONG_VERSION_NUMBER",
        "WRONG_SSL_VERSION",
        "UNKNOWN_PROTOCOL",
        "HTTP_REQUEST",
        "HTTPS_PROXY_REQUEST",
        "UNEXPECTED_MESSAGE",
        "UNEXPECTED_RECORD",
        "BAD_RECORD_TYPE",
        "RECORD_LAYER_FAILURE",
        "RECORD_TOO_SMALL",
        "PACKET_LENGTH_TOO_LONG",
        "ENCRYPTED_LENGTH_TOO_LONG",
        "DATA_LENGTH_TOO_LONG",
        "EXCESSIVE_MESSAGE_SIZE",
        "LENGTH_MISMATCH",
        "LENGTH_TOO_SHORT",
        "LENGTH_TOO_LONG",
        "DECODE_ERROR",
        "BAD_LENGTH",
        "BAD_PACKET",
        "BAD_SIGNATURE",
        "BAD_EXTENSION",
        "DIGEST_CHECK_FAILED",
        "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
        "NOT_ON_RECORD_BOUNDARY",
    )
)
"""Why OpenSSL ends a handshake in which the other end's bytes are not TLS, or were changed on the way."""
CERTIFICATE_FAILURES = ("ssl_invalid_certificate", "ssl_unknown_authority", "ssl_invalid_hostname")
UNKNOWN = "unknown_failure"
MAX_ERROR_TEXT = 200
LITERAL = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}")


class ProxyRefused(OSError):
    """A proxy reports that it could not connect; `reply` is one of SOCKS_FAILURES (RFC 1928 section 6)."""

    def __init__(self, reply: int, text: str) -> None:
        super().__init__(text)
        self.reply = reply


class ProxyUnusable(OSError):
    """The proxy itself cannot be reached or does not speak its protocol: this says nothing of the target."""


class PrivateAddress(OSError):
    """The target leads to an address that is not public, which is never touched unless configured."""


class Malformed(ValueError):
    """The other end does not speak the protocol; `failure` says in OONI's words what came instead."""

    def __init__(self, failure: str, text: str) -> None:
        super().__init__(text)
        self.failure = failure


class Failure(msgspec.Struct, frozen=True):
    """A failed step: OONI's word for it, the number it was read from, and the scrubbed raw text."""

    word: str
    code: int | None
    text: str


def failure_of(error: BaseException) -> Failure:
    """The failure an exception stands for, its causes walked through (OONI spec df-007-errors)."""
    word, code = _classify(error)
    if word == UNKNOWN and error.__cause__ is not None and not isinstance(error, ProxyUnusable):
        cause = failure_of(error.__cause__)
        if not cause.word.startswith(UNKNOWN):
            return cause
    text = describe(error)
    return Failure(f"{UNKNOWN}: {text}" if word == UNKNOWN else word, code, text)


def alert_of(error: BaseException | None) -> int | None:
    """The TLS alert that was received (RFC 8446 section 6), where that is what an error stands for."""
    found = ALERT_REASON.fullmatch(getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else None
    return ALERTS.get(found[1]) if found else None


def own_refusal(error: BaseException | None) -> str | None:
    """Why our own TLS library ended a handshake that the other end would have gone on with; None where it did not."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return WEAK_CERTIFICATES.get(error.verify_code)
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return None
    if not error.reason or error.reason in NO_TLS or alert_of(error) is not None:
        return None
    return error.reason.lower()


def describe(error: BaseException) -> str:
    """The raw text of an error: one bounded line without address literals, which may be the volunteer's own."""
    text = LITERAL.sub("[scrubbed]", f"{type(error).__name__}: {error}"[: 4 * MAX_ERROR_TEXT])
    return replace_unprintable(text, " ")[:MAX_ERROR_TEXT]


def internal_error(bug: BaseException, about: str) -> str:
    """The class of an exception and the line of ours that met it, for a record; the log gets `about` as well.

    The message is left out: it may hold anything, the volunteer's address included.
    """
    frames = extract_tb(bug.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(OWN_CODE)] or frames[-1:]
    place = f"{ours[-1].filename.removeprefix(OWN_CODE).lstrip('/')}:{ours[-1].lineno}" if ours else "unknown place"
    text = f"{type(bug).__name__} at {place}"
    LOGGER.error("internal error: %s, with %s", text, replace_unprintable(about, " ")[:MAX_ERROR_TEXT])
    return text


def _classify(error: BaseException) -> tuple[str, int | None]:
    match error:
        case ProxyUnusable():
            return UNKNOWN, None
        case ProxyRefused(reply=reply):
            return SOCKS_FAILURES[reply], reply
        case PrivateAddress():
            return "dns_bogon_error", None
        case Malformed(failure=failure):
            return failure, None
        case ssl.SSLCertVerificationError(verify_code=code):
            return VERIFY_FAILURES.get(code, "ssl_invalid_certificate"), code
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | EOFError():
            return "eof_error", None
        case ssl.SSLError():
            return "ssl_failed_handshake", None
        case TimeoutError():
            return "generic_timeout_error", getattr(error, "errno", None)
        case socket.gaierror(errno=number):
            return GETADDRINFO_FAILURES.get(number or 0, "dns_server_misbehaving"), number
        case OSError(errno=number) if number is not None:
            return ERRNO_FAILURES.get(number, UNKNOWN), number
        case _:
            return UNKNOWN, None
