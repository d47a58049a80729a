"""A file of records is read line by line, packed or not, and nothing in it is larger than it may be."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from results.db import jsonl
from results.db.jsonl import BadFile, BadRecord, records


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "records.jsonl"


def read(path: Path) -> list[tuple[int, bytes | str]]:
    return [(number, str(line) if isinstance(line, BadRecord) else line.strip()) for number, line in records(path)]


def test_each_line_comes_with_its_number_and_empty_ones_do_not_count(file: Path) -> None:
    file.write_bytes(b'{"a":1}\n\n  \r\n{"a":2}\r\nrubbish')
    assert read(file) == [(1, b'{"a":1}'), (4, b'{"a":2}'), (5, b"rubbish")]


def test_gzip_is_unpacked_whatever_the_file_is_called(file: Path) -> None:
    file.write_bytes(gzip.compress(b'{"a":1}\n') + gzip.compress(b'{"a":2}\n'))
    assert read(file) == [(1, b'{"a":1}'), (2, b'{"a":2}')]


def test_one_value_over_many_lines_is_one_record(file: Path) -> None:
    file.write_bytes(b'{\n  "a": 1,\n  "b": [\n    2\n  ]\n}\n')
    assert read(file) == [(1, b'{\n  "a": 1,\n  "b": [\n    2\n  ]\n}')]


def test_a_damaged_first_line_does_not_take_the_others_with_it(file: Path) -> None:
    file.write_bytes(b'{"a":\n{"a":2}\n\n{"a":3}\n')
    assert read(file) == [(1, b'{"a":'), (2, b'{"a":2}'), (4, b'{"a":3}')]


def test_a_line_that_is_too_long_is_passed_over_and_the_next_one_is_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "MAX_LINE", 1024)
    file.write_bytes(b'{"a":1}\n"' + b"x" * 5000 + b'"\n{"a":2}\n')
    assert read(file) == [(1, b'{"a":1}'), (2, "longer than 0 MiB"), (3, b'{"a":2}')]


def test_a_line_without_end_ends_the_reading_before_the_memory_does(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "MAX_LINE", 1024)
    monkeypatch.setattr(jsonl, "MAX_OVERLONG", 8192)
    file.write_bytes(gzip.compress(b'{"a":1}\n' + b"\0" * 100_000_000))
    assert read(file) == [(1, b'{"a":1}'), (2, "a line without an end; the rest of the file is skipped")]


def test_a_first_line_that_goes_on_too_long_is_told_and_what_follows_it_too(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "MAX_LINE", 64)
    file.write_bytes(b'{"a":\n' + b"1\n" * 100)
    found = read(file)
    assert found[0] == (1, b'{"a":')
    assert "the rest is skipped" in str(found[-1][1])


def test_a_gzip_file_that_is_cut_short_is_said(file: Path) -> None:
    file.write_bytes(gzip.compress(b'{"a":1}\n' * 1000)[:-20])
    with pytest.raises(BadFile, match="truncated or damaged"):
        read(file)
    file.write_bytes(gzip.compress(b'{"a":1}\n' * 1000)[:20] + b"rubbish" * 20)
    with pytest.raises(BadFile, match="truncated or damaged"):
        read(file)


def test_a_file_packed_by_zstd_is_read_and_one_that_is_cut_short_is_said(file: Path) -> None:
    packed = jsonl.zstd.compress(b'{"a":1}\n{"a":2}\n')
    file.write_bytes(packed)
    assert read(file) == [(1, b'{"a":1}'), (2, b'{"a":2}')]
    file.write_bytes(packed[:-4])
    with pytest.raises(BadFile, match="truncated or damaged"):
        read(file)


@pytest.mark.parametrize(("magic", "tool"), [(b"PK\x03\x04", "unzip"), (b"\x04\x22\x4d\x18", "lz4 -d")])
def test_another_packing_is_named_with_what_unpacks_it(file: Path, magic: bytes, tool: str) -> None:
    file.write_bytes(magic + b"....")
    with pytest.raises(BadFile, match=tool):
        read(file)


def test_a_file_that_is_not_there_or_a_folder_is_said(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(BadFile, match=str(path)):
            read(path)


def test_an_empty_file_holds_nothing(file: Path) -> None:
    file.write_bytes(b"")
    assert read(file) == []
