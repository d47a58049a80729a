"""A register goes from one of our databases to another by a file, and says the same there; one that is cut says so."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sqlite_utils
from hypothesis import given
from hypothesis import strategies as st

from results.registers import create_tables
from results.registers.formats import reachprobe
from results.registers.importing import ImportOptions, import_register
from results.registers.records import ImportReport, RegisterError, TruncatedRegister

WHAT = """
SELECT e.block_type, e.entry_type, e.basis, e.urgency, e.listed_on, e.listed_at, e.until, e.names, e.urls, e.subnets,
    e.resolved, e.ref, d.authority, d.number, d.date FROM register_entries e
JOIN register_decisions d ON d.id = e.decision_id JOIN register_spans s ON s.entry_id = e.id AND s.gone IS NULL
ORDER BY 8, 9, 10, 12, e.id
"""
BESIDE = [
    "SELECT name, how, count(*) FROM register_names GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT hash, count(*) FROM register_urls GROUP BY 1 ORDER BY 1",
    "SELECT family, prefix, network, count(*) FROM register_subnets GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    "SELECT address, count(*) FROM register_addresses GROUP BY 1 ORDER BY 1",
    "SELECT name, country FROM registers",
]
ROWS = [
    "192.0.2.7 | 192.0.2.8;example.org;http://example.org/page;Роскомнадзор;3-1;2017-05-04",
    ";*.example.net;;суд;2-1;2016-11-17",
    "198.51.100.0/24;;;Генпрокуратура;27-31-2018/Ид2971-18;2018-04-16",
    "2001:db8::1;пример.рф;https://пример.рф/а б;ФНС;2-6-27/2016;2016-01-02",
]


def empty() -> sqlite_utils.Database:
    made = sqlite_utils.Database(memory=True)
    create_tables(made)
    return made


def written(db: sqlite_utils.Database) -> bytes:
    version = reachprobe.newest(db, "rkn")
    assert version is not None
    return b"".join(reachprobe.write(db, version))


def test_what_is_said_of_everything_is_the_same_in_the_other_database(
    db: sqlite_utils.Database, csv_file: Callable[..., Path], imported: Callable[..., ImportReport], tmp_path: Path
) -> None:
    imported(csv_file(*ROWS))
    file = tmp_path / "rkn.jsonl"
    file.write_bytes(written(db))
    with closing(empty()) as other:
        report = import_register(other, [file], ImportOptions(name="rkn", country="RU"))
        assert (report.rows, report.kept, report.skipped) == (len(ROWS), len(ROWS), 0)
        assert report.updated == "2017-05-08T09:00:00Z"
        for query in (WHAT, *BESIDE):
            assert other.execute(query).fetchall() == db.execute(query).fetchall()
        assert written(other).splitlines()[-1] == written(db).splitlines()[-1]


def test_the_built_in_sample_loses_nothing_either(db: sqlite_utils.Database, tmp_path: Path) -> None:
    from results.registers import sample_path

    import_register(db, [sample_path()])
    file = tmp_path / "rkn.jsonl"
    file.write_bytes(written(db))
    with closing(empty()) as other:
        import_register(other, [file], ImportOptions(name="rkn", country="RU"))
        for query in (WHAT, *BESIDE):
            assert other.execute(query).fetchall() == db.execute(query).fetchall()


def test_a_later_version_takes_out_what_has_gone_and_leaves_the_rest_as_it_was(
    db: sqlite_utils.Database, csv_file: Callable[..., Path], imported: Callable[..., ImportReport], tmp_path: Path
) -> None:
    file = tmp_path / "rkn.jsonl"
    with closing(empty()) as other:
        for rows, updated in ((ROWS, "2017-05-08 09:00:00"), (ROWS[1:], "2017-05-09 09:00:00")):
            imported(csv_file(*rows, updated=updated))
            file.write_bytes(written(db))
            import_register(other, [file], ImportOptions(name="rkn", country="RU"))
        gone = "SELECT count(*) FROM register_spans WHERE gone IS NOT NULL"
        assert other.execute(gone).fetchone() == db.execute(gone).fetchone() == (1,)
        assert other.execute("SELECT count(*) FROM register_entries").fetchone() == (len(ROWS),)


CUT = b"".join(
    [
        b'{"reachprobe_register":1,"name":"rkn","country":"RU","updated":"2017-05-08T09:00:00Z"}\n',
        b'{"key":"1","block_type":"domain","names":["example.org"]}\n',
        b'{"key":"2","block_type":"domain","names":["example.net"]}\n',
        b'{"entries":2}\n',
    ]
)


@given(st.integers(0, len(CUT) - 2))
def test_wherever_a_file_is_cut_nothing_of_it_is_taken(end: int) -> None:
    with closing(empty()) as db, TemporaryDirectory() as folder:
        file = Path(folder, "rkn.jsonl")
        file.write_bytes(CUT[:end])
        with pytest.raises(RegisterError):
            import_register(db, [file], ImportOptions(name="rkn", country="RU", format="reachprobe"))
        assert db.execute("SELECT count(*) FROM register_entries").fetchone() == (0,)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"key":"1","block_type":"everything"}', "everything"),
        (b'{"key":"1","block_type":"domain","names":["com"]}', "top-level"),
        (b'{"key":"1","block_type":"ip","subnets":["x"]}', "address"),
        (b'{"key":' + b"[" * 5000, "not readable"),
        (b'{"key":"\xff","block_type":"ip"}', "not readable"),
    ],
)
def test_a_line_that_says_nonsense_is_skipped_and_told(
    db: sqlite_utils.Database, tmp_path: Path, line: bytes, why: str
) -> None:
    head, one, two, _ = CUT.splitlines()
    file = tmp_path / "rkn.jsonl"
    file.write_bytes(b"\n".join([head, one, line, two, b'{"entries":3}', b""]))
    report = import_register(db, [file], ImportOptions(name="rkn", country="RU", now=datetime(2017, 5, 9, tzinfo=UTC)))
    assert (report.rows, report.kept, report.skipped) == (3, 2, 1)
    assert any(why in problem.why for problem in report.problems)


def test_a_file_of_a_later_version_of_this_program_is_not_guessed_at(db: sqlite_utils.Database, tmp_path: Path) -> None:
    file = tmp_path / "rkn.jsonl"
    file.write_bytes(CUT.replace(b'_register":1', b'_register":2'))
    with pytest.raises(RegisterError, match="upgrade"):
        import_register(db, [file], ImportOptions(name="rkn", country="RU"))
    file.write_bytes(CUT[: CUT.index(b'{"entries"')])
    with pytest.raises(TruncatedRegister, match="incomplete"):
        import_register(db, [file], ImportOptions(name="rkn", country="RU"))
