"""Register files as bounded streams of bytes or lines: plain, .gz, .zst, zipped, or in parts."""

from __future__ import annotations

import gzip
import io
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from gettext import gettext as _
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from probe.text import system_reason
from results.registers.records import RegisterError, TruncatedRegister

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HEAD_BYTES = 65536
CHUNK_BYTES = 262144
MAX_FILE_BYTES = 4 << 30
"""Unpacked; the real register is about 0.2 GB."""
MAX_LINE_BYTES = 1 << 20
Progress = Callable[[int, int | None], None]
"""Called with the bytes read so far and the total (None: unknown)."""


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class NumberedLine(NamedTuple):
    """A line without its line feed: `content` is None if it is too long, `ended` is false without a line feed."""

    number: int
    content: bytes | None
    ended: bool


class RegisterFile:
    """One file of a register; `progress` is called with the number of bytes read from disk."""

    def __init__(self, path: Path, progress: Callable[[int], None] | None = None) -> None:
        self.path = path
        self.name = path.name
        self._progress = progress

    def head(self) -> bytes:
        """The first 64 KiB, unpacked, without progress."""
        with RegisterFile(self.path)._open() as stream:
            return _read(stream, HEAD_BYTES, self.name)

    def chunks(self) -> Iterator[bytes]:
        """The whole file, unpacked. Raises TruncatedRegister for an archive that ends early."""
        total = 0
        with self._open() as stream:
            while chunk := _read(stream, CHUNK_BYTES, self.name):
                total += len(chunk)
                if total > MAX_FILE_BYTES:
                    raise RegisterError(
                        _("{name} unpacks to more than {limit} GiB, so it is not a register").format(
                            name=self.name, limit=MAX_FILE_BYTES >> 30
                        )
                    )
                yield chunk

    def lines(self) -> Iterator[NumberedLine]:
        """The lines, also without a carriage return at their end; holds at most a chunk and a line in memory."""
        number, rest, too_long = 1, b"", False
        for chunk in self.chunks():
            pieces = (rest + chunk).split(b"\n")
            rest = pieces.pop()
            for piece in pieces:
                too_long = too_long or len(piece) > MAX_LINE_BYTES
                yield NumberedLine(number, None if too_long else piece.removesuffix(b"\r"), True)
                number, too_long = number + 1, False
            if len(rest) > MAX_LINE_BYTES:
                rest, too_long = b"", True
        if rest or too_long:
            yield NumberedLine(number, None if too_long else rest, False)

    @contextmanager
    def _open(self) -> Iterator[_Readable]:
        try:
            with self.path.open("rb") as file:
                counted = _CountedFile(file, self._progress) if self._progress else file
                magic = file.read(4)
                file.seek(0)
                if magic[:2] == b"\x1f\x8b":
                    with gzip.GzipFile(fileobj=counted) as unpacked:
                        yield unpacked
                elif magic == b"\x28\xb5\x2f\xfd":
                    with zstd.ZstdFile(counted) as frames:  # its window is bounded at 128 MiB, as the zstd program's is
                        yield frames
                elif magic == b"PK\x03\x04":
                    with zipfile.ZipFile(file) as archive, archive.open(_register_in(archive, self.name)) as member:
                        yield member
                else:
                    yield counted
        except zipfile.BadZipFile as error:
            raise TruncatedRegister(
                _("{name} is a broken zip archive ({error}); download it again").format(name=self.name, error=error)
            ) from error
        except OSError as error:
            raise RegisterError(
                _("cannot read {path}: {reason}").format(path=self.path, reason=system_reason(error))
            ) from error


class _CountedFile(io.RawIOBase):
    """A file that reports how many bytes were read from it."""

    def __init__(self, file: BinaryIO, report: Callable[[int], None]) -> None:
        super().__init__()
        self._file, self._report = file, report

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        self._report(len(data))
        return data

    def readable(self) -> bool:
        return True


def _read(stream: _Readable, size: int, name: str) -> bytes:
    try:
        return stream.read(size)
    except EOFError as error:
        raise TruncatedRegister(_("{name} is truncated; download it again").format(name=name)) from error
    except (zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, zstd.ZstdError) as error:
        raise TruncatedRegister(
            _("{name} is damaged ({error}); download it again").format(name=name, error=error)
        ) from error


def _register_in(archive: zipfile.ZipFile, name: str) -> str:
    endings = (".xml", ".csv", ".txt", ".json")
    members = [info.filename for info in archive.infolist() if info.filename.endswith(endings)]
    if len(members) != 1:
        raise RegisterError(
            _("{name} contains {count} registers; unpack it and name one file").format(name=name, count=len(members))
        )
    return members[0]


def register_files(paths: list[Path], progress: Progress | None = None) -> list[RegisterFile]:
    """The files of one register version, in the order given; progress is over all of them."""
    try:
        total = sum(path.stat().st_size for path in paths)
    except OSError as error:
        raise RegisterError(
            _("cannot read {path}: {reason}").format(path=error.filename, reason=system_reason(error))
        ) from error
    done = 0

    def report(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, total)

    return [RegisterFile(path, report if progress else None) for path in paths]
