"""A resumable download: the part is stored beside the file until it is complete.

It is resumed only under a strong validator (RFC 9110 sections 13.1.5 and 14.2), so two versions are never joined.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import msgspec

from probe.timestamps import http_date

_RANGE = re.compile(r"bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15}|\*)\Z")
PARTIAL_CONTENT, NOT_MODIFIED, NOT_THAT_RANGE = 206, 304, 416


class BadPart(OSError):
    """The response cannot be used, or another process downloads the same; in one line."""


class PartNote(msgspec.Struct, frozen=True):
    """The URL of a part, and its validator."""

    url: str
    validator: str


class PartialDownload:
    """The part of one download, a context manager: a part that can be resumed stays, any other is deleted."""

    def __init__(self, url: str, into: Path) -> None:
        self._url, self._into = url, into
        self._part = into.with_name(into.name + ".part")
        self._note = into.with_name(into.name + ".part.json")
        self._file: IO[bytes] | None = None
        self.length = 0
        self.total: int | None = None
        self.keep = False
        self._max_bytes = 0

    def __enter__(self) -> PartialDownload:
        self._file = self._part.open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise BadPart("another download of it is under way") from error
        self.length = self._file.tell()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if not self.keep:
            self._part.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)
        if self._file:
            self._file.close()

    def resume_headers(self) -> dict[str, str]:
        """The headers that ask for the rest; none if there is nothing to resume."""
        came = self._note_of_part()
        if not self.length or came is None or came.url != self._url:
            return {}
        self.keep = True  # also when the server cannot be reached now
        return {"Range": f"bytes={self.length}-", "If-Range": came.validator}

    def _note_of_part(self) -> PartNote | None:
        try:
            return msgspec.json.decode(self._note.read_bytes(), type=PartNote)
        except (OSError, msgspec.DecodeError):
            return None

    def begin(self, status: int, headers: Mapping[str, str], max_bytes: int) -> None:
        """Read the response's head: the rest (206), everything (200), or nothing. Raises BadPart."""
        assert self._file
        if status == PARTIAL_CONTENT:
            content_range = _RANGE.match(headers.get("content-range", ""))
            if content_range is None or int(content_range[1]) != self.length or not self.keep:
                self.keep = False
                raise BadPart("the server sent another part than was asked for; try again")
            self.total = None if content_range[2] == "*" else int(content_range[2])
        elif status == 200:
            self._begin_anew(headers)
        elif status in (NOT_MODIFIED, NOT_THAT_RANGE):
            self.keep = False
        if status not in (200, PARTIAL_CONTENT, NOT_MODIFIED):
            raise BadPart(f"the server answered {status}")
        self._max_bytes = max_bytes
        self._bound(self.total or 0)

    def _begin_anew(self, headers: Mapping[str, str]) -> None:
        assert self._file
        self._file.truncate(0)
        self.length = 0
        size = headers.get("content-length", "")
        self.total = int(size) if re.fullmatch(r"[0-9]{1,15}", size) else None
        validator = strong_validator(headers)
        self.keep = validator is not None
        if validator is not None:
            self._note.write_bytes(msgspec.json.encode(PartNote(self._url, validator)))

    def _bound(self, length: int) -> None:
        if length > self._max_bytes:
            self.keep = False
            raise BadPart(f"more than {self._max_bytes} bytes")

    def add(self, chunk: bytes) -> None:
        """Append a chunk; BadPart if the size limit is exceeded."""
        assert self._file
        self.length += len(chunk)
        self._bound(self.length)
        self._file.write(chunk)

    def finish(self) -> None:
        """Move the complete file to its place."""
        assert self._file
        self._file.flush()
        self._part.replace(self._into)
        self.keep = False


def strong_validator(headers: Mapping[str, str]) -> str | None:
    """A strong ETag, or a Last-Modified before the response's Date (RFC 9110 section 8.8.2.2)."""
    if etag := headers.get("etag"):
        return etag if etag.startswith('"') else None
    changed = headers.get("last-modified", "")
    modified, sent = http_date(changed), http_date(headers.get("date", ""))
    return changed if modified is not None and sent is not None and modified < sent else None
