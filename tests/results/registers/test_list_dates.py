"""A list that says when it is from is that version, however late it is imported."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlite_utils

from results.registers.expectation import RegisterLookup
from results.registers.formats.citizenlab import COLUMNS
from results.registers.records import ImportReport

Import = Callable[..., ImportReport]
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
IMPORTED = "2026-11-24T12:00:00Z"


@pytest.fixture
def version(tmp_path: Path, imported: Import) -> Callable[..., str]:
    """Import the text of a list at NOW; the version it became."""

    def run(text: str, name: str = "x", **how: object) -> str:
        path = tmp_path / "list"
        path.write_text(text, encoding="utf-8")
        return imported(path, name=name, country="IT", now=NOW, **how).version

    return run


def official(*dates: tuple[str, str]) -> str:
    rows = [f"s{n}.example,x,GMB,{added},{published},0.1,A,A," for n, (added, published) in enumerate(dates)]
    return "\n".join([COLUMNS, *rows, ""])


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ([("", "2015-04-05"), ("", "2015-04-05")], "2015-04-05T00:00:00Z"),
        ([("", "2015-04-05"), ("", "2016-01-02"), ("", "2014-01-01")], "2016-01-02T00:00:00Z"),
        ([("2016-08-27", "2015-09-01")], "2015-09-01T00:00:00Z"),
        ([("2016-08-27", "")], "2016-08-27T00:00:00Z"),
        ([("", "soon"), ("", "2015-13-45")], IMPORTED),
        ([("", "")], IMPORTED),
        ([("", "2062-01-01")], IMPORTED),
    ],
)
def test_an_official_list_is_from_the_newest_day_its_rows_were_published(dates, expected: str, version):
    assert version(official(*dates)) == expected


@pytest.mark.parametrize(
    ("serial", "expected"),
    [
        ("2024031501", "2024-03-15T00:00:00Z"),
        ("1999123199", "1999-12-31T00:00:00Z"),
        ("1710460800", "2024-03-15T00:00:00Z"),
        ("1", IMPORTED),
        ("42", IMPORTED),
        ("2024133101", IMPORTED),
        ("2099010100", IMPORTED),
        ("4294967295", IMPORTED),
        ("20240315", IMPORTED),
        ("soon", IMPORTED),
    ],
)
@pytest.mark.parametrize("soa", ["@ SOA a. b. {} 2 3 4 5", "@ 60 IN SOA a. b. (\n {} ; serial\n 2 3 4 5 )"])
def test_a_zone_is_from_the_day_or_second_of_its_serial(soa: str, serial: str, expected: str, version):
    assert version(f"$TTL 60\n{soa.format(serial)}\nbad.example CNAME .\n") == expected


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# Last updated: 2019-03-02", "2019-03-02T00:00:00Z"),
        ("! Last modified: 02 Mar 2019 17:01 UTC", "2019-03-02T17:01:00Z"),
        ("# Date: 22 January 2024 17:01:46 (UTC)", "2024-01-22T17:01:46Z"),
        ("# Updated: Sat, 02 Mar 2019 17:01:00 +0300", "2019-03-02T14:01:00Z"),
        ("; generated on 2019-03-02T17:01:00Z", "2019-03-02T17:01:00Z"),
        ("// Updated 2019-03-02 17:01:00", "2019-03-02T17:01:00Z"),
        ("# Updated: 2062-03-02", IMPORTED),
        ("# see the order of 2019-03-02", IMPORTED),
        ("# Updated: 31 Feb 2019", IMPORTED),
        ("# Updated: Sat, 02 Mar 2019 17:01:00 +99999999999999", IMPORTED),
        ("# Expires: 2019-03-02", IMPORTED),
    ],
)
def test_a_plain_list_is_from_the_day_its_comment_says(comment: str, expected: str, version):
    assert version(f"# a list\n{comment}\nbad.example\n") == expected


def test_a_date_in_a_comment_between_the_entries_is_an_entrys(version):
    assert version("bad.example\n# Updated: 2019-03-02\nworse.example\n") == IMPORTED


def test_what_the_importer_says_counts_before_what_the_list_says(version):
    assert version(official(("", "2015-04-05")), updated=datetime(2020, 1, 1, tzinfo=UTC)) == "2020-01-01T00:00:00Z"


def test_an_old_list_decides_nothing(version, db: sqlite_utils.Database):
    version(official(("", "2015-04-05")))
    found = RegisterLookup(db, country="IT", at=NOW).expect("s0.example")
    assert (found.as_of, found.stale, found.listed) == ("2015-04-05T00:00:00Z", True, True)


def test_a_copy_imported_later_but_published_earlier_is_not_the_newest(version, db: sqlite_utils.Database):
    version(official(("", "2015-04-05"), ("", "2015-04-05")))
    version(official(("", "2014-01-01")))
    found = RegisterLookup(db, country="IT", at=NOW).expect("s1.example")
    assert (found.as_of, found.listed) == ("2015-04-05T00:00:00Z", True)


def test_a_date_that_lies_ahead_is_not_believed_and_said(tmp_path: Path, imported: Import):
    path = tmp_path / "dump.csv"
    path.write_text("Updated: 2062-01-01 00:00:00 +0000\n1.2.3.4;a.example;;x;1;2016-01-01\n")
    report = imported(path, now=NOW)
    assert report.version == IMPORTED
    assert "2062" in report.problems[0].why
    assert (report.kept, report.skipped) == (1, 0)
