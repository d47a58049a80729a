"""DNS answers: whatever a resolver or an injector sends is a bounded record or Malformed."""

from __future__ import annotations

import contextlib

import dns.edns
import dns.flags
import dns.message
import dns.rdtypes.IN.HTTPS
import dns.rdtypes.svcbbase
import dns.rrset
import msgspec

from probe.dns.client import query_for
from probe.dns.message import MAX_ANSWERS, MAX_EXTENDED_ERRORS, MAX_EXTENDED_TEXT, by_dnspython, plain, read
from probe.failure import Malformed
from probe.model import Dns, Svcb
from probe.session import Settings
from probe.steps import dns as dns_step
from probe.steps import svcb
from tests.fuzz.targets import can_be_stored

INSTRUMENT = ("probe.dns", "probe.steps", "dns")
NAME = "www.site.example"
KINDS = ("A", "AAAA", "HTTPS")
QUERIES = {kind: query_for(NAME, kind, 7) for kind in KINDS}
AS_IT_IS = 0x80
"""In the first byte: the message is not made to look like an answer to the question."""
HEADER_BYTES = 12
MAX_NAME, MAX_VALUE, MAX_ALPN = 255, 512, 32


def message_of(data: bytes) -> tuple[str, bytes]:
    """The type asked for, and the message: its flags, counts and records are those of the data."""
    kind, body = KINDS[data[0] % 3], data[1:]
    if data[0] & AS_IT_IS:
        return kind, body
    head = QUERIES[kind].wire[:2] + bytes([body[0] | 0x80 if body else 0x80]) + body[1:2]
    counts = b"\x00\x01" + body[2:8].ljust(6, b"\0")
    return kind, head.ljust(4, b"\0") + counts + QUERIES[kind].question + body[8:]


def check(data: bytes) -> None:
    if not data:
        return
    kind, message = message_of(data)
    query = QUERIES[kind]
    query.is_answered_by(message)
    svcb.public_name(message[HEADER_BYTES:])
    try:
        answer = read(message, query.question)
    except Malformed:
        return
    assert len(answer.answers) <= MAX_ANSWERS
    assert all(len(one.value) <= MAX_VALUE for one in answer.answers)
    assert len(answer.extended_errors) <= MAX_EXTENDED_ERRORS
    assert all(len(error.text or "") <= MAX_EXTENDED_TEXT for error in answer.extended_errors)
    quick = plain(message, query.question)
    if quick is not None:
        with contextlib.suppress(Malformed):  # it refuses a message for an option that nothing here needs
            assert msgspec.structs.replace(by_dnspython(message), message=None) == quick
    detail = dns_step._read(answer, Dns(resolver="udp://192.0.2.1", query_type=kind))
    can_be_stored(detail)
    with contextlib.suppress(Malformed):
        dns_step._check(detail, Settings())
    offer = svcb._read(answer, Svcb(resolver="udp://192.0.2.1"))
    can_be_stored(offer)
    assert len(offer.alpn) <= svcb.MAX_PROTOCOLS
    assert all(len(one) <= MAX_ALPN for one in offer.alpn)
    assert len(offer.ech_public_name or "") <= MAX_NAME


def _seed(kind: str, *records: tuple[str, str], rcode: int = 0, why: str | None = None) -> bytes:
    answer = dns.message.make_response(dns.message.from_wire(QUERIES[kind].wire))
    answer.set_rcode(rcode)
    answer.use_edns(0, options=[dns.edns.EDEOption(15, why)] if why else [])
    for of, value in records:
        answer.answer.append(dns.rrset.from_text(f"{NAME}.", 60, "IN", of, value))
    wire = answer.to_wire()
    return bytes([KINDS.index(kind)]) + wire[2:4] + wire[6:12] + wire[HEADER_BYTES + len(QUERIES[kind].question) :]


SEEDS = (
    _seed("A", ("A", "192.0.2.1"), ("A", "192.0.2.2")),
    _seed("AAAA", ("AAAA", "2001:db8::1")),
    _seed("A", ("CNAME", "other.example.")),
    _seed("A", rcode=3, why="blocked by law"),
    _seed("A", ("TXT", '"text" "more"'), ("MX", "10 mx.example."), ("SOA", "a. b. 1 2 3 4 5")),
    _seed("HTTPS", ("HTTPS", '1 . alpn="h2,h3" ipv4hint=192.0.2.1')),
    b"\x02" + _seed("HTTPS", ("TYPE65", "\\# 10 000100 00010003026832"))[1:],
    bytes([AS_IT_IS]) + QUERIES["A"].wire,
    b"\0\x01\x80\0\x01\0\0\0\0\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01",
)
