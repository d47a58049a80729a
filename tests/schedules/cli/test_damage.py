"""A damaged database ends every command with what can be read, or with one line; never with a traceback."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from schedules import cli

KEPT = Path("tests/results/db/databases")
PAGE_BYTES = 4096


def broken_schema(raw: bytearray, chance: random.Random) -> None:
    """Schema text that is not UTF-8."""
    for _ in range(3):
        place = raw.find(b"CREATE", chance.randrange(PAGE_BYTES))
        raw[place + 3 : place + 6] = b"\xff\xfe\x80"


def other_schema(raw: bytearray, chance: random.Random) -> None:
    """Schema text with other names in it."""
    for _ in range(2):
        place = raw.find(
            chance.choice([b"started_at", b"outcome", b"observations", b"verdicts"]), chance.randrange(8000)
        )
        raw[place : place + 2] = b"zz"


def noise(raw: bytearray, chance: random.Random) -> None:
    for _ in range(40):
        place = chance.randrange(100, len(raw))
        raw[place : place + 8] = chance.randbytes(8)


def exchanged_pages(raw: bytearray, chance: random.Random) -> None:
    for _ in range(6):
        place = chance.randrange(1, len(raw) // PAGE_BYTES) * PAGE_BYTES
        raw[place : place + PAGE_BYTES] = chance.choice(
            [bytes(PAGE_BYTES), chance.randbytes(PAGE_BYTES), raw[:PAGE_BYTES]]
        )


def cut_short(raw: bytearray, chance: random.Random) -> None:
    del raw[chance.randrange(100, len(raw)) :]


def broken_values(raw: bytearray, chance: random.Random) -> None:
    """JSON in the rows that is none any more."""
    for mark in (b'["', b'{"', b"2026-11"):
        place = raw.find(mark, chance.randrange(len(raw) // 2))
        raw[place : place + 2] = b"\x01}"


DAMAGES = (broken_schema, other_schema, noise, exchanged_pages, cut_short, broken_values)
COMMANDS = (
    ("results", "list"),
    ("results", "show", "{id}"),
    ("results", "export", "--format", "jsonl", "-o", "{folder}/exported"),
    ("results", "reclassify"),
    ("results", "enforcement"),
    ("compare", "{db}"),
    ("register", "stats"),
    ("register", "lookup", "reset.x.test"),
    ("results", "merge", "{db}"),
)


@pytest.fixture
def sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[bytes, str]:
    """The bytes of a database of today's schema, and the id of a measurement in it."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("REACHPROBE_CONSENT", "no")
    newest = max(KEPT.glob("v*.db.gz"), key=lambda path: int(path.name[1:].split(".")[0]))
    file = tmp_path / "x.db"
    file.write_bytes(gzip.decompress(newest.read_bytes()))
    assert cli.call(["--db", str(file), "results", "list", "--json"]) == 0
    row = json.loads(capsys.readouterr().out.splitlines()[0])
    return file.read_bytes(), str(row["measurement_id"])


def failures(sound: tuple[bytes, str], folder: Path, damage: Callable[..., None], seed: int) -> list[str]:
    """The commands that ended otherwise than they may, each on a fresh copy of the damaged file."""
    data, file = bytearray(sound[0]), folder / "x.db"
    damage(data, random.Random(seed))
    bad = []
    for words in COMMANDS:
        for old in folder.glob("x.db*"):
            old.unlink()
        file.write_bytes(data)
        filled = [word.format(id=sound[1], folder=folder, db=file) for word in words]
        own = folder / "own.db" if words[1:2] == ("merge",) else file
        try:
            code = cli.call(["--db", str(own), *filled])
        except Exception as error:
            bad.append(f"{' '.join(words)}: {type(error).__name__}: {error}")
        else:
            if code not in (0, 2, 69):
                bad.append(f"{' '.join(words)}: exit {code}")
    return bad


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_database_gives_a_line_and_no_traceback(
    sound: tuple[bytes, str], tmp_path: Path, damage: Callable[..., None], seed: int
) -> None:
    assert failures(sound, tmp_path, damage, seed) == []


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_many_damaged_databases(sound: tuple[bytes, str], tmp_path: Path, damage: Callable[..., None]) -> None:
    assert [bad for seed in range(2, 27) for bad in failures(sound, tmp_path, damage, seed)] == []


def test_a_sound_database_passes_every_command(sound: tuple[bytes, str], tmp_path: Path) -> None:
    assert failures(sound, tmp_path, lambda *_: None, 0) == []
