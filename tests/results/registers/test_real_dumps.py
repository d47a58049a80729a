"""The real dumps, counted a second time without the program's own code."""

from __future__ import annotations

import csv
import gzip
import io
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlite_utils

from results.registers.differences import difference
from results.registers.records import ImportReport

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
    urls = {change.urls for change in found.changes if change.change == "added" and change.urls}
    assert urls <= {row[2].replace(" | ", "\n") for row in late - early}


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
