"""Files into the database: all or nothing, counted."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlite_utils

from results.registers import staging
from results.registers.formats import formats
from results.registers.importing import ImportOptions, import_register
from results.registers.records import ImportReport, RegisterError, TruncatedRegister

Write = Callable[..., Path]
Import = Callable[..., ImportReport]
A, B, C = (f"1.2.3.4;{letter}.com;;суд;1;2016-01-01" for letter in "abc")


def everything(db: sqlite_utils.Database) -> dict[str, list[tuple[object, ...]]]:
    tables = [name for name in db.table_names() if name.startswith("register")]
    return {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in tables}


@pytest.mark.parametrize("how", ["row", "gzip", "not gzip", "nothing", "no row"])
def test_a_file_that_is_not_whole_leaves_the_register_as_it_was(
    how: str, csv_file: Write, imported: Import, db: sqlite_utils.Database, tmp_path: Path
):
    imported(csv_file(A, B))
    before = everything(db)
    broken = csv_file(A, C, updated="2017-05-09 09:00:00", name="next.csv")
    whole = broken.read_bytes()
    broken.write_bytes(
        {
            "row": whole[:-5],
            "gzip": gzip.compress(whole)[:-9],
            "not gzip": gzip.compress(whole)[:15] + b"\xff" * 40,
            "nothing": b"",
            "no row": b"Updated: 2017-05-09 09:00:00 +0000\nrubbish\n",
        }[how]
    )
    with pytest.raises(RegisterError):
        imported(broken)
    assert everything(db) == before


def test_a_part_cut_short_among_whole_ones_refuses_them_all(
    csv_file: Write, imported: Import, db: sqlite_utils.Database
):
    cut = csv_file(A, updated=None, name="dump-00.csv", end="")
    cut.write_bytes(cut.read_bytes()[:-2])
    with pytest.raises(TruncatedRegister, match=r"dump-00\.csv"):
        imported(cut, csv_file(B, updated=None, name="dump-01.csv"))
    assert db["registers"].count == 0


def test_importing_the_same_file_twice_changes_nothing(csv_file: Write, imported: Import, db: sqlite_utils.Database):
    first = imported(csv_file(A, B, B), now=datetime(2020, 1, 1, tzinfo=UTC))
    before = everything(db)
    assert imported(csv_file(A, B, B), now=datetime(2020, 1, 1, tzinfo=UTC)).entries == first.entries == 2
    assert everything(db) == before


def test_exact_duplicates_are_kept_rows_and_one_entry(csv_file: Write, imported: Import):
    report = imported(csv_file(A, A, B, A))
    assert (report.rows, report.kept, report.skipped, report.entries) == (4, 4, 0, 2)


def test_batches_smaller_than_the_file_count_the_same(
    csv_file: Write, imported: Import, monkeypatch: pytest.MonkeyPatch, db: sqlite_utils.Database
):
    monkeypatch.setattr(staging, "BATCH", 2)
    report = imported(csv_file(A, B, A, C, A, B, C, "bad"))
    assert (report.rows, report.kept, report.entries) == (8, 7, 3)
    assert db["register_names"].count == 3


def test_what_comes_and_goes_is_counted_against_the_version_before(csv_file: Write, imported: Import):
    imported(csv_file(A, B))
    report = imported(csv_file(B, C, updated="2017-05-09 09:00:00"))
    assert (report.added, report.removed) == (1, 1)


def test_the_formats_are_found_and_not_listed():
    assert {"zapret-csv", "rkn-xml"} <= set(formats())


def test_a_file_of_no_known_format_names_the_formats(tmp_path: Path, imported: Import):
    path = tmp_path / "x.bin"
    path.write_bytes(b"\0\1\2\3" * 100)
    with pytest.raises(RegisterError, match="--format"):
        imported(path)
    with pytest.raises(RegisterError, match=r"known: .*zapret-csv"):
        imported(path, format="nonsense")


def test_russias_register_needs_no_name(csv_file: Write, db: sqlite_utils.Database):
    report = import_register(db, [csv_file(A)])
    assert (report.register, report.country) == ("rkn", "RU")


@pytest.mark.parametrize("country", ["R", "RUS", "1!", ""])
def test_a_country_is_two_letters(country: str, csv_file: Write, imported: Import):
    with pytest.raises(RegisterError, match="two-letter country"):
        imported(csv_file(A), country=country)


def test_one_name_is_not_used_for_two_countries(csv_file: Write, imported: Import):
    imported(csv_file(A))
    with pytest.raises(RegisterError, match="is of RU"):
        imported(csv_file(A), country="UA")


def test_a_moment_told_stands_in_for_the_files_own(csv_file: Write, imported: Import):
    report = imported(csv_file(A), updated=datetime(2026, 1, 2, tzinfo=UTC))
    assert report.updated == report.version == "2026-01-02T00:00:00Z"


def test_problems_are_all_counted_and_the_first_are_kept(csv_file: Write, imported: Import):
    report = imported(csv_file(A, *["bad"] * 500))
    assert (report.skipped, sum(report.reasons.values())) == (500, 500)
    assert len(report.problems) == staging.MAX_PROBLEMS


def test_progress_ends_at_the_size_on_disk(csv_file: Write, db: sqlite_utils.Database):
    paths = [csv_file(A, updated=None, name="dump-00.csv"), csv_file(B, updated=None, name="dump-01.csv.gz")]
    paths[1].write_bytes(gzip.compress(paths[1].read_bytes()))
    told: list[tuple[int, int]] = []
    import_register(db, paths, ImportOptions(progress=lambda done, total: told.append((done, total))))
    size = sum(path.stat().st_size for path in paths)
    assert told[-1][1] == size
    assert told[-1][0] >= size


def test_a_file_that_unpacks_without_end_is_refused(tmp_path: Path, imported: Import, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("results.registers.source.MAX_FILE_BYTES", 1 << 20)
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(A.encode("cp1251") + b"\n" + b"x" * (4 << 20)))
    with pytest.raises(RegisterError, match="unpacks to more"):
        imported(path, format="zapret-csv")


def test_a_line_without_end_is_one_problem_and_the_next_is_read(csv_file: Write, imported: Import):
    report = imported(csv_file("x" * (3 << 20), A))
    assert (report.rows, report.kept, report.skipped) == (2, 1, 1)
    assert (report.problems[0].line, report.problems[0].why) == (2, "a line of more than 1 MiB")


def test_text_that_would_act_on_a_terminal_is_not_stored(csv_file: Write, imported: Import, db: sqlite_utils.Database):
    imported(csv_file("1.2.3.4;a.com;http://a.com/\x1b[2J;суд\x1b[31m;1\x07;2016-01-01"))
    assert db.execute("SELECT authority, number FROM register_decisions").fetchone() == ("суд[31m", "1")
    assert db.execute("SELECT urls FROM register_entries").fetchone() == ("http://a.com/%1B%5B2J",)


def test_a_file_that_is_not_there_or_a_folder_is_one_line(tmp_path: Path, imported: Import):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(RegisterError, match="cannot read"):
            imported(path)
