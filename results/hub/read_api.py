"""Measurements for programs: pages, single records, outages, corrections and downloads."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response, StreamingResponse

from results import ooni
from results.aggregate.outages import line_of, network_intervals, rounds_of
from results.db import read
from results.db.json_codec import ID, to_plain
from results.export import exchange
from results.hub import query
from results.hub.limits import CLIENT, Places
from results.hub.query import NUMBER, BadFilter, CorrectionsQuery, ExportQuery, MeasurementsQuery, OutagesQuery, RowPage
from results.hub.request_body import BadRequest
from results.hub.routes import HubRoute

if TYPE_CHECKING:
    from sqlite_utils import Database
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from results.hub.credentials import Member
    from results.hub.routes import HubApp

MAX_PAGE_BYTES = 8 * 1024 * 1024
"""A page ends after the measurement that exceeds it."""
EXPORT_CHUNK = 500
MAX_CHUNK_BYTES = 1024 * 1024
"""Measurements that a download holds in memory, and after how many bytes it sends them."""
MAX_DOWNLOADS, MAX_DOWNLOADS_PER_CLIENT = 32, 2
DOWNLOAD_TIMEOUT_S = 3600.0
MIN_GZIP_BYTES = 512
NDJSON = "application/x-ndjson"
MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": NDJSON, "ooni": NDJSON}
EXTENSIONS = {"csv": "csv", "jsonl": "jsonl", "ooni": "ooni.jsonl"}

VERDICT = ("outcome", "method", "confidence", "agreement", "rules_version")


class ReadApi:
    """The routes, and the downloads that are running."""

    def __init__(self) -> None:
        self._downloads = Places(MAX_DOWNLOADS_PER_CLIENT, MAX_DOWNLOADS, "downloads")

    def routes(self) -> tuple[HubRoute, ...]:
        return (
            HubRoute("GET", "/v1/measurements", self.measurements, "readers"),
            HubRoute("GET", "/v1/measurements/{id}", self.measurement, "readers"),
            HubRoute("GET", "/v1/measurements/{id}/seen", self.seen, "readers"),
            HubRoute("GET", "/v1/export", self.export, "readers"),
            HubRoute("GET", "/v1/outages", self.outages, "readers"),
            HubRoute("GET", "/v1/corrections", self.corrections, "readers"),
        )

    async def measurements(self, hub: HubApp, request: Request, member: Member | None) -> Response:
        """The next measurements, one a line; the header `Reachprobe-After` is where to continue, now or later."""
        asked: MeasurementsQuery = _query_of(request, MeasurementsQuery)
        data, after, more = await hub.read_pool.run(lambda db: _page(db, asked))
        return await compressed(request, data, NDJSON, _cursor(request, after, more))

    async def measurement(self, hub: HubApp, request: Request, member: Member | None) -> Response:
        """One measurement with its record, and the hash of its observations."""
        return await self._single(hub, request, _with_record)

    async def seen(self, hub: HubApp, request: Request, member: Member | None) -> Response:
        """The observations of a measurement: the bytes whose SHA-256 that hash is."""
        return await self._single(hub, request, _observed)

    async def _single(self, hub: HubApp, request: Request, find: Callable[[Database, str], bytes | None]) -> Response:
        name: str = request.path_params["id"]
        found = await hub.read_pool.run(lambda db: find(db, name)) if ID.fullmatch(name) else None
        if found is None:
            raise BadRequest("there is no such measurement here", 404)
        return await compressed(request, found, "application/json", {})

    async def corrections(self, hub: HubApp, request: Request, member: Member | None) -> Response:
        """Verdicts that changed when they were recomputed, one a line, oldest first."""
        asked: CorrectionsQuery = _query_of(request, CorrectionsQuery)
        rows = await hub.read_pool.run(
            lambda db: db.execute(query.SQL["CORRECTIONS"], [asked.after, asked.limit]).fetchall()
        )
        after = rows[-1][0] if rows else asked.after
        data = b"".join(map(_correction, rows))
        return await compressed(request, data, NDJSON, _cursor(request, after, len(rows) == asked.limit))

    async def outages(self, hub: HubApp, request: Request, member: Member | None) -> Response:
        """Outages and times without data by the rounds of a period, one a line, oldest first."""
        asked: OutagesQuery = _query_of(request, OutagesQuery)
        rounds = await hub.read_pool.run(lambda db: rounds_of(db, asked.since, asked.until or "~"))
        found = await asyncio.to_thread(network_intervals, rounds.values())
        data = b"".join(msgspec.json.encode(line_of(one)) + b"\n" for one in found)
        return await compressed(request, data, NDJSON, {})

    async def export(self, hub: HubApp, request: Request, member: Member | None) -> Response:
        """A download of everything that the filters select."""
        asked: ExportQuery = _query_of(request, ExportQuery)
        headers = {"Content-Disposition": f'attachment; filename="reachprobe.{EXTENSIONS[asked.format]}"'}
        if use_gzip := _takes_gzip(request):
            headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        with ExitStack() as place:
            place.enter_context(self._downloads.taken(CLIENT.get()))
            body = _download(hub, asked, use_gzip)
            return DownloadResponse(body, headers=headers, media_type=MEDIA_TYPES[asked.format]).holding(place)


class DownloadResponse(StreamingResponse):
    """Keeps its place among the downloads until it has been sent, or the client has gone."""

    def holding(self, place: ExitStack) -> DownloadResponse:
        self._place = place.pop_all()
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)


async def _download(hub: HubApp, asked: ExportQuery, use_gzip: bool) -> AsyncIterator[bytes]:
    compressor = zlib.compressobj(4, zlib.DEFLATED, zlib.MAX_WBITS | 16) if use_gzip else None
    async with asyncio.timeout(DOWNLOAD_TIMEOUT_S):
        more, is_first = True, True
        while more:
            data, rows = await hub.read_pool.run_patiently(
                partial(_chunk, asked=asked, is_first=is_first, compressor=compressor)
            )
            if data:
                yield data
            left = asked.limit - len(rows.rows)
            more, is_first = rows.more and left > 0, False
            asked = msgspec.structs.replace(asked, after=rows.after, limit=max(left, 1))
    if compressor is not None:
        yield compressor.flush()


def _cursor(request: Request, after: int, more: bool) -> dict[str, str]:
    """Headers: where to continue, and the next page's address where there is one already."""
    headers = {"Reachprobe-After": str(after)}
    if more:
        headers["Link"] = f'<{request.url.path}?{urlencode({**request.query_params, "after": after})}>; rel="next"'
    return headers


def _correction(row: Sequence[Any]) -> bytes:
    _, name, target, vantage, at, *verdicts = row
    was, now = (dict(zip(VERDICT, values, strict=True)) for values in (verdicts[:5], verdicts[5:]))
    line = {"measurement_id": name, "target": target, "vantage": vantage, "at": at, "was": was, "now": now}
    return msgspec.json.encode(line) + b"\n"


def _query_of(request: Request, kind: Any) -> Any:
    """The query string as a `kind`. BadRequest."""
    items = request.query_params.multi_items()
    try:
        if len(dict(items)) < len(items):
            raise BadFilter("a filter is given twice")
        return query.parse_query(dict(items), kind)
    except BadFilter as error:
        raise BadRequest(str(error), 422) from error


def _page(db: Database, asked: MeasurementsQuery) -> tuple[bytes, int, bool]:
    """The lines of a page, where the next one begins, and whether there is one already."""
    found = query.page(db, asked, asked.limit)
    lines: list[bytes] = []
    size = 0
    for row in found.rows:
        line = query.measurement_line(tuple(row))
        if asked.record == "yes":
            finished = read.finished(db, row[0])
            line[exchange.RECORD] = to_plain(finished, read.round_of(db, finished.round_id))
        lines.append(msgspec.json.encode(line) + b"\n")
        size += len(lines[-1])
        if size > MAX_PAGE_BYTES and row is not found.rows[-1]:
            return b"".join(lines), row[NUMBER], True
    return b"".join(lines), found.after, found.more


def _with_record(db: Database, name: str) -> bytes | None:
    row = query.find_row(db, name)
    if row is None:
        return None
    finished = read.finished(db, name)
    sha256 = hashlib.sha256(exchange.observed_json(finished)).hexdigest()
    record = to_plain(finished, read.round_of(db, finished.round_id))
    return msgspec.json.encode({**query.measurement_line(row), "sha256": sha256, exchange.RECORD: record})


def _observed(db: Database, name: str) -> bytes | None:
    return exchange.observed_json(read.finished(db, name)) if query.find_row(db, name) is not None else None


def _chunk(db: Database, asked: ExportQuery, is_first: bool, compressor: Any) -> tuple[bytes, RowPage]:
    """The next part of a download, which ends after MAX_CHUNK_BYTES, and the rows in it."""
    found = query.page(db, asked, min(EXPORT_CHUNK, asked.limit))
    data = bytearray().join(_lines(db, asked, (), is_first))
    for count, row in enumerate(found.rows, 1):
        data += b"".join(_lines(db, asked, (row,), False))
        if len(data) > MAX_CHUNK_BYTES and count < len(found.rows):
            found = RowPage(found.rows[:count], row[NUMBER], True)
            break
    return compressor.compress(data) if compressor is not None else bytes(data), found


def _lines(db: Database, asked: ExportQuery, rows: Sequence[Sequence[Any]], is_first: bool) -> Iterator[bytes]:
    if asked.format == "csv":
        yield from islice(exchange.csv_lines(map(read.line_of, rows), asked.licence), 0 if is_first else 1, None)
        return
    if is_first and asked.licence and asked.format == "jsonl":
        yield exchange.write_header(asked.licence, None) + b"\n"
    for row in rows:
        finished = read.finished(db, row[0])
        round_ = read.round_of(db, finished.round_id)
        if asked.format == "ooni":
            yield ooni.write_line(finished, round_, licence=asked.licence) + b"\n"
        else:
            yield exchange.write_line(finished, round_) + b"\n"


async def compressed(request: Request, data: bytes, media_type: str, headers: dict[str, str]) -> Response:
    """A whole response: compressed where accepted, 304 where the client has it."""
    use_gzip = _takes_gzip(request) and len(data) > MIN_GZIP_BYTES
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}{"-gzip" if use_gzip else ""}"'
    headers = {**headers, "ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding, Authorization"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if use_gzip:
        data = await asyncio.to_thread(zlib.compress, data, 4, zlib.MAX_WBITS | 16)
        headers["Content-Encoding"] = "gzip"
    return Response(data, headers=headers, media_type=media_type)


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")
