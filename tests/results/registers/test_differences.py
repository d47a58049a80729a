"""What changed between two versions, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlite_utils

from results.registers.expectation import RegisterLookup, explain
from results.registers.records import ImportReport, RegisterError
from results.registers.statistics import difference

Write = Callable[..., Path]
Import = Callable[..., ImportReport]
FIRST, SECOND = datetime(2017, 5, 8, 12, tzinfo=UTC), datetime(2017, 5, 9, 12, tzinfo=UTC)
DECISION = "суд;1;2016-01-01"
A, B, C = (f"1.2.3.4;{letter}.com;;{DECISION}" for letter in "abc")


@pytest.fixture
def two(csv_file: Write, imported: Import) -> Callable[..., None]:
    """Import two versions, a day apart."""

    def run(first: list[str], second: list[str]) -> None:
        imported(csv_file(*first))
        imported(csv_file(*second, updated="2017-05-09 09:00:00"))

    return run


def test_what_came_what_went_and_what_changed(two: Callable[..., None], db: sqlite_utils.Database):
    two([A, B], [A.replace("1.2.3.4", "1.2.3.5"), C])
    found = difference(db, FIRST, SECOND)
    assert (found.before, found.after) == ("2017-05-08T09:00:00Z", "2017-05-09T09:00:00Z")
    assert sorted((change.change, change.names, change.was) for change in found.changes) == [
        ("added", "c.com", None),
        ("changed", "a.com", {"resolved": "1.2.3.4"}),
        ("removed", "b.com", None),
    ]


def test_the_difference_backwards_is_the_same_turned_round(two: Callable[..., None], db: sqlite_utils.Database):
    two([A, B], [B, C])
    turned = difference(db, SECOND, FIRST)
    assert sorted((change.change, change.names) for change in turned.changes) == [
        ("added", "a.com"),
        ("removed", "c.com"),
    ]
    assert difference(db, FIRST, FIRST).changes == ()


def test_one_entry_in_several_rows_is_paired_row_by_row(two: Callable[..., None], db: sqlite_utils.Database):
    rows = [A.replace("1.2.3.4", f"1.2.3.{number}") for number in (5, 6, 7)]
    two([A], rows)
    assert sorted(change.change for change in difference(db, FIRST, SECOND).changes) == ["added", "added", "changed"]


def test_an_unnamed_register_must_be_the_only_one(csv_file: Write, imported: Import, db: sqlite_utils.Database):
    with pytest.raises(RegisterError, match="no register is stored"):
        difference(db, FIRST, SECOND)
    imported(csv_file(A))
    imported(csv_file(A), name="other")
    with pytest.raises(RegisterError, match="other, rkn"):
        difference(db, FIRST, SECOND)
    assert difference(db, FIRST, SECOND, "other").changes == ()
    with pytest.raises(RegisterError, match="no version as old"):
        difference(db, datetime(2017, 1, 1, tzinfo=UTC), SECOND, "rkn")


def test_what_is_no_longer_listed_is_told_as_past(two: Callable[..., None], db: sqlite_utils.Database):
    two([A, B], [B])
    said = "\n".join(explain(RegisterLookup(db, at=SECOND), "a.com"))
    assert "a.com is not listed in rkn (RU)" in said
    assert "(no longer in force)" in said
    assert "last seen 8 May 2017, 09:00 UTC" in said.replace("\xa0", " ")
    assert "no longer in force" not in "\n".join(explain(RegisterLookup(db, at=SECOND), "b.com"))
