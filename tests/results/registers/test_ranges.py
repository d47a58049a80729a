"""Address ranges, addresses with ports, and numbers that are neither a name nor an address."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlite_utils

from results.registers import names
from results.registers.expectation import RegisterLookup
from results.registers.formats import citizenlab, formats, plain, rkn_xml, uablacklist, zapret_csv
from results.registers.records import BadRow, ImportReport

Import = Callable[..., ImportReport]
RANGES = [
    ("7.8.9.10-7.8.9.20", ["7.8.9.10/31", "7.8.9.12/30", "7.8.9.16/30", "7.8.9.20"]),
    ("7.8.9.10 - 7.8.9.11", ["7.8.9.10/31"]),
    ("7.8.9.10\u20137.8.9.11", ["7.8.9.10/31"]),
    ("7.8.9.10-11", ["7.8.9.10/31"]),
    ("7.8.9.7-7.8.9.7", ["7.8.9.7"]),
    ("2001:db8::-2001:db8::ffff", ["2001:db8::/112"]),
    ("2001:db8:: - 2001:db8::1", ["2001:db8::/127"]),
    ("::ffff:7.8.9.10-::ffff:7.8.9.11", ["7.8.9.10/31"]),
    ("1.2.3.4:8080", ["1.2.3.4"]),
    ("[2001:db8::1]:443", ["2001:db8::1"]),
    ("[2001:db8::1]", ["2001:db8::1"]),
    ("1.2.3.*", ["1.2.3.0/24"]),
    ("1.2.*.*", ["1.2.0.0/16"]),
    ("1.2.3.0/255.255.255.0", ["1.2.3.0/24"]),
    ("1.2.3.0/24", ["1.2.3.0/24"]),
]
NEITHER = [
    "300.1.2.3",
    "6.7.8",
    "0x7f.1",
    "1.2.3.4.5",
    "example.1",
    "example.0x1f",
    "a.0x",
    "256",
    "0x7f000001",
    "1.2.3.4-",
    "1.2.3.4-1.2.3.3",
    "1.2.3.4-2001:db8::1",
    "1.2.3.4-1.2.3.999",
    "1.2.3.4:99999",
    "1.2.3.0/33",
    "*.1.2.3",
    "1.*.3.4",
]


@pytest.mark.parametrize(("text", "found"), RANGES)
def test_a_range_is_its_addresses(text: str, found: list[str]):
    assert [names.subnet_text(net) for net in names.subnets(text)] == found


@pytest.mark.parametrize("text", NEITHER)
def test_a_number_is_an_address_or_nothing(text: str):
    assert names.subnets(text) == ()
    with pytest.raises(names.BadName):
        names.listed_name(text)
    if "/" not in text:
        with pytest.raises(names.BadName):
            names.listed_url(f"http://{text}/page")


@pytest.mark.parametrize(
    "text", ["4pda.to", "1.example", "0x7f.example", "123.ua", "0xffff.com", "a-1.b-2.co", "1-2.example"]
)
def test_a_name_may_begin_with_a_number_or_hold_one(text: str):
    assert names.listed_name(text) == text
    assert names.subnets(text) == ()


@pytest.mark.parametrize(("text", "found"), RANGES)
def test_a_plain_list_has_ranges(text: str, found: list[str]):
    for line in (text, f"{text}"):
        entry = plain.parse(line)
        assert (entry.block_type, [names.subnet_text(net) for net in entry.subnets]) == ("ip", found)


@pytest.mark.parametrize("text", NEITHER)
def test_a_plain_list_lists_no_numbers(text: str):
    with pytest.raises(BadRow):
        plain.parse(text)
    with pytest.raises(BadRow):
        plain.parse(f"0.0.0.0 {text}")


def test_every_format_with_a_column_of_names_reads_a_range_there_and_refuses_a_number():
    lines = {
        "zapret": lambda what: zapret_csv.parse(f";{what};;x;1;2016-01-01".encode()),
        "addresses": lambda what: zapret_csv.parse(f"{what};;;x;1;2016-01-01".encode()),
        "citizenlab": lambda what: citizenlab.parse(f"{what},x,GMB,,2015-04-05,0.1,AAMS,AAMS,".encode()),
        "uablacklist": lambda what: uablacklist.parse(what, b"{}"),
        "xml": lambda what: rkn_xml.parse(rkn_xml.Content({"id": "1"}, {}, (("domain", what),))),
        "xml addresses": lambda what: rkn_xml.parse(rkn_xml.Content({"id": "1"}, {}, (("ipSubnet", what),))),
    }
    for name, parse in lines.items():
        for text, shown in RANGES:
            entry = parse(text)
            assert (name, entry.names, [names.subnet_text(net) for net in entry.subnets]) == (name, (), shown)
        for text in NEITHER:
            with pytest.raises(BadRow):
                parse(text)


def test_a_column_of_addresses_with_a_range_is_still_told_as_a_dump():
    head = b"7.8.9.10-7.8.9.20 | 1.2.3.4;;;x;1;2016-01-01\n"
    assert [known.name for known in formats().values() if known.recognises(head)] == ["zapret-csv"]


def test_an_address_within_a_range_is_listed_and_its_neighbours_are_not(
    tmp_path: Path, imported: Import, db: sqlite_utils.Database
):
    path = tmp_path / "list"
    path.write_text("1.2.3.0/24\n7.8.9.10-7.8.9.20\n300.1.2.3\n1.2.4.4:8080\n2001:db8::1-2001:db8::3\n")
    report = imported(path, name="x", country="RU", format="plain")
    assert (report.rows, report.kept, report.skipped) == (5, 4, 1)
    lookup = RegisterLookup(db, country="RU", at=datetime.now(UTC))
    listed = {text: lookup.expect(text).listed for text in ("7.8.9.9", "7.8.9.10", "7.8.9.15", "7.8.9.20", "7.8.9.21")}
    assert listed == {"7.8.9.9": False, "7.8.9.10": True, "7.8.9.15": True, "7.8.9.20": True, "7.8.9.21": False}
    assert lookup.expect("http://1.2.4.4:8080/").listed is True
    assert lookup.expect("2001:db8::3").listed is True
    assert lookup.expect("2001:db8::4").listed is False
    assert lookup.expect("300.1.2.3").listed is False
