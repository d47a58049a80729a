"""Whatever a file holds, it is read or refused in one line; nothing else happens."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st

from results.registers import schema
from results.registers.expectation import RegisterLookup
from results.registers.formats import formats
from results.registers.importing import ImportOptions, import_register
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
    schema.create(db)
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
        schema.create(db)
        (tmp_path / "register").write_bytes(content)
        assert import_register(db, [tmp_path / "register"], ImportOptions(name="x", country="RU")).format == name
        db.close()
