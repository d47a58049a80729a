"""Measurements in the shapes in which people pass them on: each is the same record."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from results.db import jsonl
from results.db.jsonl import BadFile, BadRecord, records

ONE, TWO = {"test_name": "x", "n": 1}, {"test_name": "x", "n": 2}


def read(path: Path) -> list[Any]:
    """Each record as a value, or why it was not read."""
    return [str(line) if isinstance(line, BadRecord) else json.loads(line) for _, line in records(path)]


def tar(*members: tuple[str, bytes], form: int = tarfile.USTAR_FORMAT, mode: str = "w") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def post(value: dict[str, Any]) -> bytes:
    return json.dumps({"format": "json", "content": value}).encode()


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([ONE, TWO]).encode(),
        json.dumps([ONE, TWO], indent=2).encode(),
        b"\xef\xbb\xbf" + json.dumps([ONE, TWO]).encode() + b"\n\n",
        b"\xef\xbb\xbf" + json.dumps(ONE).encode() + b"\n" + json.dumps(TWO).encode(),
        post(ONE) + b"\n" + post(TWO) + b"\n",
        json.dumps([{"raw_measurement": json.dumps(one)} for one in (ONE, TWO)]).encode(),
        json.dumps({"test_name": "x", "raw_measurement": json.dumps(ONE)}).encode() + b"\n" + json.dumps(TWO).encode(),
        tar(("a/1.post", post(ONE)), ("a/2.post", post(TWO))),
        tar(("1.post", post(ONE)), ("2.post", post(TWO)), mode="w:gz"),
        tar(("x" * 150 + "/1.post", post(ONE)), ("y.jsonl", json.dumps(TWO).encode()), form=tarfile.PAX_FORMAT),
        tar(("x" * 150 + "/1.post", post(ONE)), ("y.jsonl", json.dumps(TWO).encode()), form=tarfile.GNU_FORMAT),
        tar(("._1.post", b"odd"), ("1.post", post(ONE)), ("2.json", json.dumps([TWO], indent=1).encode())),
        gzip.compress(json.dumps([ONE, TWO]).encode(), mtime=0),
    ],
)
def test_every_shape_holds_the_same_records(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    assert read(file) == [ONE, TWO]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[]", ["an empty array"]),
        (b'{"raw_measurement": ""}', ["raw_measurement is empty"]),
        (b'{"raw_measurement": 7}', [{"raw_measurement": 7}]),
        (b'{"format": "yaml", "content": "---"}', [{"format": "yaml", "content": "---"}]),
        (json.dumps(ONE | {"content": {"a": 1}}).encode(), [ONE | {"content": {"a": 1}}]),
        (b'[1]\n{"a": 2}\n', [[1], {"a": 2}]),
    ],
)
def test_what_is_no_envelope_stays_as_it_is(content: bytes, expected: list[Any], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    assert read(file) == expected


def test_a_member_that_is_too_large_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_LINE", 4096)
    file = tmp_path / "file.tar.gz"
    file.write_bytes(gzip.compress(tar(("1", b" " * 100_000), ("2", post(TWO)))))
    assert read(file) == ["longer than 0 MiB", TWO]


def test_an_archive_that_unpacks_to_too_much_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_UNPACKED", 1 << 20)
    file = tmp_path / "file.tar.gz"
    file.write_bytes(gzip.compress(tar(("1", post(ONE)), ("2", b" " * (8 << 20)))))
    with pytest.raises(BadFile, match="larger than"):
        read(file)


@pytest.mark.parametrize("cut", [100, 600, 1100])
def test_an_archive_that_is_cut_or_damaged_gives_what_came_before(cut: int, tmp_path: Path) -> None:
    file = tmp_path / "file.tar"
    whole = tar(("1", post(ONE)), ("2", post(TWO)))
    file.write_bytes(whole[: 1024 + cut])
    assert read(file)[0] == ONE
    file.write_bytes(whole[:1024] + b"\xff" * 512 + whole[1536:])
    assert read(file) == [ONE, "the archive is damaged; the rest is skipped"]


def test_text_in_utf_16_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text(json.dumps(ONE), encoding="utf-16")
    with pytest.raises(BadFile, match="UTF-16"):
        read(file)
