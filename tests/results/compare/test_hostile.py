"""Files that were made to harm whoever reads them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from results.compare import SourceError, gather
from results.compare.index import SourceCounts
from results.db.store import Store
from tests.results.compare.rows import compared, only, outcomes, row, write
from tests.results.records import finished

GOOD = row("blocked")


def notes(*sources: Path) -> SourceCounts:
    with gather(sources) as gathered:
        return gathered.counts


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"kind":' * 50_000,
        b"\xff\xfe{}",
        b'{"outcome":"blocked"}',
        b"null",
        json.dumps({**GOOD, "outcome": "blocked\x1b[2J"}).encode(),
        json.dumps({**GOOD, "method": "rm.rf"}).encode(),
        json.dumps({**GOOD, "outcome": "reachable"}).encode(),
        json.dumps({**GOOD, "started_at": "yesterday"}).encode(),
        json.dumps({**GOOD, "started_at": "2026-11-24T12:00:00"}).encode(),
        json.dumps({**GOOD, "vantage": ["home"]}).encode(),
        json.dumps({**GOOD, "target": ""}).encode(),
        json.dumps({**GOOD, "vantage": {"name": "home", "asn": 10**30}}).encode(),
        json.dumps({**GOOD, "vantage": {"name": "home", "country": "\ud800"}}).encode(),
        json.dumps({**GOOD, "confidence": "\ud800"}).encode(),
        json.dumps({**GOOD, "started_at": "0001-01-01T00:00:00+14:00"}).encode(),
    ],
    ids=range(16),
)
def test_a_line_that_is_none_is_skipped_and_counted(tmp_path: Path, line: bytes) -> None:
    file = write(tmp_path / "rows.jsonl", [GOOD])
    file.write_bytes(line + b"\n" + file.read_bytes())
    assert outcomes(only(file)) == {"home-fibre": "blocked"}
    assert notes(file).skipped == 1
    assert notes(file).skipped_examples[0].line == 1


def test_a_very_long_name_is_cut_and_control_characters_are_taken_out(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [row(name="x" * 100_000), row(name="a\x1b[31m\u202eb\n", asn=1)])
    labels = list(outcomes(only(file)))
    assert max(map(len, labels)) <= 210
    assert all(label.isprintable() for label in labels)


def test_a_thousand_lies_under_one_id_count_once_whatever_their_order(tmp_path: Path) -> None:
    lies = [row("reachable" if n % 2 else "blocked", measurement_id="one", hours=n) for n in range(1000)]
    one = only(write(tmp_path / "a.jsonl", lies))
    assert one.cells[0].measurements == 1
    assert only(write(tmp_path / "b.jsonl", lies[::-1])) == one


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda path: path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000), "cannot be read"),
        (lambda path: sqlite3.connect(path).executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1)"), "no table"),
        (lambda path: sqlite3.connect(path).executescript(VIEWS), "no table"),
        (lambda path: path.mkdir(), "no files of results in it"),
        (lambda path: None, "no such file"),
    ],
    ids=["damaged", "another program's", "views that never end", "empty folder", "nothing"],
)
def test_a_source_that_cannot_be_read_is_said(tmp_path: Path, made: Any, why: str) -> None:
    path = tmp_path / "source.db"
    made(path)
    with pytest.raises(SourceError, match=why):
        compared(path)


VIEWS = "".join(
    f"CREATE VIEW {name} AS WITH RECURSIVE c(id) AS (SELECT 1 UNION ALL SELECT id FROM c) SELECT * FROM c;"
    for name in ("measurements", "targets", "vantages", "verdicts", "rounds")
)


def test_a_bad_file_among_good_ones_in_a_folder_is_skipped(tmp_path: Path) -> None:
    write(tmp_path / "good.jsonl", [GOOD])
    (tmp_path / "bad.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    (tmp_path / "letter.txt").write_text("no results")
    (tmp_path / ".hidden.jsonl").write_text("no results")
    found = notes(tmp_path)
    assert (found.read, found.skipped) == (1, 1)


def test_values_of_a_database_are_not_believed(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "a.db")
    store.save([finished("aaaa000000000000"), finished("bbbb000000000000")])
    with store.writing():
        store.db.execute("UPDATE verdicts SET outcome = 'blocked', method = 'x' || char(27) WHERE measurement = 1")
        store.db.execute("UPDATE vantages SET name = 'a' || char(27) || '[31m'")
    store.close()
    found = notes(tmp_path / "a.db")
    assert (found.read, found.skipped) == (1, 1)
    assert all(label.isprintable() for label in outcomes(only(tmp_path / "a.db")))


def test_a_database_that_cannot_be_written_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir()
    store = Store.open(folder / "a.db")
    store.save([finished()])
    store.close()
    before = (folder / "a.db").read_bytes()
    folder.chmod(0o500)
    try:
        assert outcomes(only(folder / "a.db")) == {"home-fibre": "reachable"}
        assert (folder / "a.db").read_bytes() == before
    finally:
        folder.chmod(0o700)
