"""Register files as bounded byte streams: plain, .gz, .zst, zipped, or in parts."""

from __future__ import annotations

import gzip
import io
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from results.registers.records import RegisterError, TruncatedRegister

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HEAD = 65536
CHUNK = 262144
MAX_BYTES = 4 << 30  # unpacked, one file; the real register is about 0.2 GB
Progress = Callable[[int, int | None], None]
"""Told how many bytes are done, and of how many (None: nobody knows)."""


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class Source:
    """One file of a register. `progress(done, total)` is told in bytes on disk."""

    def __init__(self, path: Path, progress: Callable[[int], None] | None = None) -> None:
        self.path = path
        self.name = path.name
        self._progress = progress

    def head(self) -> bytes:
        """The first 64 KiB, unpacked; no progress is told of it."""
        with Source(self.path)._open() as stream:
            return _read(stream, HEAD, self.name)

    def chunks(self) -> Iterator[bytes]:
        """The whole file, unpacked, in pieces. Raises TruncatedRegister for an archive that ends early."""
        total = 0
        with self._open() as stream:
            while chunk := _read(stream, CHUNK, self.name):
                total += len(chunk)
                if total > MAX_BYTES:
                    raise RegisterError(f"{self.name} unpacks to more than {MAX_BYTES >> 30} GiB: not a register")
                yield chunk

    @contextmanager
    def _open(self) -> Iterator[_Readable]:
        try:
            with self.path.open("rb") as file:
                counted = _Counted(file, self._progress) if self._progress else file
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
            raise TruncatedRegister(f"{self.name} is a broken zip archive ({error}); fetch it again") from error
        except OSError as error:
            raise RegisterError(f"cannot read {self.path}: {error.strerror or error}") from error


class _Counted(io.RawIOBase):
    """A file that tells how many bytes were read from it."""

    def __init__(self, file: BinaryIO, tell: Callable[[int], None]) -> None:
        super().__init__()
        self._file, self._tell = file, tell

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        self._tell(len(data))
        return data

    def readable(self) -> bool:
        return True


def _read(stream: _Readable, size: int, name: str) -> bytes:
    try:
        return stream.read(size)
    except EOFError as error:
        raise TruncatedRegister(f"{name} is cut short; fetch it again") from error
    except (zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, zstd.ZstdError) as error:
        raise TruncatedRegister(f"{name} is damaged ({error}); fetch it again") from error


def _register_in(archive: zipfile.ZipFile, name: str) -> str:
    endings = (".xml", ".csv", ".txt", ".json")
    members = [info.filename for info in archive.infolist() if info.filename.endswith(endings)]
    if len(members) != 1:
        raise RegisterError(f"{name} holds {len(members)} registers; unpack it and name the file")
    return members[0]


def sources(paths: list[Path], progress: Progress | None = None) -> list[Source]:
    """The files of one register version, in the order given; progress is over all of them."""
    try:
        total = sum(path.stat().st_size for path in paths)
    except OSError as error:
        raise RegisterError(f"cannot read {error.filename}: {error.strerror}") from error
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, total)

    return [Source(path, tell if progress else None) for path in paths]
