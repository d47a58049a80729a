"""Reads files of records, one JSON value a line, however they were made: each line bounded, none believed."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

import msgspec

from probe.text import printable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_LINE = 16 * 1024 * 1024
MAX_OVERLONG = 16 * MAX_LINE
"""How much of a line without end is read past before the rest of the file is given up."""
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
OTHER_PACKINGS = {b"\x04\x22\x4d\x18": "lz4 -d", b"PK\x03\x04": "unzip"}


class BadRecord(ValueError):
    """One record that cannot be read; the message says why."""


class BadFile(ValueError):
    """A file that cannot be read at all; the message names it and the way out."""


def records(path: Path) -> Iterator[tuple[int, bytes | BadRecord]]:
    """Each line with its number, or why it is not even looked at. A file that is one JSON value counts as one line.

    gzip and zstd are unpacked as they are read. Raises BadFile.
    """
    try:
        with path.open("rb") as packed:
            head = packed.read(4)
            packed.seek(0)
            for magic, tool in OTHER_PACKINGS.items():
                if head == magic:
                    raise BadFile(f"{path}: unpack it first, with {tool}")
            if head.startswith(GZIP):
                with gzip.open(packed) as plain:
                    yield from _records(cast(BufferedReader, plain))
            elif head == ZSTD:
                with zstd.ZstdFile(packed) as plain:  # its window is bounded at 128 MiB, as the zstd program's is
                    yield from _records(cast(BufferedReader, plain))
            else:
                yield from _records(packed)
    except (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError) as error:
        raise BadFile(f"{path}: the packed file is cut short or damaged") from error
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror or error}") from error


def _records(stream: BufferedReader) -> Iterator[tuple[int, bytes | BadRecord]]:
    number = 0
    for number, line in enumerate(_lines(stream), 1):
        if number == 1 and isinstance(line, bytes) and line.lstrip()[:1] in (b"{", b"[") and not _is_json(line):
            rest = stream.read(MAX_LINE)
            whole = line + rest
            if len(rest) < MAX_LINE and _is_json(whole):
                yield 1, whole.strip()
                return
            yield 1, line
            for after, later in enumerate(rest.splitlines(), 2):
                if later.strip():
                    yield after, later
            if len(rest) == MAX_LINE:
                yield after, BadRecord("what follows is not read: neither one JSON value nor one a line")
            return
        if isinstance(line, BadRecord) or line.strip():
            yield number, line


def _lines(stream: BufferedReader) -> Iterator[bytes | BadRecord]:
    while line := stream.readline(MAX_LINE + 1):
        if len(line) <= MAX_LINE:
            yield line
            continue
        passed = len(line)
        while not line.endswith(b"\n") and line:
            line = stream.readline(MAX_LINE)
            passed += len(line)
            if passed > MAX_OVERLONG:
                yield BadRecord("a line without end: the rest of the file is not read")
                return
        yield BadRecord(f"longer than {MAX_LINE >> 20} MiB")


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return True


def decode(data: bytes, type: Any = Any) -> Any:
    """The JSON value of a line. BadRecord where it is none, is nested too deep, or is not of `type`."""
    try:
        return msgspec.json.decode(data, type=type)
    except RecursionError as error:
        raise BadRecord("nested too deep") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRecord(printable(str(error))) from error
