"""Request bodies: read within limits of time and memory, decompressed and validated record by record."""

from __future__ import annotations

import asyncio
import sys
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from probe.text import printable
from probe.timestamps import parse_time
from results.db.jsonl import BadRecord
from results.export.exchange import read_line
from results.hub.limits import Overloaded, Places
from results.judge.judged import JudgedMeasurement, RoundRecord

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from starlette.requests import Request

BODY_TIMEOUT_S = 30.0
MAX_PACKED_BYTES, MAX_PLAIN_BYTES = 4 * 1024 * 1024, 16 * 1024 * 1024
UNPACK_STEP_BYTES = 1024 * 1024
MAX_RECORD_BYTES = 2 * 1024 * 1024
MAX_RECORDS_PER_BATCH, MAX_LINES_PER_BATCH = 500, 1000
MAX_CLOCK_AHEAD = timedelta(days=1)
"""A record from the far future would stay the newest for ever."""
ZSTD_WINDOW_LOG = 23
"""8 MiB, as encoders use without long-distance mode; the decoder allocates what the sender asks for."""
DECODERS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    "zstd": lambda: zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}),
}

ReceivedRecord = tuple[JudgedMeasurement, RoundRecord | None] | BadRecord


class BadRequest(ValueError):
    """A request that is refused; `status` is the HTTP status."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


class RequestBodies:
    """Limits what bodies hold at once: places for each client, and memory for all, counted as the bytes arrive."""

    def __init__(self, max_bytes: int, places: Places, timeout_s: float = BODY_TIMEOUT_S) -> None:
        self._free, self._places, self._timeout_s = max_bytes, places, timeout_s

    @asynccontextmanager
    async def read(self, request: Request, max_bytes: int, client: str) -> AsyncIterator[bytes]:
        """A body, which keeps its place and memory until the context ends. BadRequest, TooManyRequests, Overloaded."""
        length = _content_length(request)
        if length > max_bytes:
            raise BadRequest(f"more than {max_bytes} bytes", 413)
        data = bytearray()
        with self._places.taken(client):
            try:
                await self._receive(request, length, data)
                yield bytes(data)
            finally:
                self._free += len(data)

    async def _receive(self, request: Request, length: int, data: bytearray) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                async for chunk in request.stream():
                    if len(data) + len(chunk) > length:
                        raise BadRequest("longer than was said")
                    if len(chunk) > self._free:
                        raise Overloaded
                    self._free -= len(chunk)
                    data += chunk
        except TimeoutError as error:
            raise BadRequest("too slow", 408) from error


def _content_length(request: Request) -> int:
    text = request.headers.get("content-length")
    if text is None:
        raise BadRequest("Content-Length must be given", 411)
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadRequest("Content-Length is no number")
    return int(text)


class ReadBatch(msgspec.Struct, frozen=True):
    """What a body holds, or why it is refused, and what reading it cost."""

    records: list[tuple[int, ReceivedRecord]] | BadRequest
    """By line number; a record that is refused is a BadRecord."""
    plain_bytes: int
    cpu_s: float


def read_batch(packed: bytes, encoding: str, member: str) -> ReadBatch:
    began, size = time.thread_time(), MAX_PLAIN_BYTES
    try:
        plain = unpack(packed, encoding)
        size = len(plain)
        records: list[tuple[int, ReceivedRecord]] | BadRequest = read_records(plain, member)
    except BadRequest as error:
        records = error.with_traceback(None)
    return ReadBatch(records, size, time.thread_time() - began)


def read_records(plain: bytes, member: str) -> list[tuple[int, ReceivedRecord]]:
    """The records of a batch by line number. BadRequest."""
    numbered = [(number, line) for number, line in enumerate(plain.split(b"\n"), 1) if line.strip()]
    if len(numbered) > MAX_RECORDS_PER_BATCH:
        raise BadRequest(f"more than {MAX_RECORDS_PER_BATCH} records in one batch", 413)
    records: list[tuple[int, ReceivedRecord]] = []
    for number, line in numbered:
        try:
            records.append((number, read_record(line, member)))
        except BadRecord as error:
            records.append((number, error))
    return records


def read_record(line: bytes, member: str) -> tuple[JudgedMeasurement, RoundRecord | None]:
    """A record of the member's own series, with no controls but its own. BadRecord."""
    if len(line) > MAX_RECORD_BYTES:
        raise BadRecord("longer than {size} MiB", size=MAX_RECORD_BYTES >> 20)
    judged, round_ = read_line(line)
    measurement = judged.measurement
    if measurement.vantage.name != member:
        raise BadRecord("this token is not for vantage point {name}", name=printable(measurement.vantage.name, 64))
    if parse_time(measurement.started_at) > datetime.now(UTC) + MAX_CLOCK_AHEAD:
        raise BadRecord("measured at {at}, in the future: check the clock", at=measurement.started_at)
    controls = tuple(control for control in judged.controls if control.control_of == measurement.id)
    context = msgspec.structs.replace(judged.context, recorded=())
    return msgspec.structs.replace(judged, controls=controls, context=context), round_


def unpack(packed: bytes, encoding: str) -> bytes:
    """A decompressed body, at most MAX_PLAIN_BYTES and MAX_LINES_PER_BATCH lines.

    BadRequest where it is longer, damaged, truncated or of another encoding.
    """
    if encoding not in ("", "identity", *DECODERS):
        raise BadRequest("packed with something other than zstd or gzip", 415)
    decoder = DECODERS[encoding]() if encoding in DECODERS else None
    parts: list[bytes] = []
    size = lines = 0
    try:
        for part in _parts(decoder, packed) if decoder is not None else (packed,):
            parts.append(part)
            size += len(part)
            lines += part.count(b"\n")
            if size > MAX_PLAIN_BYTES:
                raise BadRequest(f"more than {MAX_PLAIN_BYTES} bytes when unpacked", 413)
            if lines > MAX_LINES_PER_BATCH:
                raise BadRequest(f"more than {MAX_LINES_PER_BATCH} lines in one batch", 413)
    except (zlib.error, zstd.ZstdError) as error:
        raise BadRequest(f"not {encoding}, damaged, or with too large a window") from error
    if decoder is not None and (not decoder.eof or decoder.unused_data):
        raise BadRequest(f"not one whole {encoding} stream")
    return b"".join(parts)


def _parts(decoder: Any, packed: bytes) -> Iterator[bytes]:
    """What is decompressed, bit by bit; ends early where the input does."""
    part, rest = b"", packed
    while not decoder.eof and (part or rest):
        part = decoder.decompress(rest, UNPACK_STEP_BYTES)
        rest = getattr(decoder, "unconsumed_tail", b"")  # zlib's; zstd keeps it inside
        yield part
