"""What a group shares with its vantages: registers, targets, fingerprints, as files that an agent takes as any other's.

Each is made once for what it is made of, kept beside the database, and given with its hash. Nothing in it is a command:
an agent holds it to its own rules, whoever gave it.
"""

from __future__ import annotations

import asyncio
import base64
import csv
import hashlib
import io
import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
from starlette.responses import FileResponse, Response

from results.db.sqlite_utils_shim import Database
from results.fingerprints import collection as collecting
from results.fingerprints.fingerprint import FingerprintError
from results.fingerprints.formats import reachprobe as fingerprints
from results.hub.collector import Busy
from results.hub.request_body import BadBody
from results.hub.routes import Served
from results.registers.formats import reachprobe as registers

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from starlette.requests import Request

    from results.hub.membership import Member
    from results.hub.routes import Hub

LEVEL = 9
MADE_IN_S = 60.0
"""How long somebody waits for what has to be made first; who comes later finds it."""
COLUMNS = ("url", "category_code", "category_description", "date_added", "source", "notes")
"""Of Citizen Lab's test lists."""

ReadTargets = Callable[[Path], Iterable[tuple[str, str]]]
"""The targets of a file, each with its category or nothing. ValueError where they cannot be read."""


class Made(msgspec.Struct, frozen=True):
    """A file to be shared."""

    path: Path
    sha256: bytes
    at: datetime
    kind: str
    name: str


class State(msgspec.Struct, frozen=True):
    """Which state of a file it is."""

    changed_ns: int
    size: int

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.changed_ns / 1e9, UTC)


What = tuple[tuple[str, ...], object]
"""What is shared, and which version of it."""


class Shared:
    """The routes for what is shared. Files are made one at a time, in a thread."""

    def __init__(self, database: Path, targets: Path | None, read_targets: ReadTargets) -> None:
        """`targets` is the file that the operator shares."""
        self._database, self._targets, self._read_targets = database, targets, read_targets
        self._folder = database.with_name(f"{database.name}.shared")
        self._kept: dict[What, Made] = {}
        self._under_way: dict[What, asyncio.Task[Made]] = {}
        self._one = asyncio.Lock()

    def served(self) -> tuple[Served, ...]:
        return (
            Served("GET", "/v1/registers/{name}", self.register, "readers"),
            Served("GET", "/v1/targets", self.targets, "readers"),
            Served("GET", "/v1/fingerprints", self.fingerprints, "readers"),
        )

    async def register(self, hub: Hub, request: Request, member: Member | None) -> Response:
        """The newest version of a register, as `register update` and `register import` read it."""
        name = request.path_params["name"]
        version = await hub.reading.ask(lambda db: registers.newest(db, name))
        if version is None:
            raise BadBody("there is no such register here", 404)
        at = datetime.fromtimestamp(version.at, UTC)

        def lines() -> Iterator[bytes]:
            with closing(
                sqlite3.connect(f"file:{quote(str(self._database.resolve()))}?mode=ro", uri=True)
            ) as connection:
                yield from registers.write(Database(connection), version)

        return await self._give(request, ("register", name), version, at, "jsonl.zst", lines)

    async def targets(self, hub: Hub, request: Request, member: Member | None) -> Response:
        """What the group measures: Citizen Lab's CSV, or with `format=plain` one target a line."""
        form = request.query_params.get("format", "csv")
        if form not in ("csv", "plain"):
            raise BadBody("format is csv or plain", 422)
        file, read = self._targets, self._read_targets
        version = await asyncio.to_thread(_state, file)
        if file is None or version is None:
            raise BadBody("no targets are shared here", 404)
        write, ending = (_citizen_lab, "csv") if form == "csv" else (_plain, "txt")
        return await self._give(request, ("targets", form), version, version.at, ending, lambda: write(read(file)))

    async def fingerprints(self, hub: Hub, request: Request, member: Member | None) -> Response:
        """The published fingerprints that the hub judges by, as `fingerprints update` reads them."""
        place = collecting.place(self._database)
        version = await asyncio.to_thread(_state, place)
        if version is None:
            raise BadBody("no fingerprints but the built-in ones are known here", 404)

        def lines() -> Iterator[bytes]:
            collection = collecting.load(place)
            yield from fingerprints.write(collection.prints if collection is not None else ())

        return await self._give(request, ("fingerprints",), version, version.at, "jsonl", lines)

    async def _give(
        self,
        request: Request,
        key: tuple[str, ...],
        version: object,
        at: datetime,
        ending: str,
        lines: Callable[[], Iterable[bytes]],
    ) -> Response:
        made = await self._made((key, version), at, ending, lines)
        headers = {
            "ETag": f'"{made.sha256.hex()}"',
            "Last-Modified": format_datetime(made.at, usegmt=True),
            "Repr-Digest": f"sha-256=:{base64.b64encode(made.sha256).decode()}:",
            "Cache-Control": "no-cache",
        }
        if _has_it(request, made):
            return Response(status_code=304, headers=headers)
        return FileResponse(made.path, headers=headers, media_type=made.kind, filename=made.name)

    async def _made(self, what: What, at: datetime, ending: str, lines: Callable[[], Iterable[bytes]]) -> Made:
        made = self._kept.get(what)
        if made is not None and made.path.exists():
            return made
        task = self._under_way.get(what)
        if task is None:
            task = asyncio.create_task(self._make(what, at, ending, lines))
            self._under_way[what] = task
            task.add_done_callback(lambda done: self._under_way.pop(what, None))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            return await asyncio.wait_for(asyncio.shield(task), MADE_IN_S)
        except TimeoutError as error:
            raise Busy from error
        except (ValueError, FingerprintError) as error:
            raise BadBody("it cannot be read just now", 503) from error

    async def _make(self, what: What, at: datetime, ending: str, lines: Callable[[], Iterable[bytes]]) -> Made:
        async with self._one:
            made = await asyncio.to_thread(_write, self._folder, what[0], at, ending, lines)
        self._kept = {key: kept for key, kept in self._kept.items() if key[0] != what[0]} | {what: made}
        return made


def _state(file: Path | None) -> State | None:
    try:
        found = file.stat() if file is not None else None
    except OSError:
        return None
    return State(found.st_mtime_ns, found.st_size) if found is not None else None


def _write(folder: Path, key: tuple[str, ...], at: datetime, ending: str, lines: Callable[[], Iterable[bytes]]) -> Made:
    """Whole or not at all, under a name that is made from what it is, whatever that is called."""
    folder.mkdir(mode=0o700, exist_ok=True)
    place = hashlib.sha256(repr(key).encode()).hexdigest()[:24]
    path, part = folder / place, folder / f"{place}.{os.getpid()}"
    hashed = hashlib.sha256()
    zipped = ending.endswith(".zst")
    pack = zstd.ZstdCompressor(LEVEL) if zipped else None
    try:
        with part.open("wb") as out:
            for line in lines():
                data = pack.compress(line) if pack is not None else line
                hashed.update(data)
                out.write(data)
            last = pack.flush() if pack is not None else b""
            hashed.update(last)
            out.write(last)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    kind = "application/zstd" if zipped else "text/csv" if ending == "csv" else "text/plain; charset=utf-8"
    return Made(path, hashed.digest(), at, kind, f"{key[0]}.{ending}")


def _has_it(request: Request, made: Made) -> bool:
    """RFC 9110 section 13.2.2: a tag, where one is given, counts alone."""
    if (tags := request.headers.get("if-none-match")) is not None:
        return made.sha256.hex() in tags
    try:
        since = parsedate_to_datetime(request.headers.get("if-modified-since", ""))
        return made.at.replace(microsecond=0) <= since
    except (ValueError, TypeError):
        return False


def _citizen_lab(rows: Iterable[tuple[str, str]]) -> Iterator[bytes]:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for target, category in rows:
        writer.writerow((target, category, "", "", "", ""))
    yield out.getvalue().encode()


def _plain(rows: Iterable[tuple[str, str]]) -> Iterator[bytes]:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows((target,) for target, _ in rows)
    yield out.getvalue().encode()
