"""No address of the volunteer's own survives in a record; all others do."""

from __future__ import annotations

import hashlib
import ssl
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import msgspec
from cryptography import x509
from hypothesis import assume, given
from hypothesis import strategies as st

from probe.model import Answer, Dns, Http, Measurement, Observation, Target, Tls, Vantage
from probe.redact import scrub as scrub_module
from probe.redact.scrub import SCRUBBED, scrub
from probe.redact.visitor_address import identifies_visitor
from schedules.demo.authority import Authority

OWN4, OWN6 = "192.168.7.5", "2001:db8:77::5"


def record(*details: Any, **envelope: Any) -> Measurement:
    wanted: dict[str, Any] = {
        "step": "http",
        "role": "main",
        "hop": 0,
        "started_at": "2026-11-24T18:00:00.000Z",
        "host": "a.example",
    } | envelope
    observations = tuple(
        Observation(id=f"m.{n}", offset_s=0.0, duration_s=0.0, detail=detail, **wanted)
        for n, detail in enumerate(details)
    )
    target = Target(text="http://a.example/", scheme="http", host="a.example", port=80, request_path="/")
    return Measurement(
        id="m", target=target, vantage=Vantage(name="v"), started_at="2026-11-24T18:00:00.000Z", runtime_s=1.0,
        observations=observations,
    )  # fmt: skip


def page(text: str) -> Http:
    """A page that has `text` everywhere."""
    body = text.encode()
    return Http(
        url=f"http://a.example/?{text}", status=200, location=text, headers=(("X-Client", text), (f"X-{text}", "1")),
        body=body, body_sha256=hashlib.sha256(body).hexdigest(), length=len(body), title=text,
    )  # fmt: skip


def texts(value: Any) -> list[str]:
    """Every text and every run of bytes in a record."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, bytes):
        return [value.decode("latin-1")]
    if isinstance(value, tuple):
        return [text for part in value for text in texts(part)]
    if isinstance(value, msgspec.Struct):
        return [text for name in value.__struct_fields__ for text in texts(getattr(value, name))]
    return []


def spelled(address: IPv4Address | IPv6Address) -> list[str]:
    if isinstance(address, IPv4Address):
        return [str(address), f"::ffff:{address}", str(address).replace(".", "-")]
    plain = ":".join(group.lstrip("0") or "0" for group in address.exploded.split(":"))
    forms = [str(address), address.exploded, plain]
    forms += [form.upper() for form in forms]
    return forms + [form.replace(":", colon) for form in forms for colon in ("%3A", "%3a")]


BEFORE = st.sampled_from(
    ["", " ", "ip=", "[", "(", "client ", "%3D", "%20", "x-", ",", '"', "<b>", "\u00a0", "/", "адрес "]
)
BEHIND = st.sampled_from(["", " ", "]", ")", "&x=1", ",", '"', "</b>", "/", "%26", ";", "\n", ". Bye", " год"])
ADDRESSES = st.ip_addresses().filter(
    lambda a: not (a.is_loopback or a.is_unspecified or getattr(a, "ipv4_mapped", None))
)


@given(ADDRESSES, st.data(), BEFORE, BEHIND)
def test_an_own_address_never_survives_in_any_field(
    own: IPv4Address | IPv6Address, data: st.DataObject, before: str, behind: str
) -> None:
    form = data.draw(st.sampled_from(spelled(own)))
    text = before + form + behind
    measured = record(
        page(text),
        Dns(resolver=f"udp://{text}", query_type="A", rcode=0, answers=(Answer(type="TXT", value=text),)),
        Tls(server_name=text, version=text, chain=(text.encode(),), fingerprint="0"),
        error=text, host=text, address=text, failure=f"unknown_failure: {text}",
    )  # fmt: skip
    needle = form.removeprefix("::ffff:").lower()
    found = scrub(measured, frozenset({str(own)}))
    assert [t for o in found.observations for t in texts(o) if needle in t.lower()] == []


UNLABELLED = BEFORE.filter(lambda before: before not in ("ip=", "client ", "адрес "))


@given(ADDRESSES, ADDRESSES, UNLABELLED, BEHIND)
def test_another_address_is_left_alone(
    own: IPv4Address | IPv6Address, other: IPv4Address | IPv6Address, before: str, behind: str
) -> None:
    reversed_ = own.__class__(own.packed[::-1])
    assume(other not in (own, reversed_) and getattr(other, "ipv4_mapped", None) not in (own, reversed_))
    measured = record(page(f"see {before}{other}{behind}"))  # what is only an address is the visitor's
    assert scrub(measured, frozenset({str(own)})) == measured


@given(st.text(max_size=100), st.binary(max_size=300))
def test_a_record_without_own_addresses_is_left_as_it_is(text: str, body: bytes) -> None:
    assume(not identifies_visitor(f"x-{text}".lower()))
    measured = record(msgspec.structs.replace(page(text), body=body))
    assert scrub(measured, frozenset({OWN4, OWN6, "fe80::1%eth0"})) == measured


def test_an_address_is_no_part_of_a_longer_one() -> None:
    measured = record(page("192.168.7.55 1192.168.7.5 2001:db8:77::5:1 2001:db8:77::55 12001:db8:77::5"))
    assert scrub(measured, frozenset({OWN4, OWN6})) == measured


def test_what_is_left_reads_well() -> None:
    found = scrub(record(page(f"You are {OWN4}.")), frozenset({OWN4})).observations[0].detail
    assert found.title == f"You are {SCRUBBED}."
    assert found.body == b"You are 000.000.0.0."
    assert found.length == len(found.body)


def test_a_hash_is_made_again_since_it_would_tell_the_address() -> None:
    found = scrub(record(page(f"You are {OWN4}.")), frozenset({OWN4})).observations[0].detail
    assert found.body_sha256 == hashlib.sha256(found.body).hexdigest()


def test_a_certificate_that_names_us_can_still_be_read(tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("authority")
    Authority(folder).context(f"visitor-{OWN4}.x.test")
    (pem,) = [file.read_text() for file in folder.iterdir() if "leaf" in file.name]
    leaf = ssl.PEM_cert_to_DER_cert(pem[: pem.index("-----BEGIN PRIVATE")])
    measured = record(Tls(server_name=None, chain=(leaf,), fingerprint=hashlib.sha256(leaf).hexdigest()), step="tls")
    found = scrub(measured, frozenset({OWN4})).observations[0].detail
    assert x509.load_der_x509_certificate(found.chain[0]).subject.rfc4514_string() == "CN=visitor-000.000.0.0.x.test"
    assert found.fingerprint == hashlib.sha256(found.chain[0]).hexdigest()


def test_loopback_is_nobodys_own() -> None:
    measured = record(page("127.0.0.1 and ::1 and 127.77.0.1"))
    assert scrub(measured, frozenset({"127.0.0.1", "::1", "127.77.0.1", "0.0.0.0", "::"})) == measured


def test_an_address_that_was_given_as_the_target_stays() -> None:
    measured = record(page(f"You asked {OWN4}"), host=OWN4, address=OWN4)
    measured = msgspec.structs.replace(measured, target=msgspec.structs.replace(measured.target, host=OWN4))
    assert scrub(measured, frozenset({OWN4})) == measured


def test_cookies_set_for_this_visitor_go_in_any_case() -> None:
    headers = (("Set-Cookie", "id=visitor-1"), ("WWW-Authenticate", "Basic realm=x"), ("Server", "honest"))
    measured = record(msgspec.structs.replace(page("hello"), headers=headers))
    for own in (frozenset[str](), frozenset({OWN4})):
        found = scrub(measured, own).observations[0].detail
        assert found.headers == (("Set-Cookie", SCRUBBED), ("WWW-Authenticate", SCRUBBED), ("Server", "honest"))


def _looked_through_plainly(value: Any, addresses: Any) -> Any:
    """What `_clean` has to give, without any of its short cuts."""
    if isinstance(value, str):
        return addresses.out_of_text(value)
    if isinstance(value, bytes):
        return addresses.out_of_bytes(value)
    if isinstance(value, tuple):
        return tuple(_looked_through_plainly(part, addresses) for part in value)
    return value


@given(
    st.recursive(
        st.sampled_from(["192.0.2.7", "at 192.0.2.7.", b"x 192.0.2.7 y", b"", "", "plain", 7, 1.5, True, None]),
        lambda inner: st.lists(inner, max_size=5).map(tuple),
        max_leaves=20,
    )
)
def test_whatever_a_field_holds_is_looked_through_and_what_holds_nothing_stays_the_very_same(value: Any) -> None:
    addresses = scrub_module._Addresses.of(frozenset({"192.0.2.7"}))
    cleaned = scrub_module._clean(value, addresses)
    expected = _looked_through_plainly(value, addresses)
    assert cleaned == expected
    if expected == value:
        assert cleaned is value


NAMES = (
    "Anns-Laptop-7",
    "12k345",
    "12Ä345",
    "kai",
    "/home/kai",
    "Jürgen",
    'a"b\\c',
    "10.0.0.5",
    OWN4,
    OWN6,
    "02:c0:ff:ee:12:34",
)
NEAR = (
    *NAMES,
    "12\u212a345",
    "KAI",
    "\u212aai",
    "ka\u0130",
    "JÜRGEN",
    "10-0-0-5",
    "20010db8",
    "02C0FFEE1234",
    "100",
    "05",
    "\ud800",
)


@given(
    st.frozensets(st.sampled_from(NAMES)),
    st.recursive(
        st.lists(st.sampled_from(NEAR) | st.text(max_size=4), max_size=3).map("".join)
        | st.lists(st.sampled_from(NEAR), max_size=2).map(lambda parts: "".join(parts).encode("utf-8", "replace"))
        | st.sampled_from([None, 7, 2**70, 1.5, 10005]),
        lambda inner: st.lists(inner, max_size=4).map(tuple),
        max_leaves=8,
    ),
)
def test_what_is_passed_over_at_a_glance_holds_nothing(own: frozenset[str], value: Any) -> None:
    addresses = scrub_module._Addresses.of(own)
    assert addresses.may_occur_in(value) or _looked_through_plainly(value, addresses) == value


def test_no_other_sign_becomes_one_of_ascii_in_lower_case() -> None:
    beyond = (chr(n) for n in range(128, 0x110000))
    found = [one for one in beyond if any(sign.isascii() for sign in one.lower())]
    assert sorted(one.encode() for one in found) == sorted(scrub_module.FOLDED_TO_ASCII)


def test_an_ordinary_record_is_passed_over_at_a_glance() -> None:
    addresses = scrub_module._Addresses.of(frozenset({OWN4, OWN6, "Anns-Laptop-7", "02:c0:ff:ee:12:34"}))
    assert not addresses.may_occur_in(record(page("nothing of ours, 192.0.2.7")).observations)
    assert addresses.may_occur_in(record(page(f"something of ours, {OWN4}")).observations)
