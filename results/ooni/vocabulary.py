"""Converts OONI's failures, texts, times, addresses, countries and networks to ours."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from datetime import UTC, datetime, timedelta

from probe.net.address_policy import literal
from probe.net.network import ALPHABET, ID_CHARACTERS
from probe.text import printable
from probe.timestamps import parse_time, rfc3339
from results.db.jsonl import BadRecord
from results.ooni.format import Text

FAILURES = frozenset((
    "android_dns_cache_no_data", "connection_aborted", "connection_already_closed", "connection_refused",
    "connection_reset", "dns_bogon_error", "dns_no_answer", "dns_non_recoverable_failure", "dns_nxdomain_error",
    "dns_refused_error", "dns_reply_with_wrong_query_id", "dns_server_misbehaving", "dns_servfail_error",
    "dns_temporary_failure", "eof_error", "generic_timeout_error", "host_unreachable",
    "http_invalid_redirect_location_host", "http_request_failed", "http_unexpected_redirect_url",
    "http_unexpected_status_code", "interrupted", "json_parse_error", "network_down", "network_reset",
    "network_unreachable", "quic_incompatible_version", "ssl_failed_handshake", "ssl_invalid_certificate",
    "ssl_invalid_hostname", "ssl_unknown_authority",
))  # fmt: skip
"""OONI spec df-007-errors: each is the same word in our own records."""

OLDER = {
    "connection_refused_error": "connection_refused",
    "deferred_timeout_error": "generic_timeout_error",
    "dns_name_error": "dns_nxdomain_error",
    "no_answer": "dns_no_answer",
    "tcp_timed_out_error": "generic_timeout_error",
}
"""What older test helpers say."""

TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)Z?")
COUNTRY = re.compile(r"[A-Z]{2}")
ASN = re.compile(r"AS(\d{1,10})")
NOWHERE = "ZZ"
"""OONI's country where it could not tell."""
MAX_ASN = 2**32 - 1
MAX_UNKNOWN_CHARACTERS = 200


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
        raise BadRecord(f"bytes in the format {printable(text.format, 40)!r}; only base64 is known")
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
        raise BadRecord(f"{printable(text, 60)!r} is no address")
    return str(found)


def endpoint_of(text: str) -> tuple[str, int]:
    """The address and port of `192.0.2.1:443` and `[2001:db8::1]:443`; BadRecord for anything else."""
    address, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port[:6]) > 65535:
        raise BadRecord(f"{printable(text, 60)!r} is no address and port")
    return address_of(address.removeprefix("[").removesuffix("]")), int(port)


def time_of(text: str) -> datetime:
    """The UTC instant of `2026-11-24 15:37:00`; BadRecord for anything else."""
    found = TIME.fullmatch(text)
    try:
        if found:
            return parse_time(f"{found[1]}T{found[2]}")
    except ValueError:
        pass
    raise BadRecord(f"{printable(text, 60)!r} is no time")


def instant(began: datetime, offset_s: float = 0.0) -> str:
    """RFC 3339 with milliseconds. BadRecord where no calendar goes so far."""
    try:
        moment = began.astimezone(UTC) + timedelta(seconds=offset_s)
    except OverflowError as error:
        raise BadRecord("a time beyond the calendar") from error
    return rfc3339(moment)


def country_of(text: str | None) -> str | None:
    """ISO 3166 alpha-2; None where OONI does not know. BadRecord for anything else."""
    if text in (None, "", NOWHERE):
        return None
    if not COUNTRY.fullmatch(text or ""):
        raise BadRecord(f"probe_cc {printable(text or '', 20)!r} is no country")
    return text


def asn_of(text: str | None) -> int | None:
    """The network's number; None where OONI does not know (AS0). BadRecord for anything else."""
    if text in (None, ""):
        return None
    found = ASN.fullmatch(text or "")
    if not found or int(found[1]) > MAX_ASN:
        raise BadRecord(f"probe_asn {printable(text or '', 20)!r} is no AS number")
    return int(found[1]) or None


def identifier(*parts: str) -> str:
    """An id like our own, always the same for the same parts."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:ID_CHARACTERS])
