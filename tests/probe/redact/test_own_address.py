"""Own addresses in every spelling that pages and headers use; addresses beside them stay."""

from __future__ import annotations

import base64
import time

import pytest

from probe.model import Http
from probe.net.network import interface_addresses
from probe.redact.own_address import ALONE, OwnAddresses
from probe.redact.scrub import scrub
from tests.probe.redact.test_scrub import page, record, texts

OWN = frozenset({"45.34.0.2", "2a0f:5707:1::2", "192.168.7.5", "10.0.0.5"})

SPELLED = [
    "45.34.0.2", "45-34-0-2", "host-45_34_0_2.isp.example", "45.34.0.2:443", "for=45.34.0.2;by", "045.034.000.002",
    "045.34.00.2", "055.042.0.02", "757202946", "ip=757202946&x", "2.0.34.45.in-addr.arpa", "2-0-34-45.isp.example",
    "0x2d220002", "2d220002", "2D.22.00.02", "2d:22:00:02", "0x2d.0x22.0x0.0x2", "0200222d", "::ffff:2d22:2",
    "2002:2d22:0002::1", "64:ff9b::2d22:2", "45%2e34%2E0%2e2", "45%252e34%252e0%252e2", "%2045.34.0.2",
    "%252045.34.0.2", "\\u002045.34.0.2", "45[.]34[.]0[.]2", "45&#46;34&#46;0&#46;2", "45\\u002e34\\u002e0\\u002e2",
    "%34%35%2e%33%34%2e%30%2e%32", "192-168-7-5", "192.168.007.005", "5.7.168.192.in-addr.arpa", "010.000.000.005",
    "2a0f:5707:1::2", "2A0F:5707:0001:0000:1:2:3:4", "2a0f:5707:1::99", "2a0f:5707:1:0:dead:beef::", "2a0f-5707-1--2",
    "2a0f_5707_1__7.isp.example", "2a0f%3A5707%3a1%3A%3A7", "2a0f%253a5707%253a1%253a%253a7", "[2a0f:5707:1::2]:443",
    "2a0f57070001000012345678abcdef01",
    "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.7.0.7.5.f.0.a.2.ip6.arpa",
]  # fmt: skip
TRACES = ["45.34.0.2", "45-34-0-2", "45_34_0_2", "757202946", "2d220002", "192.168.7.5", "5707", "7.5.f.0.a.2"]


@pytest.mark.parametrize("spelled", SPELLED)
def test_every_spelling_is_found_whole_and_at_a_glance(spelled: str) -> None:
    own = OwnAddresses(OWN)
    ((start, end),) = own.spans(f"x {spelled} y".encode())
    assert len(f"x {spelled} y".encode()[start:end]) >= min(len(spelled), 6)
    assert own.may_occur_in(f"x {spelled} y".encode())
    left = "".join(texts(scrub(record(page(f"x {spelled} y")), OWN)))
    assert [trace for trace in TRACES if trace in spelled.lower() and trace in left.lower()] == []


@pytest.mark.parametrize("coding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("pad", ["", "x"])
@pytest.mark.parametrize("spelled", ["45.34.0.2", "045-034-000-002", "2a0f:5707:1::99"])
def test_utf_16_is_searched_too(coding: str, pad: str, spelled: str) -> None:
    body = pad.encode() + f"Ваш IP {spelled}, привет".encode(coding)
    assert OwnAddresses(OWN).may_occur_in(body)
    found = scrub(record(Http(url="http://a.example/", body=body)), OWN).observations[0].detail.body
    assert len(found) == len(body)
    assert spelled not in found[len(pad) :].decode(coding)
    assert ", привет" in found[len(pad) :].decode(coding)


@pytest.mark.parametrize("before", ['{"ip":"', 'a{"ip":"', 'ab{"ip":"'])
def test_base64_is_searched_wherever_the_address_begins(before: str) -> None:
    text = base64.b64encode(f'{before}45.34.0.2"}}'.encode()).decode()
    found = scrub(record(Http(url="http://a.example/", body=f"x={text}".encode())), OWN).observations[0].detail
    assert b"34.0" not in base64.b64decode(found.body.removeprefix(b"x="))


@pytest.mark.parametrize(
    "other",
    ["45.34.0.22", "145.34.0.2", "45.34.0.3", "2a0f:5707:1:1::5", "2a0f:5707:2::2", "1757202946", "7572029461",
     "a2d220002f", "192.168.7.55", "45.34.2.0", "version 45.34.02x.2"],
)  # fmt: skip
def test_what_is_another_address_stays(other: str) -> None:
    measured = record(page(f"see {other} there"))
    assert scrub(measured, OWN) == measured


def test_a_neighbour_that_was_measured_stays_and_the_own_address_goes() -> None:
    measured = record(page("2a0f:5707:1::99 and 2a0f:5707:1::2 there"), address="2a0f:5707:1::99")
    found = scrub(measured, OWN).observations[0]
    assert found.address == "2a0f:5707:1::99"
    assert found.detail.title == "2a0f:5707:1::99 and [scrubbed] there"
    assert OwnAddresses({f"2a0f:5707:1::2{ALONE}"}).spans(b"2a0f:5707:1::99") == []


@pytest.mark.parametrize(
    "kind", [b"45.34.0.2 ", b"45.34.0.22 ", b"2a0f:5707:", b"2a0f-", b"1", b"45", b"%25", b"4\x005\x00.\x00", b"2:2::"]
)
def test_hostile_bytes_take_linear_time(kind: bytes) -> None:
    took = []
    for size in (32, 512):
        measured = record(Http(url="http://a.example/", body=(kind * (size * 1024))[: size * 1024]))
        began = time.process_time()
        scrub(measured, OWN)
        took.append(time.process_time() - began)
    assert took[1] < 64 * max(took[0], 0.01)
    assert took[1] < 3


def test_an_interfaces_ipv6_addresses_are_known_before_a_connection(tmp_path: object) -> None:
    from pathlib import Path

    table = Path(str(tmp_path)) / "if_inet6"
    table.write_text(
        "2a0f5707000100000000000000000002 02 40 00 80     eth0\n"
        "00000000000000000000000000000001 01 80 10 80       lo\n"
        "fe80000000000000aaaaaafffebbbbbb 02 40 20 80     eth0\n"
    )
    assert interface_addresses(table) == ["2a0f:5707:1::2"]
    table.write_text("nonsense\n")
    assert interface_addresses(table) == []
    assert interface_addresses(table.with_name("none")) == []
