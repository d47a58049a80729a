"""Foreign errors become OONI failure strings here and nowhere else, by number and type, never by message text."""

from __future__ import annotations

import errno
import logging
import re
import socket
import ssl
from pathlib import Path
from traceback import extract_tb
from types import ModuleType

import msgspec

from probe import data_files
from probe.text import replace_unprintable


def _words(table: str, numbers: ModuleType | None = None) -> dict[int, str]:
    """Number -> failure string, by a table of failures.toml, whose numbers `numbers` may name."""
    found = data_files("probe")["failures"][table]
    pairs = ((getattr(numbers, str(given), given), word) for word, listed in found.items() for given in listed)
    return {number: word for number, word in pairs if isinstance(number, int)}


ERRNO_FAILURES, GETADDRINFO_FAILURES = _words("errno", errno), _words("getaddrinfo", socket)
VERIFY_FAILURES, RCODE_FAILURES, SOCKS_FAILURES = _words("verify"), _words("rcode"), _words("socks")
WEAK_CERTIFICATES = _words("weak_certificate")
NO_TLS = frozenset(data_files("probe")["failures"]["openssl"]["not_tls"])
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
