"""Whatever a file holds, it is read or refused in one line; nothing else happens."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st

from results.registers import sample_path, schema
from results.registers.expectation import RegisterLookup
from results.registers.formats import citizenlab, formats
from results.registers.importing import ImportOptions, import_register
from results.registers.records import RegisterError

OURS = b"""{"reachprobe_register":1,"name":"x","country":"RU","updated":"2017-05-08T09:00:00Z"}
{"key":"1","block_type":"url","names":["a.com"],"urls":["https://a.com/x"],"resolved":["192.0.2.7"]}
{"key":"2","block_type":"ip","subnets":["192.0.2.0/24"],"listed_on":"2017-05-04"}
{"entries":2}
"""
"""One of our databases gives it to another."""
WHOLE = {
    "reachprobe": OURS,
    "zapret-csv": 'Updated: 2017-05-08 09:00:00 +0000\n1.2.3.4 | ::1;a.com;"https://a.com/x;y";суд;1;2016-01-01\n1.2.3.0/24;;;ФНС;1;2016-01-01\n'.encode(
        "cp1251"
    ),
    "rkn-xml": sample_path().read_bytes(),
    "uablacklist": b'{"vk.com": {"term": "14.05.2023", "reason": "x"}, "b.com": {"term": null}}',
    "plain": b"a.com\n0.0.0.0 b.com\n*.c.org\n1.2.3.0/24\n||d.com^\nhttp://x.com/y\n",
    "rpz": b"$ORIGIN rpz.\n@ SOA a. b. (1 2\n3 4 5)\na.com CNAME .\n*.b.com CNAME *.\n24.0.2.0.192.rpz-ip CNAME .\n",
    "citizenlab-official": f"{citizenlab.COLUMNS}\na.com,x,GMB,,2015-04-05,0.1,AAMS,AAMS,\n".encode(),
}
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


@pytest.mark.parametrize("name", sorted(WHOLE))
@settings(deadline=None, max_examples=60)
@given(edits=cuts, told=st.booleans())
def test_a_damaged_file_is_read_or_refused_and_every_stored_name_can_be_looked_up(
    name: str, edits: list[tuple[int, int, bytes]], told: bool
):
    content = bytearray(WHOLE[name])
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
    assert WHOLE.keys() == formats().keys()
    for name, content in WHOLE.items():
        db = sqlite_utils.Database(memory=True)
        schema.create(db)
        (tmp_path / "register").write_bytes(content)
        assert import_register(db, [tmp_path / "register"], ImportOptions(name="x", country="RU")).format == name
        db.close()
