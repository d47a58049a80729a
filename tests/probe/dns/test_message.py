"""Messages that are read by hand say what dnspython reads in them, whatever a resolver or an attacker sends."""

from __future__ import annotations

from ipaddress import ip_address

import dns.edns
import dns.flags
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.dns.client import query_for
from probe.dns.message import MAX_EXTENDED_ERRORS, MAX_EXTENDED_TEXT, DnsAnswer, by_dnspython, plain
from probe.failure import Malformed

NAME = "www.site.example"
QUERIES = {kind: query_for(NAME, kind, 7) for kind in ("A", "AAAA")}
SOA = "ns.site.example. hostmaster.site.example. 1 2 3 4 5"
OPT_RECORD = bytes(11)
ipv4 = st.ip_addresses(v=4).map(str)
ipv6 = st.ip_addresses(v=6).map(str)


def response(
    kind: str,
    addresses: list[str],
    ttl: int,
    rcode: int,
    flags: int,
    *,
    edns: bool,
    soa: bool = False,
    options: tuple[dns.edns.Option, ...] = (),
) -> bytes:
    """What a resolver answers to the query: dnspython's message, with the records put in, for it would shuffle them."""
    message = dns.message.make_response(dns.message.from_wire(QUERIES[kind].wire))
    message.flags |= flags
    message.use_edns(0 if edns else -1, options=options)
    message.set_rcode(rcode)
    if soa:
        message.authority.append(dns.rrset.from_text("site.example.", 60, "IN", "SOA", SOA))
    wire, behind = message.to_wire(), 12 + len(QUERIES[kind].question)
    packed = [ip_address(address).packed for address in addresses]
    head = b"\xc0\x0c" + (b"\x00\x01" if kind == "A" else b"\x00\x1c") + b"\x00\x01" + ttl.to_bytes(4, "big")
    records = b"".join(head + len(one).to_bytes(2, "big") + one for one in packed)
    return wire[:6] + len(packed).to_bytes(2, "big") + wire[8:behind] + records + wire[behind:]


@st.composite
def answers(draw: st.DrawFn) -> tuple[str, bytes]:
    kind = draw(st.sampled_from(["A", "AAAA"]))
    addresses = draw(st.lists(ipv4 if kind == "A" else ipv6, max_size=5, unique=True))
    soa = draw(st.booleans())
    flags = draw(st.sampled_from([0, dns.flags.AD, dns.flags.TC, dns.flags.AA]))
    ttl, rcode = draw(st.integers(0, 2**31 - 1)), draw(st.sampled_from([0, 2, 3, 5]))
    codes = draw(st.lists(st.tuples(st.integers(0, 65535), st.sampled_from([None, "why", "warum – так"])), max_size=3))
    said = tuple(dns.edns.EDEOption(code, text) for code, text in codes)
    return kind, response(kind, addresses, ttl, rcode, flags, edns=draw(st.booleans()), soa=soa, options=said)


@given(answers())
def test_an_honest_answer_reads_the_same_by_hand_and_by_dnspython(case: tuple[str, bytes]) -> None:
    kind, wire = case
    agree(wire, kind)


@given(answers(), st.lists(st.tuples(st.integers(0, 511), st.integers(0, 255)), min_size=1, max_size=4), st.data())
def test_an_answer_that_was_tampered_with_reads_the_same_or_is_left_to_dnspython(
    case: tuple[str, bytes], changes: list[tuple[int, int]], data: st.DataObject
) -> None:
    kind, wire = case
    garbled = bytearray(wire[: data.draw(st.integers(0, len(wire)))] if data.draw(st.booleans()) else wire)
    for at, value in changes:
        if garbled:
            garbled[at % len(garbled)] = value
    agree(bytes(garbled), kind)


def agree(wire: bytes, kind: str) -> None:
    by_hand = plain(wire, QUERIES[kind].question)
    if by_hand is None:
        return
    try:
        whole = by_dnspython(wire)
    except Malformed:
        assert wire[8:10] != b"\0\0", "only in what is passed over may there be nonsense"
    else:
        assert told(by_hand) == told(whole)


def told(answer: DnsAnswer) -> tuple[object, ...]:
    errors = [(error.code, error.text) for error in answer.extended_errors]
    return answer.rcode, answer.authenticated, answer.truncated, sorted(one.value for one in answer.answers), errors


@pytest.mark.parametrize("kind", ["A", "AAAA"])
def test_the_ordinary_answer_is_read_by_hand(kind: str) -> None:
    addresses = ["198.51.100.7", "198.51.100.8"] if kind == "A" else ["2001:db8::7"]
    wire = response(kind, addresses, 300, 0, dns.flags.AD, edns=True)
    by_hand = plain(wire, QUERIES[kind].question)
    assert by_hand is not None
    assert [(one.type, one.value, one.ttl) for one in by_hand.answers] == [(kind, value, 300) for value in addresses]
    assert by_hand.authenticated


def test_an_alias_and_an_extended_code_are_left_to_dnspython() -> None:
    alias = dns.message.make_response(dns.message.from_wire(QUERIES["A"].wire))
    alias.answer.append(dns.rrset.from_text(f"{NAME}.", 300, "IN", "CNAME", "cdn.example."))
    extended = response("A", ["198.51.100.7"], 300, 16, 0, edns=True)
    for wire in (alias.to_wire(), extended):
        assert plain(wire, QUERIES["A"].question) is None


def test_what_is_no_message_is_called_so() -> None:
    with pytest.raises(Malformed):
        by_dnspython(b"no message at all")


@pytest.mark.parametrize("rcode", [0, 3])
def test_an_answer_that_says_there_is_none_is_read_by_hand(rcode: int) -> None:
    by_hand = plain(response("AAAA", [], 0, rcode, 0, edns=True, soa=True), QUERIES["AAAA"].question)
    assert by_hand is not None
    assert (by_hand.rcode, by_hand.answers) == (rcode, ())


COOKIE = dns.edns.GenericOption(10, b"eight by")


def test_extended_errors_are_read_by_hand_among_other_options() -> None:
    said = (COOKIE, dns.edns.EDEOption(16, "by order"), dns.edns.EDEOption(22))
    by_hand = plain(response("A", [], 0, 3, 0, edns=True, soa=True, options=said), QUERIES["A"].question)
    assert by_hand is not None
    assert [(error.code, error.text) for error in by_hand.extended_errors] == [(16, "by order"), (22, None)]


def test_extended_errors_are_read_beside_an_alias() -> None:
    alias = dns.message.make_response(dns.message.from_wire(QUERIES["A"].wire))
    alias.answer.append(dns.rrset.from_text(f"{NAME}.", 300, "IN", "CNAME", "cdn.example."))
    alias.use_edns(0, options=[COOKIE, dns.edns.EDEOption(6, "bogus")])
    read = by_dnspython(alias.to_wire())
    assert [(error.code, error.text) for error in read.extended_errors] == [(6, "bogus")]


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (b"\0\x0f" + b"x" * 900, [(15, "x" * MAX_EXTENDED_TEXT)]),
        (b"\0\x0fcut in a letter \xd0", [(15, "cut in a letter \ufffd")]),
        (b"\0\x0fterminated\0", [(15, "terminated")]),
        (b"\xff\xff", [(65535, None)]),
    ],
)
def test_an_extended_error_from_anywhere_is_bounded_text(value: bytes, read: list[tuple[int, str | None]]) -> None:
    wire = response("A", [], 0, 2, 0, edns=True, options=(dns.edns.GenericOption(15, value),))
    by_hand = plain(wire, QUERIES["A"].question)
    assert by_hand is not None
    assert [(error.code, error.text) for error in by_hand.extended_errors] == read


def test_no_more_extended_errors_are_kept_than_a_resolver_needs() -> None:
    wire = response("A", [], 0, 2, 0, edns=True, options=(dns.edns.EDEOption(6),) * 50)
    for read in (plain(wire, QUERIES["A"].question), by_dnspython(wire)):
        assert read is not None
        assert len(read.extended_errors) == MAX_EXTENDED_ERRORS


@pytest.mark.parametrize("value", [b"", b"\x0f"])
def test_an_extended_error_without_a_code_is_no_reason_to_lose_the_answer(value: bytes) -> None:
    wire = response("A", ["198.51.100.7"], 300, 0, 0, edns=True, options=(dns.edns.GenericOption(15, value),))
    by_hand = plain(wire, QUERIES["A"].question)
    assert by_hand is not None
    assert (len(by_hand.answers), by_hand.extended_errors) == (1, ())


def test_an_announced_record_that_is_missing_makes_no_answer() -> None:
    wire = response("A", ["198.51.100.7"], 300, 0, 0, edns=True)[: -len(OPT_RECORD)]
    assert plain(wire, QUERIES["A"].question) is None
    with pytest.raises(Malformed):
        by_dnspython(wire)


def test_a_text_that_is_no_utf_8_beside_an_alias_is_no_reason_to_lose_the_answer() -> None:
    alias = dns.message.make_response(dns.message.from_wire(QUERIES["A"].wire))
    alias.answer.append(dns.rrset.from_text(f"{NAME}.", 300, "IN", "CNAME", "cdn.example."))
    alias.use_edns(0, options=[dns.edns.GenericOption(15, b"\0\x0fblocked \xe7")])
    read = by_dnspython(alias.to_wire())
    assert [answer.value for answer in read.answers] == ["cdn.example"]
    assert [(error.code, error.text) for error in read.extended_errors] == [(15, "blocked \ufffd")]
