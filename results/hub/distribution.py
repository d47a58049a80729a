"""Serves the group's registers, target list and fingerprints as files, each built once per version."""

from __future__ import annotations

import asyncio
import base64
import csv
import hashlib
import io
import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
from starlette.responses import FileResponse, Response

from probe.timestamps import http_date
from results.db.migrations import Database
from results.fingerprints import collection as collecting
from results.fingerprints.fingerprint import FingerprintError
from results.fingerprints.formats import reachprobe as fingerprints
from results.hub.limits import Overloaded
from results.hub.request_body import BadRequest
from results.hub.routes import HubRoute
from results.registers.formats import reachprobe as registers

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from starlette.requests import Request

    from results.hub.credentials import Member
    from results.hub.routes import HubApp

COMPRESSION_LEVEL = 9
BUILD_WAIT_S = 60.0
TEST_LIST_COLUMNS = ("url", "category_code", "category_description", "date_added", "source", "notes")
"""Citizen Lab's."""
MEDIA_TYPES = {"jsonl.zst": "application/zstd", "csv": "text/csv"}

ReadTargets = Callable[[Path], Iterable[tuple[str, str]]]
"""Targets of a file with their categories. ValueError."""


class FileSource(msgspec.Struct, frozen=True):
    """What a file is built from: its key and version, when that changed (Unix time), and its lines."""

    key: tuple[str, ...]
    version: object
    at: float
    ending: str
    lines: Callable[[], Iterable[bytes]]


class SharedFile(msgspec.Struct, frozen=True):
    path: Path
    sha256: bytes
    at: datetime
    media_type: str
    name: str


class Distribution:
    """Builds files beside the database, one at a time, in a thread."""

    def __init__(self, database: Path, targets: Path | None, read_targets: ReadTargets) -> None:
        self._database, self._targets, self._read_targets = database, targets, read_targets
        self._folder = database.with_name(f"{database.name}.shared")
        self._built: dict[tuple[str, ...], tuple[object, SharedFile]] = {}
        self._building: dict[tuple[tuple[str, ...], object], asyncio.Task[SharedFile]] = {}
        self._build_lock = asyncio.Lock()

    def routes(self) -> tuple[HubRoute, ...]:
        return (
            HubRoute("GET", "/v1/registers/{name}", self.register, "readers"),
            HubRoute("GET", "/v1/targets", self.targets, "readers"),
            HubRoute("GET", "/v1/fingerprints", self.fingerprints, "readers"),
        )

    async def register(self, hub: HubApp, request: Request, member: Member | None) -> Response:
        """The newest version of a register."""
        name = request.path_params["name"]
        version = await hub.read_pool.run(lambda db: registers.newest(db, name))
        if version is None:
            raise BadRequest("there is no such register here", 404)

        def lines() -> Iterator[bytes]:
            address = f"file:{quote(str(self._database.resolve()))}?mode=ro"
            with closing(sqlite3.connect(address, uri=True)) as connection:
                yield from registers.write(Database(connection), version)

        return await self._respond(request, FileSource(("register", name), version, version.at, "jsonl.zst", lines))

    async def targets(self, hub: HubApp, request: Request, member: Member | None) -> Response:
        """The operator's target list as Citizen Lab's CSV, or with `format=plain` one target a line."""
        form = request.query_params.get("format", "csv")
        if form not in ("csv", "plain"):
            raise BadRequest("format is csv or plain", 422)
        file, read = self._targets, self._read_targets
        version = await asyncio.to_thread(_version_of, file)
        if file is None or version is None:
            raise BadRequest("no targets are shared here", 404)

        def lines() -> Iterator[bytes]:
            rows = read(file)
            if form == "csv":
                yield _csv([TEST_LIST_COLUMNS, *((target, category, "", "", "", "") for target, category in rows)])
            else:
                yield _csv([(target,) for target, _ in rows])

        ending = "csv" if form == "csv" else "txt"
        return await self._respond(request, FileSource(("targets", form), version, version[0] / 1e9, ending, lines))

    async def fingerprints(self, hub: HubApp, request: Request, member: Member | None) -> Response:
        """The published fingerprints that the hub judges by."""
        place = collecting.place(self._database)
        version = await asyncio.to_thread(_version_of, place)
        if version is None:
            raise BadRequest("no fingerprints but the built-in ones are known here", 404)

        def lines() -> Iterator[bytes]:
            collection = collecting.load(place)
            yield from fingerprints.write(collection.prints if collection is not None else ())

        return await self._respond(request, FileSource(("fingerprints",), version, version[0] / 1e9, "jsonl", lines))

    async def _respond(self, request: Request, source: FileSource) -> Response:
        file = await self._file(source)
        headers = {
            "ETag": f'"{file.sha256.hex()}"',
            "Last-Modified": format_datetime(file.at, usegmt=True),
            "Repr-Digest": f"sha-256=:{base64.b64encode(file.sha256).decode()}:",
            "Cache-Control": "no-cache",
        }
        if _is_current(request, file):
            return Response(status_code=304, headers=headers)
        return FileResponse(file.path, headers=headers, media_type=file.media_type, filename=file.name)

    async def _file(self, source: FileSource) -> SharedFile:
        wanted = source.key, source.version
        version, file = self._built.get(source.key, (None, None))
        if file is not None and version == source.version and file.path.exists():
            return file
        task = self._building.get(wanted)
        if task is None:
            task = asyncio.create_task(self._build(source))
            self._building[wanted] = task
            task.add_done_callback(lambda done: self._building.pop(wanted, None))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            return await asyncio.wait_for(asyncio.shield(task), BUILD_WAIT_S)
        except TimeoutError as error:
            raise Overloaded from error
        except (ValueError, FingerprintError) as error:
            raise BadRequest("it cannot be read just now", 503) from error

    async def _build(self, source: FileSource) -> SharedFile:
        async with self._build_lock:
            file = await asyncio.to_thread(_write, self._folder, source)
        self._built[source.key] = source.version, file
        return file


def _version_of(file: Path | None) -> tuple[int, int] | None:
    """A file's time of modification in nanoseconds, and its size; None where it cannot be read."""
    try:
        status = file.stat() if file is not None else None
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size) if status is not None else None


def _write(folder: Path, source: FileSource) -> SharedFile:
    """Write a file, whole or not at all, under a name that is a hash of its key."""
    folder.mkdir(mode=0o700, exist_ok=True)
    name = hashlib.sha256(repr(source.key).encode()).hexdigest()[:24]
    path, part = folder / name, folder / f"{name}.{os.getpid()}"
    is_packed = source.ending.endswith(".zst")
    try:
        with zstd.open(part, "wb", level=COMPRESSION_LEVEL) if is_packed else part.open("wb") as out:
            out.writelines(source.lines())
        with part.open("rb") as written:
            sha256 = hashlib.file_digest(written, "sha256").digest()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    media_type = MEDIA_TYPES.get(source.ending, "text/plain; charset=utf-8")
    at = datetime.fromtimestamp(source.at, UTC)
    return SharedFile(path, sha256, at, media_type, f"{source.key[0]}.{source.ending}")


def _is_current(request: Request, file: SharedFile) -> bool:
    """Whether the client has this version: an entity tag takes precedence (RFC 9110 section 13.2.2)."""
    if (tags := request.headers.get("if-none-match")) is not None:
        return file.sha256.hex() in tags
    since = http_date(request.headers.get("if-modified-since", ""))
    return since is not None and file.at.replace(microsecond=0) <= since


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()
