"""Gives what a hub holds to programs: measurements page by page, one with all that is known of it, and downloads."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response, StreamingResponse

from results import ooni
from results.db import read
from results.db.json_codec import ID, to_plain
from results.export import exchange, tabular
from results.hub import query as selecting
from results.hub.collector import Busy
from results.hub.query import NUMBER, BadQuestion, Exported, Paged, Wanted
from results.hub.request_body import BadBody
from results.hub.routes import Served

if TYPE_CHECKING:
    from sqlite_utils import Database
    from starlette.requests import Request

    from results.hub.membership import Member
    from results.hub.routes import Hub

MOST_BYTES = 8 * 1024 * 1024
"""Of a page, about: it ends after the measurement that goes beyond."""
AT_A_TIME = 500
"""Measurements that a download holds in memory."""
DOWNLOADS, DOWNLOADS_OF_ONE = 8, 2
LONGEST_DOWNLOAD_S = 3600.0
SHORT = 512
"""Bytes that are not worth packing."""
LINES = "application/x-ndjson"
KINDS = {"csv": "text/csv; charset=utf-8", "jsonl": LINES, "ooni": LINES}
FILES = {"csv": "csv", "jsonl": "jsonl", "ooni": "ooni.jsonl"}

VERDICT = ("outcome", "method", "confidence", "agreement", "rules_version")
CORRECTIONS = f"""
SELECT c.number, m.id, t.text, w.name, c.at, {", ".join(f"c.was_{name}" for name in VERDICT)},
    {", ".join(f"c.{name}" for name in VERDICT)}
FROM corrections c JOIN measurements m ON m.number = c.measurement JOIN targets t ON t.id = m.target_id
JOIN vantages w ON w.id = m.vantage_id WHERE c.number > ? ORDER BY c.number LIMIT ?
"""  # noqa: S608 constants only


class Page(msgspec.Struct, frozen=True):
    lines: list[bytes]
    after: int
    more: bool


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Of a download: its bytes, how many measurements they are, where the next part begins, whether there is one."""

    data: bytes
    count: int
    after: int
    more: bool


class ReadApi:
    """The routes for readers."""

    def __init__(self) -> None:
        self._downloads: dict[str, int] = {}

    def served(self) -> tuple[Served, ...]:
        return (
            Served("GET", "/v1/measurements", self.measurements, "readers"),
            Served("GET", "/v1/measurements/{id}", self.measurement, "readers"),
            Served("GET", "/v1/measurements/{id}/seen", self.seen, "readers"),
            Served("GET", "/v1/export", self.export, "readers"),
            Served("GET", "/v1/corrections", self.corrections, "readers"),
        )

    async def measurements(self, hub: Hub, request: Request, member: Member | None) -> Response:
        """The next measurements, one a line. `Reachprobe-After` is where to go on, now or later."""
        asked: Wanted = _asked(request, Wanted)
        found = await hub.reading.ask(lambda db: _page(db, asked))
        return await packed(request, b"".join(found.lines), LINES, _cursor(request, found.after, found.more))

    async def measurement(self, hub: Hub, request: Request, member: Member | None) -> Response:
        """All that is known of one measurement, and the hash of what was seen."""
        return await self._of_one(hub, request, _whole)

    async def seen(self, hub: Hub, request: Request, member: Member | None) -> Response:
        """The very bytes whose SHA-256 is a measurement's hash."""
        return await self._of_one(hub, request, _seen)

    async def _of_one(self, hub: Hub, request: Request, find: Callable[[Database, str], bytes | None]) -> Response:
        name = _id(request)
        found = await hub.reading.ask(lambda db: find(db, name))
        if found is None:
            raise BadBody("there is no such measurement here", 404)
        return await packed(request, found, "application/json", {})

    async def corrections(self, hub: Hub, request: Request, member: Member | None) -> Response:
        """Verdicts that changed when they were judged again, one a line, in that order; paged as measurements are."""
        asked: Paged = _asked(request, Paged)
        rows = await hub.reading.ask(lambda db: db.execute(CORRECTIONS, [asked.after, asked.limit]).fetchall())
        after = rows[-1][0] if rows else asked.after
        lines = [msgspec.json.encode(_correction(row)) + b"\n" for row in rows]
        return await packed(request, b"".join(lines), LINES, _cursor(request, after, len(rows) == asked.limit))

    async def export(self, hub: Hub, request: Request, member: Member | None) -> Response:
        """A download of all that the filters let through, as long as it is."""
        asked: Exported = _asked(request, Exported)
        place = hub.place(request)
        if sum(self._downloads.values()) >= DOWNLOADS or self._downloads.get(place, 0) >= DOWNLOADS_OF_ONE:
            raise Busy
        headers = {"Content-Disposition": f'attachment; filename="reachprobe.{FILES[asked.format]}"'}
        if zipped := _takes_gzip(request):
            headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        body = self._download(hub, asked, place, zipped)
        return StreamingResponse(body, headers=headers, media_type=KINDS[asked.format])

    async def _download(self, hub: Hub, asked: Exported, place: str, zipped: bool) -> AsyncIterator[bytes]:
        pack = zlib.compressobj(4, zlib.DEFLATED, zlib.MAX_WBITS | 16) if zipped else None
        self._downloads[place] = self._downloads.get(place, 0) + 1
        try:
            async with asyncio.timeout(LONGEST_DOWNLOAD_S):
                more, first = True, True
                while more:
                    part = await hub.reading.ask(_part(asked, first, pack))
                    if part.data:
                        yield part.data
                    left = asked.limit - part.count
                    more, first = part.more and left > 0, False
                    asked = msgspec.structs.replace(asked, after=part.after, limit=max(left, 1))
            if pack is not None:
                yield pack.flush()
        finally:
            self._downloads[place] -= 1
            if not self._downloads[place]:
                del self._downloads[place]


def _cursor(request: Request, after: int, more: bool) -> dict[str, str]:
    """Where to go on, now or later, and the address of the next page where there is one already."""
    headers = {"Reachprobe-After": str(after)}
    if more:
        query = urlencode({**request.query_params, "after": after})
        headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
    return headers


def _correction(row: Sequence[Any]) -> dict[str, Any]:
    _, name, target, vantage, at, *said = row
    was, now = (dict(zip(VERDICT, part, strict=True)) for part in (said[:5], said[5:]))
    return {"measurement_id": name, "target": target, "vantage": vantage, "at": at, "was": was, "now": now}


def _asked(request: Request, kind: Any) -> Any:
    given = request.query_params.multi_items()
    query = dict(given)
    try:
        if len(query) < len(given):
            raise BadQuestion("a filter is given twice")
        return selecting.wanted(query, kind)
    except BadQuestion as error:
        raise BadBody(str(error), 422) from error


def _id(request: Request) -> str:
    name: str = request.path_params["id"]
    if not ID.fullmatch(name):
        raise BadBody("there is no such measurement here", 404)
    return name


def _page(db: Database, asked: Wanted) -> Page:
    """A page's lines; it is cut where it becomes too long."""
    found = selecting.page(db, asked, asked.limit)
    lines: list[bytes] = []
    size = 0
    for row in found.rows:
        line = _line(db, row, asked.record == "yes")
        lines.append(line)
        size += len(line)
        if size > MOST_BYTES and row is not found.rows[-1]:
            return Page(lines, row[NUMBER], True)
    return Page(lines, found.after, found.more)


def _line(db: Database, row: Sequence[Any], is_whole: bool) -> bytes:
    told = selecting.told(tuple(row))
    if is_whole:
        finished = read.finished(db, row[0])
        told[exchange.RECORD] = to_plain(finished, read.round_of(db, finished.round_id))
    return msgspec.json.encode(told) + b"\n"


def _whole(db: Database, name: str) -> bytes | None:
    row = selecting.one(db, name)
    if row is None:
        return None
    finished = read.finished(db, name)
    sha256 = hashlib.sha256(exchange.told(finished)).hexdigest()
    record = to_plain(finished, read.round_of(db, finished.round_id))
    return msgspec.json.encode({**selecting.told(row), "sha256": sha256, exchange.RECORD: record})


def _seen(db: Database, name: str) -> bytes | None:
    return exchange.told(read.finished(db, name)) if selecting.one(db, name) is not None else None


def _part(asked: Exported, is_first: bool, pack: Any) -> Callable[[Database], Part]:
    def part(db: Database) -> Part:
        found = selecting.page(db, asked, min(AT_A_TIME, asked.limit))
        data = b"".join(_encoded(db, asked, found.rows, is_first))
        return Part(
            data=pack.compress(data) if pack is not None else data,
            count=len(found.rows),
            after=found.after,
            more=found.more,
        )

    return part


def _encoded(db: Database, asked: Exported, rows: Sequence[Sequence[Any]], is_first: bool) -> list[bytes]:
    if asked.format == "csv":
        lines = list(tabular.csv_lines(map(read.line_of, rows), asked.licence))
        return lines if is_first else lines[1:]
    head = [exchange.write_header(asked.licence, None) + b"\n"] if asked.licence and asked.format == "jsonl" else []
    found = head if is_first else []
    for row in rows:
        finished = read.finished(db, row[0])
        round_ = read.round_of(db, finished.round_id)
        if asked.format == "ooni":
            found.append(ooni.write_line(finished, round_, licence=asked.licence) + b"\n")
        else:
            found.append(exchange.write_line(finished, round_) + b"\n")
    return found


async def packed(request: Request, data: bytes, kind: str, headers: dict[str, str]) -> Response:
    """An answer that is there whole: by gzip where that is taken, and 304 for whom has it already."""
    zipped = _takes_gzip(request) and len(data) > SHORT
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}{"-gzip" if zipped else ""}"'
    headers = {**headers, "ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding, Authorization"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if zipped:
        data = await asyncio.to_thread(zlib.compress, data, 4, zlib.MAX_WBITS | 16)
        headers["Content-Encoding"] = "gzip"
    return Response(data, headers=headers, media_type=kind)


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")
