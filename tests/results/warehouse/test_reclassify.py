"""Rules that were mended: everything is judged again, the new verdicts count, and the old ones are still there."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from results.db.store import Store
from results.warehouse.engine import open_engine
from results.warehouse.load import make_judge
from results.warehouse.reclassify import reclassify
from tests.results.warehouse.asked import NOW, fill, of_database, of_warehouse

pytestmark = pytest.mark.slow


def again(url: str, workers: int = 2) -> Counter[tuple[str, str | None, str, str | None, str]]:
    with closing(open_engine(url)) as engine:
        *_, end = reclassify(engine, lambda: NOW, workers=workers)
        return end.changes


def copied(database: Path, to: Path, *changes: str) -> Path:
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)
        with copy:
            for change in changes:
                copy.execute(change)
    return to


def test_what_today_s_rules_say_already_stays_as_it_is(three_weeks: list[Path], tmp_path: Path) -> None:
    url = f"duckdb://{tmp_path}/w.duckdb"
    fill(url, three_weeks[0])
    before = of_warehouse(url)

    assert again(url) == Counter()
    assert of_warehouse(url) == before


def test_verdicts_of_other_rules_are_made_anew_as_results_reclassify_makes_them(
    three_weeks: list[Path], tmp_path: Path
) -> None:
    older = copied(
        three_weeks[0],
        tmp_path / "older.db",
        "UPDATE verdicts SET outcome = 'inconclusive', method = NULL, agreement = 'undecided', rules = '[\"old\"]'"
        " WHERE outcome = 'blocked'",
    )
    url = f"duckdb://{tmp_path}/w.duckdb"
    fill(url, older)
    first = of_warehouse(url)
    assert first == of_database(older)

    changes = again(url)

    store = Store.open(older)
    changed = list(store.reclassify(make_judge()))
    store.close()
    assert changes.total() == len(changed) > 100
    assert {(was, now, method) for was, _, now, method, _ in changes} == {("inconclusive", "blocked", "tls.reset")}
    assert of_warehouse(url) == of_database(older)
    assert of_warehouse(url) != first
    with closing(open_engine(url)) as engine:
        rows = engine.query("SELECT version, count(*) AS n FROM verdicts GROUP BY version ORDER BY version").to_pylist()
    assert [row["version"] for row in rows] == [0, 1]
    assert rows[1]["n"] == len(changed)


def test_judging_twice_changes_nothing_more(three_weeks: list[Path], tmp_path: Path) -> None:
    older = copied(
        three_weeks[1], tmp_path / "older.db", "UPDATE verdicts SET outcome = 'down' WHERE outcome = 'blocked'"
    )
    url = f"duckdb://{tmp_path}/w.duckdb"
    fill(url, older)
    again(url, workers=1)
    after = of_warehouse(url)

    assert again(url) == Counter()
    assert of_warehouse(url) == after
