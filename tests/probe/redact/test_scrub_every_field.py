"""Whatever field a record has, now or later, nothing of the volunteer's own survives in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.model import Http, Measurement, Observation, Target, Vantage
from probe.net import network
from probe.redact.scrub import SCRUBBED, scrub
from probe.redact.visitor_address import identifies_visitor
from probe.steps import specs
from tests.probe.redact.test_scrub import BEFORE, BEHIND, record, spelled, texts

OWN4, OWN6, OWN_MAC, OWN_NAME = "198.51.100.7", "2a02:6b8::7", "02:c0:ff:ee:12:34", "Anns-Laptop-7"
OWN = frozenset((OWN4, OWN6, OWN_MAC, OWN_NAME, "/home/ann"))


def filled(kind: Any, text: str, *, depth: int = 0) -> Any:
    """A value of a type, with `text` wherever text or bytes may be. A type that is not known here fails the test: then
    `probe.redact.scrub` must learn it first."""
    if kind is str:
        return text
    if kind is bytes:
        return text.encode()
    if kind in (int, float, bool):
        return kind(1)
    if get_origin(kind) is Literal:
        return get_args(kind)[0]
    if get_origin(kind) in (Union, UnionType):
        return filled(next(part for part in get_args(kind) if part is not NoneType), text)
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        return tuple(filled(part, text) for part in (parts[:1] * 2 if parts[-1] is Ellipsis else parts))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind(**{name: filled(hint, text) for name, hint in fields(kind)})
    raise AssertionError(f"probe.redact.scrub does not know what to do with {kind}")


def fields(kind: type[msgspec.Struct]) -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(kind)
    return ((name, hints[name]) for name in kind.__struct_fields__ if name != "detail")


def whole(text: str) -> Measurement:
    """A measurement with every kind of step, every field of which holds `text`."""
    steps = []
    for step, spec in specs().items():
        envelope = {name: filled(hint, text) for name, hint in fields(Observation)}
        steps.append(Observation(**envelope | {"step": step, "detail": filled(spec.detail, text)}))
    target = Target(text="http://a.example/", scheme="http", host="a.example", port=80, request_path="/")
    return Measurement(
        id="m", target=target, vantage=Vantage(name="v"), started_at="x", runtime_s=1.0, observations=tuple(steps)
    )


def holds(text: str) -> list[tuple[str, str]]:
    """Every field that holds some of the needles, of a measurement that was scrubbed."""
    return [
        (f"{step.step}.{name}", one)
        for step in scrub(whole(text), OWN).observations
        for part in (step, step.detail)
        for name in part.__struct_fields__
        if name != "detail"
        for one in texts(getattr(part, name))
        if any(needle in one.lower() for needle in NEEDLES)
    ]


MACS = [OWN_MAC, OWN_MAC.replace(":", "-"), OWN_MAC.replace(":", ""), OWN_MAC.replace(":", "%3A"), "02c0.ffee.1234"]
SPELLED = [*spelled(IPv4Address(OWN4)), *spelled(IPv6Address(OWN6)), OWN_NAME, "/home/ann", *MACS]
SPELLED += [one.upper() for one in SPELLED]
NEEDLES = {one.lower().removeprefix("::ffff:") for one in SPELLED}


@pytest.mark.parametrize("own", sorted(set(SPELLED)))
def test_no_field_of_any_step_holds_what_is_our_own_however_it_is_spelled(own: str) -> None:
    assert holds(f"before {own} behind") == []


@given(st.sampled_from(SPELLED), BEFORE, BEHIND)
def test_nor_wherever_it_stands(own: str, before: str, behind: str) -> None:
    if own.lower() == OWN_MAC.replace(":", "") and before == "x-":
        before = ""
    assert holds(before + own + behind) == []


@given(st.text(max_size=60))
def test_and_what_is_not_our_own_stays_as_it_is(text: str) -> None:
    made = whole(text)
    if not any(needle in text.lower() for needle in NEEDLES):
        clean = scrub(made, OWN)
        assert [o for o in clean.observations if o.step != "http"] == [o for o in made.observations if o.step != "http"]


@pytest.mark.parametrize(
    "other",
    ["02:c0:ff:ee:12:35", "f02c0ffee1234", "02c0ffee12345", "Banns-Laptop-7", "Anns-Laptop-77", "/home/anna", "ann"],
)
def test_a_part_of_something_longer_is_none_of_ours(other: str) -> None:
    made = record(Http(url="http://a.example/", status=200, body=other.encode(), title=other))
    assert scrub(made, OWN) == made


def test_bytes_keep_their_length_so_that_a_certificate_can_be_read() -> None:
    body = f"{OWN_NAME}|{OWN_MAC}|{OWN4}".encode()
    found = scrub(record(Http(url="http://a.example/", status=200, body=body)), OWN).observations[0].detail
    assert found.body == b"0000-000000-0|00:00:00:00:00:00|000.00.000.0"
    assert len(found.body) == len(body)


@pytest.mark.parametrize("header", ["X-Forwarded-For", "x-real-ip", "CF-Connecting-IP", "True-Client-IP"])
def test_a_header_that_tells_our_public_address_goes_also_behind_nat_where_we_do_not_know_it(header: str) -> None:
    made = record(Http(url="http://a.example/", status=200, headers=((header, "203.0.113.9"), ("Server", "x"))))
    found = scrub(made, frozenset()).observations[0].detail
    assert found.headers == ((header, SCRUBBED), ("Server", "x"))
    assert identifies_visitor(header.lower())


def test_hardware_addresses_are_those_of_hardware(tmp_path: Path) -> None:
    for name, address, hardware in (
        ("eth0", "02:C0:FF:EE:12:34", True),
        ("docker0", "02:42:aa:bb:cc:dd", False),
        ("wlan0", "nonsense", True),
        ("lo", "00:00:00:00:00:00", True),
    ):
        (tmp_path / name / ("device" if hardware else "queues")).mkdir(parents=True)
        (tmp_path / name / "address").write_text(address + "\n")
    assert network.hardware_addresses(tmp_path) == [OWN_MAC]
    assert network.hardware_addresses(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("host", "user", "home", "names"),
    [
        ("Anns-Laptop-7", "ann_smith", "/home/ann", {"Anns-Laptop-7", "ann_smith", "/home/ann"}),
        ("desktop-4jk2.fritz.box", "ann", "/home/ann", {"desktop-4jk2.fritz.box", "desktop-4jk2", "/home/ann"}),
        ("ubuntu", "michael", "/root", set()),
        ("localhost", "root", "/", set()),
    ],
)
def test_names_that_are_a_common_word_are_left_in_pages(
    host: str, user: str, home: str, names: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: host)
    monkeypatch.setattr("getpass.getuser", lambda: user)
    monkeypatch.setattr(Path, "home", lambda: Path(home))
    found = network.host_names.__wrapped__()
    assert {name for name in found if not re.fullmatch(network.HARDWARE, name)} == names


def test_a_user_without_a_name_or_a_home_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> Any:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", fails)
    monkeypatch.setattr(Path, "home", fails)
    network.host_names.__wrapped__()
