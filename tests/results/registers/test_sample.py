"""The built-in sample register, which the demo holds its findings against."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import sqlite_utils

from results.registers import sample_path
from results.registers.expectation import RegisterLookup
from results.registers.records import ImportReport
from schedules.demo.network import LISTED

Import = Callable[..., ImportReport]
NOW = datetime.now(UTC)
ARTICLES = {
    "wechat.com": "149-FZ 15.4",
    "line.me": "149-FZ 15.4",
    "bbm.com": "149-FZ 15.4",
    "linkedin.com": "149-FZ 15.5",
}


def test_the_sample_lists_what_the_demo_lists_since_the_same_days(imported: Import, db: sqlite_utils.Database):
    imported(sample_path(), updated=NOW)
    lookup = RegisterLookup(db, register="rkn", at=NOW)
    for name, since in LISTED.items():
        found = lookup.expect(name)
        assert (found.listed, found.stale, found.since, found.since_source) == (True, False, str(since), "inclusion")


def test_messengers_are_listed_by_15_4_and_linkedin_by_15_5(imported: Import, db: sqlite_utils.Database):
    imported(sample_path())
    lookup = RegisterLookup(db, register="rkn", at=NOW)
    assert {name: lookup.expect(f"https://{name}/").basis for name in ARTICLES} == ARTICLES


def test_the_sample_says_that_it_is_none_of_the_real_register():
    assert "A sample, not the register" in Path(sample_path()).read_text("utf-8")
