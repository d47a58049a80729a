"""The real dumps, counted a second time without the program's own code."""

from __future__ import annotations

import csv
import gzip
import io
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest
import sqlite_utils

from results.registers.records import ImportReport
from results.registers.statistics import RegisterChange, difference

SHARED = Path(__file__).resolve().parents[4] / "shared" / "registers"
EARLY, LATE, XML = (
    SHARED / name for name in ("zapret-2016-03-10T07.csv.gz", "zapret-2016-03-11T14.csv.gz", "dump-2015-08-21.xml.gz")
)
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the real dumps (../shared/registers) are not here")
Import = Callable[..., ImportReport]


def rows_of(path: Path) -> list[tuple[str, ...]]:
    text = gzip.decompress(path.read_bytes()).decode("cp1251")
    return [tuple(row) for row in csv.reader(io.StringIO(text, newline=""), delimiter=";")][1:]


@pytest.mark.parametrize(("path", "rows", "entries"), [(EARLY, 19566, 19552), (LATE, 19620, 19605)])
def test_every_row_of_a_csv_is_read(path: Path, rows: int, entries: int, imported: Import, db: sqlite_utils.Database):
    counted = rows_of(path)
    report = imported(path)
    assert report.rows == report.kept == len(counted) == rows
    assert report.entries == len(set(counted)) == entries
    assert (report.skipped, report.reasons) == (0, {})
    names = {row[1].lower().rstrip(".") for row in counted if row[1] and not row[1].replace(".", "").isdigit()}
    stored = {row[0] for row in db.execute("SELECT DISTINCT name FROM register_names")}
    assert {name for name in names if name.isascii()} <= stored
    addresses = {ip for row in counted for ip in row[0].split(" | ") if row[1] or row[2]}
    assert db.execute("SELECT count(DISTINCT address) FROM register_addresses").fetchone()[0] == len(addresses)


def test_the_difference_of_two_versions_is_exactly_the_rows_that_differ(imported: Import, db: sqlite_utils.Database):
    early, late = set(rows_of(EARLY)), set(rows_of(LATE))
    imported(EARLY)
    report = imported(LATE)
    assert (report.added, report.removed) == (len(late - early), len(early - late)) == (140, 87)
    found = difference(db, datetime(2016, 3, 10, 12, tzinfo=UTC), datetime(2016, 3, 12, tzinfo=UTC))
    kinds = Counter(change.change for change in found.changes)
    assert (kinds["added"] + kinds["changed"], kinds["removed"] + kinds["changed"]) == (140, 87)
    come = Counter(changed_row(change) for change in found.changes if change.change != "removed")
    gone = Counter(changed_row(change, before=True) for change in found.changes if change.change != "added")
    assert (come, gone) == (Counter(map(row_text, late - early)), Counter(map(row_text, early - late)))


Told = tuple[str, str, str, frozenset[str], frozenset[str]]


def row_text(row: tuple[str, ...]) -> Told:
    """What a row of the file says, as far as it is stored: decision, URLs or else the name, addresses."""
    ips, name, url, org, number, date = row
    listed = url.split(" | ") if url else [name.lower()] if name else []
    return org, number.strip(), date, frozenset(listed), frozenset(str(ip_address(ip)) for ip in ips.split(" | "))


def changed_row(change: RegisterChange, *, before: bool = False) -> Told:
    """The same of a change that was told, as the row stands after it or stood before."""
    fields = msgspec.to_builtins(change) | ((change.was or {}) if before else {})
    listed = (fields["urls"] or fields["names"] or "").split("\n" if fields["urls"] else None)
    addresses = (fields["resolved"] or fields["subnets"] or "").split()
    decided = (fields["authority"], fields["decision_number"], fields["decision_date"])
    return *decided, frozenset(listed), frozenset(addresses)


@pytest.mark.slow
def test_the_order_of_two_real_versions_does_not_matter(imported: Import, db: sqlite_utils.Database):
    imported(LATE)
    imported(EARLY)
    early, late = set(rows_of(EARLY)), set(rows_of(LATE))
    spans = db.execute(
        "SELECT count(*) FILTER (WHERE gone IS NULL), count(*) FILTER (WHERE gone IS NOT NULL) FROM register_spans"
    ).fetchone()
    assert spans == (len(late), len(early - late))


def test_every_content_of_the_xml_is_read(imported: Import, db: sqlite_utils.Database):
    root = ElementTree.fromstring(gzip.decompress(XML.read_bytes()))
    report = imported(XML)
    assert report.rows == report.kept == report.entries == len(root) == 8802
    assert (report.skipped, report.reasons, report.updated) == (0, {}, "2015-08-21T17:00:00Z")
    urls = sum(len(content.findall("url")) for content in root)
    lines = "1 + length(urls) - length(replace(urls, char(10), ''))"
    assert db.execute(f"SELECT sum({lines}) FROM register_entries").fetchone()[0] == urls == 9457
    kinds = dict(db.execute("SELECT block_type, count(*) FROM register_entries GROUP BY 1"))
    assert kinds == {"domain": 5, "url": 8797}


@pytest.mark.slow
def test_xml_and_csv_agree_where_they_overlap(imported: Import, db: sqlite_utils.Database):
    """What both list by one decision, both block alike and by the same article, where the CSV can tell."""
    imported(XML, name="xml")
    imported(EARLY, name="csv")
    query = "SELECT decision_id, names, urls, block_type, basis FROM register_entries WHERE register_id = ?"
    of_csv = {row[:3]: row[3:] for row in db.execute(query, [2])}
    pairs = [(row[3:], of_csv[row[:3]]) for row in db.execute(query, [1]) if row[:3] in of_csv]
    assert len(pairs) > 5000
    assert all(xml[0] == csv[0] for xml, csv in pairs)
    assert all(csv[1] in (None, xml[1]) for xml, csv in pairs)
    assert sum(csv[1] is None for _, csv in pairs) < len(pairs) / 50


Listed = tuple[str, str, str, frozenset[str], frozenset[str]]


def listed_by_xml() -> set[Listed]:
    """Decision, names and URLs of each content, read by another parser."""
    found = set()
    for content in ElementTree.fromstring(gzip.decompress(XML.read_bytes())):
        decision = content.find("decision")
        assert decision is not None
        names, urls = (frozenset(e.text.strip() for e in content.findall(tag) if e.text) for tag in ("domain", "url"))
        org, number, date = (decision.get(key, "").strip() for key in ("org", "number", "date"))
        found.add((org, number, date, names, urls))
    return found


def listed_by_csv() -> set[Listed]:
    return {
        (
            org,
            number.strip(),
            date,
            frozenset(filter(None, name.split(" | "))),
            frozenset(filter(None, url.split(" | "))),
        )
        for _, name, url, org, number, date in rows_of(EARLY)
    }


@pytest.mark.slow
def test_what_both_list_by_their_own_text_is_stored_alike_of_both(imported: Import, db: sqlite_utils.Database):
    both = listed_by_xml() & listed_by_csv()
    assert len(both) == 7702
    imported(XML, name="xml")
    imported(EARLY, name="csv")
    query = """SELECT d.authority, d.number, d.date, e.urls, e.block_type, e.names FROM register_entries e
        JOIN registers r ON r.id = e.register_id JOIN register_decisions d ON d.id = e.decision_id WHERE r.name = ?"""
    stored: dict[str, dict[tuple[str, ...], set[tuple[str, str]]]] = {"xml": {}, "csv": {}}
    for register, found in stored.items():
        for org, number, date, urls, block_type, names in db.execute(query, [register]):
            key = (org, number, date, *sorted(urls.split("\n") if urls else (names or "").split()))
            found.setdefault(key, set()).add((block_type, names))
    for org, number, date, names, urls in both:
        key = (org, number, date, *sorted(urls or names))
        assert stored["xml"][key] & stored["csv"][key], key
        plain = {name.lower().rstrip(".") for name in names if name.isascii()}
        assert plain <= {name for _, listed in stored["csv"][key] for name in (listed or "").split()} | {
            name for name in plain if name.replace(".", "").isdigit()
        }
