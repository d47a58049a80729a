"""Reads files of records, one JSON value a line or in other shapes: each record bounded, none believed."""

from __future__ import annotations

import gzip
import sys
import tarfile
import zlib
from collections.abc import Iterator
from gettext import gettext as _
from io import BufferedReader, BytesIO, RawIOBase
from pathlib import Path
from typing import Any

import msgspec

from probe.text import printable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_LINE = 16 * 1024 * 1024
MAX_OVERLONG = 16 * MAX_LINE
"""How much of a line without end is read past before the rest of the file is given up."""
MAX_UNPACKED = 16 << 30
"""What one packed file may unpack to."""
BOM, UTF_16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
TAR_BLOCK, TAR_MAGIC, TAR_MAGIC_AT = 512, b"ustar", 257
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
OTHER_PACKINGS = {b"\x04\x22\x4d\x18": "lz4 -d", b"PK\x03\x04": "unzip"}


class BadRecord(ValueError):
    """One record that cannot be read, and why, in English with the values of its placeholders."""

    def __init__(self, text: str, **values: object) -> None:
        super().__init__(text.format(**values) if values else text)
        self._text, self._values = text, values

    def shown(self) -> str:
        """The same in the language of this process."""
        text = _(self._text) if self._text else ""
        return text.format(**self._values) if self._values else text


class BadFile(ValueError):
    """A file that cannot be read at all; the message names it and the way out."""


def records(path: Path) -> Iterator[tuple[int, bytes | BadRecord]]:
    """Each record with its number, or why it is not even looked at. A file that is one JSON value counts as one line.

    gzip and zstd are unpacked as they are read. The elements of an array, the files of a tar archive, the content of a
    collector's POST body and the `raw_measurement` of an API's answer are records of their own. Raises BadFile.
    """
    try:
        with path.open("rb") as file:
            for number, value in _of_any_shape(_unpacked(file, path)):
                yield number, _without_envelope(value)
    except (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError) as error:
        raise BadFile(_("{path}: the compressed file is truncated or damaged").format(path=path)) from error
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror or error}") from error


def _unpacked(file: BufferedReader, path: Path) -> BufferedReader:
    head = file.peek(4)[:4]
    for magic, tool in OTHER_PACKINGS.items():
        if head == magic:
            raise BadFile(_("{path}: unpack it first, with {tool}").format(path=path, tool=tool))
    if head[:2] in UTF_16 and 0 in head[2:]:
        raise BadFile(_("{path}: UTF-16 text; save it as UTF-8").format(path=path))
    if head.startswith(GZIP):
        return BufferedReader(_Bounded(gzip.open(file), path))
    if head == ZSTD:  # its window is bounded at 128 MiB, as the zstd program's is
        return BufferedReader(_Bounded(zstd.ZstdFile(file), path))
    return file


class _Bounded(RawIOBase):
    """An unpacked file up to MAX_UNPACKED bytes."""

    def __init__(self, stream: Any, path: Path) -> None:
        super().__init__()
        self._stream, self._path, self._left = stream, path, MAX_UNPACKED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count: int = self._stream.readinto(buffer)
        self._left -= count
        if self._left < 0:
            says = _("{path}: larger than {size} GiB when unpacked")
            raise BadFile(says.format(path=self._path, size=MAX_UNPACKED >> 30))
        return count


def _of_any_shape(stream: BufferedReader) -> Iterator[tuple[int, bytes | BadRecord]]:
    if stream.peek(TAR_BLOCK)[TAR_MAGIC_AT:].startswith(TAR_MAGIC):
        yield from _members(stream)
    else:
        yield from _records(stream)


def _members(stream: BufferedReader) -> Iterator[tuple[int, bytes | BadRecord]]:
    """The records in the files of a tar archive, numbered throughout. Each file is held in memory, so it is bounded."""
    number = 0
    while len(block := stream.read(TAR_BLOCK)) == TAR_BLOCK and block.strip(b"\0"):
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "replace")
        except tarfile.HeaderError:
            yield number + 1, BadRecord("the archive is damaged; the rest is skipped")
            return
        content, padding = _content(stream, member.size), -member.size % TAR_BLOCK
        stream.read(padding)
        if not member.isreg() or member.name.rpartition("/")[2].startswith("._"):
            continue
        if content is None:
            number += 1
            yield number, BadRecord("longer than {size} MiB", size=MAX_LINE >> 20)
            continue
        for _number, value in _records(BufferedReader(BytesIO(content))):
            number += 1
            yield number, value


def _content(stream: BufferedReader, size: int) -> bytes | None:
    """The next `size` bytes; None, and they are read past, where they are too many."""
    if size <= MAX_LINE:
        return stream.read(max(size, 0))
    while size > 0 and (passed := len(stream.read(min(size, MAX_LINE)))):
        size -= passed
    return None


def _elements(array: bytes) -> Iterator[tuple[int, bytes | BadRecord]]:
    elements = msgspec.json.decode(array, type=list[msgspec.Raw])
    yield from ((number, bytes(element)) for number, element in enumerate(elements, 1))
    if not elements:
        yield 1, BadRecord("an empty array")


class _Envelope(msgspec.Struct):
    """What surrounds a measurement: a collector's POST body, or an API's answer."""

    content: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    raw_measurement: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    test_name: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    test_keys: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def _without_envelope(value: bytes | BadRecord) -> bytes | BadRecord:
    if isinstance(value, BadRecord) or not (b'"content"' in value or b'"raw_measurement"' in value):
        return value
    try:
        around = msgspec.json.decode(value, type=_Envelope)
        if around.raw_measurement is not msgspec.UNSET and around.test_keys is msgspec.UNSET:
            inner = msgspec.json.decode(around.raw_measurement, type=str)
            return inner.encode() if inner else BadRecord("raw_measurement is empty")
        if around.content is not msgspec.UNSET and around.test_name is msgspec.UNSET:
            content = bytes(around.content)
            return content if content.startswith(b"{") else value
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        pass
    return value


def _records(stream: BufferedReader) -> Iterator[tuple[int, bytes | BadRecord]]:
    number = 0
    for number, line in enumerate(_lines(stream), 1):
        if number == 1 and isinstance(line, bytes):
            line = line.removeprefix(BOM)
        begins = line.lstrip()[:1] if number == 1 and isinstance(line, bytes) else b""
        if isinstance(line, bytes) and (begins == b"[" or (begins == b"{" and not _is_json(line))):
            rest = stream.read(MAX_LINE)
            whole = (line + rest).strip()
            if len(rest) < MAX_LINE and _is_json(whole):
                yield from _elements(whole) if begins == b"[" else [(1, whole)]
                return
            yield 1, line
            for after, later in enumerate(rest.splitlines(), 2):
                if later.strip():
                    yield after, later
            if len(rest) == MAX_LINE:
                yield after, BadRecord("the rest is skipped: neither one JSON value nor one per line")
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
                yield BadRecord("a line without an end; the rest of the file is skipped")
                return
        yield BadRecord("longer than {size} MiB", size=MAX_LINE >> 20)


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return True


def reason(error: Exception) -> str:
    """Why something could not be read, in the language of this process."""
    return error.shown() if isinstance(error, BadRecord) else str(error)


def decode(data: bytes, type: Any = Any) -> Any:
    """The JSON value of a line. BadRecord where it is none, is nested too deep, or is not of `type`."""
    try:
        return msgspec.json.decode(data, type=type)
    except RecursionError as error:
        raise BadRecord("nested too deep") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRecord(printable(str(error))) from error
