"""Whatever a file holds, it is read or refused in one line; nothing else happens."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st

from results.registers import create_tables
from results.registers.expectation import RegisterLookup
from results.registers.formats import formats
from results.registers.importing import ImportOptions, import_register
from results.registers.names import listed_items
from results.registers.records import RegisterError
from tests.results.registers.samples import SAMPLES

pieces = st.one_of(
    st.binary(max_size=6),
    st.sampled_from(
        [
            b";",
            b"|",
            b"\n",
            b'"',
            b"\0",
            b"*.",
            b".",
            b"://",
            b"/",
            b"[",
            b"%",
            b"<",
            b"&",
            b"]]>",
            b"\xad",
            b"xn--",
            b"{",
            b"$",
            b"_" * 70,
        ]
    ),
)
cuts = st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 20), pieces), max_size=8)


@pytest.mark.parametrize("name", sorted(SAMPLES))
@settings(deadline=None, max_examples=60)
@given(edits=cuts, told=st.booleans())
def test_a_damaged_file_is_read_or_refused_and_every_stored_name_can_be_looked_up(
    name: str, edits: list[tuple[int, int, bytes]], told: bool
):
    content = bytearray(SAMPLES[name])
    for at, length, piece in edits:
        start = at % (len(content) + 1)
        content[start : start + length] = piece
    db = sqlite_utils.Database(memory=True)
    create_tables(db)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "register"
        path.write_bytes(content)
        try:
            report = import_register(db, [path], ImportOptions(name="x", country="RU", format=name if told else None))
            refused = ""
        except RegisterError as error:
            refused = str(error)
    if refused:
        assert "\n" not in refused
        assert db["registers"].count == 0
    else:
        assert report.rows == report.kept + report.skipped
        assert 0 < report.entries <= report.kept
        lookup = RegisterLookup(db, register="x", at=datetime(2040, 1, 1, tzinfo=UTC))
        for (listed,) in db.execute("SELECT DISTINCT name FROM register_names").fetchall():
            lookup.expect(listed)
    db.close()


def test_the_files_are_whole_to_begin_with(tmp_path: Path):
    assert SAMPLES.keys() == formats().keys()
    for name, content in SAMPLES.items():
        db = sqlite_utils.Database(memory=True)
        create_tables(db)
        (tmp_path / "register").write_bytes(content)
        assert import_register(db, [tmp_path / "register"], ImportOptions(name="x", country="RU")).format == name
        db.close()


def test_problems_of_a_row_with_many_and_of_many_kinds_are_bounded(tmp_path: Path, db: sqlite_utils.Database):
    rows = [";".join(["a.example " + "b_c\u202e " * 9000])] + [f"$KIND{number} x" for number in range(5000)]
    (tmp_path / "zone").write_text("$ORIGIN rpz.\n@ SOA a. b. 1 2 3 4 5\na.com CNAME .\n" + "\n".join(rows))
    options = ImportOptions(name="x", country="RU", format="rpz")
    report = import_register(db, [tmp_path / "zone"], options)
    assert sum(report.reasons.values()) >= 5000
    assert len(report.reasons) <= 201
    (tmp_path / "plain").write_text("a.com\n" + "/".join(["_\u202e" * 200] * 20))
    report = import_register(db, [tmp_path / "plain"], ImportOptions(name="y", country="RU", format="plain"))
    assert report.skipped
    assert all(len(problem.why) <= 500 and problem.why.isprintable() for problem in report.problems)


def test_a_row_of_a_thousand_wrong_names_is_told_in_one_short_line(tmp_path: Path, db: sqlite_utils.Database):
    path = tmp_path / "register"
    names = "|".join(["\x00not a name"] * 1000)
    path.write_bytes(
        f"Updated: 2017-05-08 09:00:00 +0000\n1.2.3.4;a.com;;x;1;2016-01-01\n;{names};;x;1;2016-01-01\n".encode(
            "cp1251"
        )
    )
    report = import_register(db, [path], ImportOptions(name="x", country="RU"))
    assert report.skipped == 1
    assert [len(problem.why) <= 500 for problem in report.problems] == [True]


@pytest.mark.parametrize(
    "text", ["a" * 900_000 + "*", "1" + " " * 900_000 + "1", "a." * 450_000 + "*", "1-" * 450_000 + "1"]
)
def test_a_long_word_takes_no_time_by_its_square(text: str):
    began = time.process_time()
    listed_items([text], [text])
    assert time.process_time() - began < 2
