"""Registers packed by zstd: read as they are, and bounded whatever they unpack to."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from results.registers import source
from results.registers.records import ImportReport, RegisterError, TruncatedRegister
from results.registers.source import RegisterFile, zstd

ROWS = "".join(f"1.2.3.4;a{n}.com;;суд;1;2016-01-01\n" for n in range(5000))
DUMP = f"Updated: 2017-05-08 09:00:00 +0000\n{ROWS}".encode("cp1251")
Import = Callable[..., ImportReport]


@pytest.fixture
def packed(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "dump.csv.zst"
        path.write_bytes(content)
        return path

    return write


def test_a_packed_dump_is_read_as_the_plain_one(packed: Callable[[bytes], Path], imported: Import):
    report = imported(packed(zstd.compress(DUMP)))
    assert (report.format, report.rows, report.entries) == ("zapret-csv", 5000, 5000)


def test_frames_one_after_the_other_are_one_file(packed: Callable[[bytes], Path], imported: Import):
    half = len(DUMP) // 2
    assert imported(packed(zstd.compress(DUMP[:half]) + zstd.compress(DUMP[half:]))).rows == 5000


@pytest.mark.parametrize("lost", [1, 100, 2000])
def test_a_packed_dump_that_is_cut_short_is_refused(lost: int, packed: Callable[[bytes], Path], imported: Import):
    with pytest.raises(TruncatedRegister, match="truncated"):
        imported(packed(zstd.compress(DUMP)[:-lost]))


@pytest.mark.parametrize("junk", [b"\x28\xb5\x2f\xfd" + b"\xff" * 40, zstd.compress(DUMP) + b"junk"])
def test_a_damaged_packed_dump_is_refused(junk: bytes, packed: Callable[[bytes], Path], imported: Import):
    with pytest.raises(TruncatedRegister, match="damaged"):
        imported(packed(junk))


def test_a_bomb_stops_at_the_limit(packed: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(source, "MAX_FILE_BYTES", 2 << 20)
    path = packed(zstd.compress(b"\0" * (256 << 20)))
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    with pytest.raises(RegisterError, match="not a register"):
        sum(map(len, RegisterFile(path).chunks()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_progress_is_told_in_bytes_of_the_packed_file_and_never_beyond_it(packed: Callable[[bytes], Path]):
    path = packed(zstd.compress(DUMP))
    told: list[tuple[int, int | None]] = []
    (one,) = source.register_files([path], lambda done, total: told.append((done, total)))
    one.head()
    assert b"".join(one.chunks()) == DUMP
    size = path.stat().st_size
    assert told[-1] == (size, size)
    assert told == sorted(told)
