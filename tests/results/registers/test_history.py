"""History is a function of the set of versions: the order in which they were imported does not matter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st

from results.registers import create_tables
from results.registers.importing import ImportOptions, import_register

START = datetime(2017, 1, 1, tzinfo=UTC)
Version = frozenset[int]
versions = st.lists(st.frozensets(st.integers(0, 4), min_size=1), min_size=1, max_size=6)


def bring_in(db: sqlite_utils.Database, folder: Path, day: int, numbers: Version, register: str = "rkn") -> None:
    path = folder / "dump.csv"
    path.write_bytes("".join(f"1.2.3.4;n{number}.com;;x;1;2016-01-01\n" for number in sorted(numbers)).encode("cp1251"))
    moment = START + timedelta(days=day)
    import_register(db, [path], ImportOptions(name=register, country="RU", updated=moment, now=moment))


def spans(db: sqlite_utils.Database, register: str = "rkn") -> set[tuple[str, int, int | None]]:
    rows = db.execute(
        """SELECT e.names, s.first, s.gone FROM register_spans s JOIN register_entries e ON e.id = s.entry_id
           JOIN registers r ON r.id = e.register_id WHERE r.name = ?""",
        [register],
    ).fetchall()
    day = START.timestamp()
    found = {
        (name, int((first - day) // 86400), None if gone is None else int((gone - day) // 86400))
        for name, first, gone in rows
    }
    assert len(found) == len(rows)
    return found


def expected(history: list[Version]) -> set[tuple[str, int, int | None]]:
    """The maximal runs, counted in the plainest way."""
    found = set()
    for number in range(5):
        begun = None
        for day, version in enumerate(history):
            if number in version and begun is None:
                begun = day
            if number not in version and begun is not None:
                found.add((f"n{number}.com", begun, day))
                begun = None
        if begun is not None:
            found.add((f"n{number}.com", begun, None))
    return found


@settings(deadline=None, max_examples=150)
@given(versions, st.randoms(use_true_random=False), st.data())
def test_versions_in_any_order_and_some_of_them_twice_give_the_same_history(
    history: list[Version], random: object, data: st.DataObject
):
    order = data.draw(st.permutations(range(len(history))))
    again = data.draw(st.lists(st.sampled_from(range(len(history))), max_size=3))
    with TemporaryDirectory() as folder:
        db = sqlite_utils.Database(memory=True)
        create_tables(db)
        for day in [*order, *again]:
            bring_in(db, Path(folder), day, history[day])
        assert spans(db) == expected(history)
        db.close()


@settings(deadline=None, max_examples=100)
@given(versions, st.data())
def test_a_version_read_again_with_other_content_takes_the_place_of_the_first(
    history: list[Version], data: st.DataObject
):
    day = data.draw(st.sampled_from(range(len(history))))
    wrong = data.draw(st.frozensets(st.integers(0, 4), min_size=1))
    order = data.draw(st.permutations(range(len(history))))
    with TemporaryDirectory() as folder:
        db = sqlite_utils.Database(memory=True)
        create_tables(db)
        bring_in(db, Path(folder), day, wrong)
        for number in order:
            bring_in(db, Path(folder), number, history[number])
        assert spans(db) == expected(history)
        db.close()


def test_two_registers_do_not_touch_each_other(tmp_path: Path, db: sqlite_utils.Database):
    bring_in(db, tmp_path, 0, frozenset({0, 1}))
    bring_in(db, tmp_path, 1, frozenset({1}), "other")
    bring_in(db, tmp_path, 2, frozenset({2}))
    bring_in(db, tmp_path, 3, frozenset({3}), "other")
    bring_in(db, tmp_path, 1, frozenset({0}), "rkn")
    assert spans(db) == {("n0.com", 0, 2), ("n1.com", 0, 1), ("n2.com", 2, None)}
    assert spans(db, "other") == {("n1.com", 1, 3), ("n3.com", 3, None)}
