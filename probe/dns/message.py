"""Reads a DNS message: simple answers here, all others by dnspython, which alone costs half as many calls again."""

from __future__ import annotations

import socket
import struct
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from probe.failure import Malformed
from probe.model import Answer, ExtendedError

if TYPE_CHECKING:
    from dns.message import Message

HEADER = struct.Struct("!HHHHHH")
RECORD = struct.Struct("!HHHIH")
"""Owner, type, class, TTL, length (RFC 1035 section 4.1.3), the owner being a pointer."""
THE_QUESTION = 0xC00C
"""A pointer to the name behind the header (RFC 1035 section 4.1.4)."""
QUESTION = 12
ADDRESSES = {(1, 1, 4): ("A", socket.AF_INET), (28, 1, 16): ("AAAA", socket.AF_INET6)}
"""Type, class and length of the records that are read here."""
OPT = struct.Struct("!BHHBBHH")
"""Root, type 41, size, upper bits of the rcode, version, flags, length (RFC 6891 section 6.1.2)."""
EXTENDED_ERROR = 15
"""The option code of an extended DNS error (RFC 8914 section 2)."""
MAX_EXTENDED_ERRORS, MAX_EXTENDED_TEXT = 8, 200
FIXED = 10
"""Bytes of a record between its name and its data."""
MAX_SKIPPED_RECORDS = 8
TC, AD, RCODE = 0x0200, 0x0020, 0x000F
MAX_TTL = 0x7FFFFFFF
"""RFC 2181 section 8; dnspython handles more."""
MAX_ANSWERS = 64


class DnsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed message; `message` is dnspython's, None if it was not needed."""

    rcode: int
    authenticated: bool
    truncated: bool
    answers: tuple[Answer, ...]
    extended_errors: tuple[ExtendedError, ...] = ()
    message: Message | None = None


def read(data: bytes, question: bytes) -> DnsAnswer:
    """Parse `data`; `question` is the section sent, in lower case. Malformed if it is not a message."""
    return plain(data, question) or by_dnspython(data)


def plain(data: bytes, question: bytes) -> DnsAnswer | None:
    """A message that answers this question with addresses of its name, or none, and at most an OPT; else None."""
    at = QUESTION + len(question)
    if len(data) < at or data[QUESTION:at].lower() != question:
        return None
    _, flags, questions, records, authorities, others = HEADER.unpack_from(data)
    if questions != 1 or others > 1 or records > MAX_ANSWERS or authorities > MAX_SKIPPED_RECORDS or flags & TC:
        return None
    answers: list[Answer] = []
    for _ in range(records):
        if at + RECORD.size > len(data):
            return None
        owner, kind, family, ttl, length = RECORD.unpack_from(data, at)
        at += RECORD.size + length
        known, address = ADDRESSES.get((kind, family, length)), data[at - length : at]
        if known is None or owner != THE_QUESTION or ttl > MAX_TTL or len(address) < length or _is_mixed(address):
            return None
        answers.append(Answer(type=known[0], value=socket.inet_ntop(known[1], address), ttl=ttl))
    # A valid set has one TTL and each record once (RFC 2181 section 5); dnspython handles the others.
    if len({(one.type, one.ttl) for one in answers}) > 1 or len({one.value for one in answers}) < records:
        return None
    for _ in range(authorities):
        at = _behind_record(data, at)
    errors = _errors_of_opt(data[at:]) if others else ()
    if errors is None or (at != len(data) and not others):
        return None
    return DnsAnswer(
        rcode=flags & RCODE,
        authenticated=bool(flags & AD),
        truncated=False,
        answers=tuple(answers),
        extended_errors=errors,
    )


def _errors_of_opt(record: bytes) -> tuple[ExtendedError, ...] | None:
    """The extended errors in an OPT record; None if it is none, or one that dnspython has to read."""
    if len(record) < OPT.size:
        return None
    root, kind, _, upper, _, _, length = OPT.unpack_from(record)
    if (root, kind, upper, length) != (0, 41, 0, len(record) - OPT.size):
        return None
    found: list[ExtendedError] = []
    at = OPT.size
    while at < len(record):
        option, size = int.from_bytes(record[at : at + 2], "big"), int.from_bytes(record[at + 2 : at + 4], "big")
        value = record[at + 4 : at + 4 + size]
        if at + 4 > len(record) or len(value) < size:
            return None
        at += 4 + size
        if option == EXTENDED_ERROR and size >= 2 and len(found) < MAX_EXTENDED_ERRORS:
            found.append(_extended(int.from_bytes(value[:2], "big"), value[2:].decode("utf-8", "replace")))
    return tuple(found)


def _extended(code: int, text: str | None) -> ExtendedError:
    return ExtendedError(code=code, text=(text or "").rstrip("\0")[:MAX_EXTENDED_TEXT] or None)


def _behind_record(data: bytes, at: int) -> int:
    """The end of the record at `at`; beyond the message if it is cut short."""
    while at < len(data) and 0 < data[at] < 0xC0:
        at += 1 + data[at]
    at += 2 if at < len(data) and data[at] else 1
    return at + FIXED + int.from_bytes(data[at + FIXED - 2 : at + FIXED], "big")


def _is_mixed(address: bytes) -> bool:
    """Whether it is an IPv6 address with an embedded IPv4 one, which programs write differently."""
    return len(address) == 16 and not any(address[:10])


def by_dnspython(data: bytes) -> DnsAnswer:
    """Parse any message; Malformed if it is none."""
    import dns.flags
    import dns.message
    import dns.rdataclass
    import dns.rdatatype

    _read_any_text()
    try:
        message = dns.message.from_wire(data, ignore_trailing=True, raise_on_truncation=False)
        found = (
            Answer(type=dns.rdatatype.to_text(rrset.rdtype), value=_value(rdata), ttl=rrset.ttl)
            for rrset in message.answer
            if rrset.rdclass == dns.rdataclass.IN
            for rdata in rrset
        )
        answers = tuple(islice(found, MAX_ANSWERS))
    except Exception as error:
        # dnspython raises errors of many kinds on hostile bytes, some as late as a record's text is made.
        raise Malformed("dns_server_misbehaving", f"not a DNS message: {type(error).__name__}") from error
    return DnsAnswer(
        rcode=int(message.rcode()),
        authenticated=bool(message.flags & dns.flags.AD),
        truncated=bool(message.flags & dns.flags.TC),
        answers=answers,
        extended_errors=tuple(
            _extended(int(option.code), option.text)
            for option in islice((o for o in message.options if o.otype == EXTENDED_ERROR), MAX_EXTENDED_ERRORS)
        ),
        message=message,
    )


@cache
def _read_any_text() -> None:
    """Have dnspython take an extended error whose text is no UTF-8, for which it refuses the whole message."""
    import dns.edns

    class AnyText(dns.edns.EDEOption):
        @classmethod
        def from_wire_parser(cls, otype: int | str, parser: Any) -> dns.edns.EDEOption:
            return cls(parser.get_uint16(), parser.get_remaining().decode("utf-8", "replace") or None)

    dns.edns.register_type(AnyText, dns.edns.OptionType.EDE)


def _value(rdata: Any) -> str:
    return str(rdata).rstrip(".").lower()[:512]
