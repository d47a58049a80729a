"""An address's network and country by a file of one's own, in MaxMind's format; broken files and odd records too."""

from __future__ import annotations

import os
import struct
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedules.config.load import load
from schedules.config.toml import ConfigError
from schedules.location.geoip import AsnDatabases, asn_of, country_of
from schedules.location.location import asn_lookup

pytest.importorskip("maxminddb")
MARK = b"\xab\xcd\xefMaxMind.com"


def encoded(value: Any) -> bytes:
    """A value of the data section (MaxMind DB File Format 2.0); bytes are whole numbers of 2 or 8 octets."""
    if isinstance(value, dict):
        return bytes([0xE0 | len(value)]) + b"".join(encoded(k) + encoded(v) for k, v in value.items())
    if isinstance(value, str):
        return bytes([0x40 | len(value)]) + value.encode()
    if isinstance(value, list):
        return bytes([len(value), 4]) + b"".join(map(encoded, value))
    if isinstance(value, bytes):
        return {2: b"\xa2", 8: b"\x08\x02"}[len(value)] + value
    return bytes([0xC4]) + struct.pack(">I", value)


def database(records: dict[str, Any]) -> bytes:
    """An MMDB file of these IPv6 networks, its tree of records of 24 bits."""
    nodes: list[list[Any]] = [[None, None]]
    data = b""
    for text, record in records.items():
        network = IPv6Network(text)
        here = 0
        for depth in range(network.prefixlen):
            bit = int(network.network_address) >> (127 - depth) & 1
            if depth + 1 == network.prefixlen:
                nodes[here][bit] = ("data", len(data))
            elif nodes[here][bit] is None:
                nodes.append([None, None])
                nodes[here][bit] = len(nodes) - 1
            here = nodes[here][bit]
        data += encoded(record)
    count = len(nodes)

    def written(side: Any) -> bytes:
        number = count if side is None else side if isinstance(side, int) else count + 16 + side[1]
        return number.to_bytes(3, "big")

    tree = b"".join(written(side) for node in nodes for side in node)
    about = {
        "node_count": count, "record_size": b"\0\x18", "ip_version": b"\0\6", "database_type": "Test",
        "languages": ["en"],
        "binary_format_major_version": b"\0\2", "binary_format_minor_version": b"\0\0", "build_epoch": bytes(8),
        "description": {"en": "a test"},
    }  # fmt: skip
    return tree + bytes(16) + data + MARK + encoded(about)


FORMATS = [
    {"autonomous_system_number": 13238, "country": {"iso_code": "RU"}},
    {"asn": "AS13238", "country_code": "RU"},
    {"asn": "AS13238", "country": "RU"},
]


@pytest.mark.parametrize("record", FORMATS)
def test_the_usual_ways_to_write_it_are_read(tmp_path: Path, record: dict[str, Any]) -> None:
    file = tmp_path / "a.mmdb"
    file.write_bytes(database({"2a02:6b8::/32": record}))
    lookup = AsnDatabases([str(file)]).lookup
    assert lookup("2a02:6b8::1") == (13238, "RU")
    assert lookup("2001:db8::1") == (None, None)


def test_the_country_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "asn.mmdb").write_bytes(database({"2a02:6b8::/32": {"autonomous_system_number": 13238}}))
    (tmp_path / "country.mmdb").write_bytes(database({"2a02::/16": {"country": {"iso_code": "FI"}}}))
    text = f'[asn]\nmmdb = "{tmp_path}/asn.mmdb"\ncountry_mmdb = "{tmp_path}/country.mmdb"\n'
    (tmp_path / "c.toml").write_text(text)
    assert asn_lookup(load(tmp_path / "c.toml", {}, {}))("2a02:6b8::1") == (13238, "FI")


def test_a_newer_file_is_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "a.mmdb"
    for moment, asn in enumerate((13238, 3216)):
        new = tmp_path / "new"
        new.write_bytes(database({"2a02:6b8::/32": {"autonomous_system_number": asn}}))
        os.utime(new, (moment, moment))
        new.replace(file)
        assert AsnDatabases([str(file)]).lookup("2a02:6b8::1") == (asn, None)


@pytest.mark.parametrize("content", [b"", b"no database", MARK, database({})[:40], MARK + encoded({"node_count": 1})])
def test_a_file_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.mmdb"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"broken\.mmdb: cannot be read as an MMDB file"):
        AsnDatabases([str(file)])
    with pytest.raises(ConfigError, match=r"gone\.mmdb"):
        AsnDatabases([str(tmp_path / "gone.mmdb")])


@given(st.recursive(st.none() | st.integers() | st.text() | st.binary(), lambda v: st.dictionaries(st.text(), v)))
def test_whatever_a_record_holds_no_nonsense_comes_of_it(record: Any) -> None:
    for one in (record, {"asn": record}, {"country": record}, {"autonomous_system_number": record}):
        asn, country = asn_of(one), country_of(one)
        assert asn is None or 0 < asn < 2**32
        assert country is None or (len(country) == 2 and country.isupper() and country.isascii())


@given(st.binary(max_size=400), st.integers(0, 399))
def test_a_damaged_file_is_named_or_read_and_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int
) -> None:
    whole = database({"2a02:6b8::/32": FORMATS[0]})
    file = tmp_path_factory.mktemp("mmdb") / "a.mmdb"
    file.write_bytes(whole[:at] + noise + whole[at + len(noise) :])
    try:
        AsnDatabases([str(file)]).lookup("2a02:6b8::1")
    except ConfigError:
        pass
