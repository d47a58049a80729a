"""One HTTP/1.1 exchange (RFC 9112): h11 reads the head; what it cannot read is read as leniently as browsers do."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, NamedTuple

import h11

from probe.failure import Malformed
from probe.net.deadline import Deadline

MAX_HEAD_BYTES = 256 * 1024
"""What Chromium reads of a head; Firefox and curl read somewhat more."""
MAX_CHUNK_LINE_BYTES = 16 * 1024
MAX_BLANK_BYTES, MAX_JUNK_BYTES = 64, 4
"""What browsers skip before a status line: blanks, and a few bytes such as a byte-order mark."""
BLANKS = b"\r\n \t"
STATUS_LINE = re.compile(rb"(?:(HTTP)/(\d{1,3})(?:\.(\d{1,3}))?|ICY)[ \t]+(\d{3})(?!\d)[^\n]*", re.IGNORECASE)
BEGINNINGS = (b"HTTP/", b"ICY ")
HEAD_END = re.compile(rb"\n\r?\n")
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
CONTROL = re.compile(rb"[\x00\x0a-\x0d]")
"""What h11 does not take in a value either."""
LENGTH = re.compile(rb"\+?(\d{1,18})(?!\d)")
CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?", re.DOTALL)
LONG_SIZE = re.compile(rb"[0-9A-Fa-f]{17}")
NO_BODY = (204, 304)
SWITCHING_PROTOCOLS = 101


class Head(NamedTuple):
    """The head of an answer; `quirks` are what of it is not valid and was read all the same."""

    status: int
    version: bytes
    headers: Sequence[tuple[bytes, bytes]]
    quirks: tuple[str, ...] = ()

    @property
    def is_interim(self) -> bool:
        """Whether another head follows (RFC 9110 section 15.2)."""
        return self.status // 100 == 1 and self.status != SWITCHING_PROTOCOLS


def may_be_http(raw: bytes | bytearray, *, ended: bool = False) -> bool:
    """Whether these first bytes of an answer can be the beginning of a head; more may tell, unless it has `ended`."""
    if raw[:5] == b"HTTP/" or (not raw and not ended):
        return True
    begun = bytes(raw[: MAX_BLANK_BYTES + MAX_JUNK_BYTES + 8]).lstrip(BLANKS)
    if not begun:
        return len(raw) <= MAX_BLANK_BYTES and not (ended and raw)
    if _status_line_at(begun) is not None:
        return True
    upper = begun.upper()
    places = range(MAX_JUNK_BYTES + 1)
    return not ended and any(mark.startswith(upper[at:]) for at in places for mark in BEGINNINGS)


def _status_line_at(begun: bytes) -> int | None:
    """Where the status line begins; None where it does not within what browsers skip."""
    upper = begun[: MAX_JUNK_BYTES + 5].upper()
    places = [upper.find(mark) for mark in BEGINNINGS]
    return min((at for at in places if 0 <= at <= MAX_JUNK_BYTES), default=None)


def head_in(raw: bytearray, start: int = 0, searched: int = 0) -> tuple[Head, int] | str | None:
    """The head that begins at `start`, an interim answer's too, and its end; a reason where there is none.

    None where more has to come. No head ends before `searched`.
    """
    begun = len(raw) - len(raw[start:].lstrip(BLANKS))
    at = _status_line_at(bytes(raw[begun : begun + MAX_JUNK_BYTES + 5]))
    line = STATUS_LINE.match(raw, begun + at) if at is not None else None
    end = HEAD_END.search(raw, max(searched, begun))
    if end is None:
        if len(raw) - start > MAX_HEAD_BYTES:
            return f"a head of more than {MAX_HEAD_BYTES} bytes"
        return None if may_be_http(raw[start:]) else "no status line"
    if line is None or line.end() > end.end():
        return "no status line"
    head = _head(raw, line, end.start())
    early: tuple[str, ...] = ("blank line before the status line",) if begun > start else ()
    early += ("other bytes before the status line",) if at else ()
    return head._replace(quirks=early + head.quirks), end.end()


def _head(raw: bytearray, line: re.Match[bytes], end: int) -> Head:
    quirks: dict[str, None] = {}
    if line[1] is None:
        version = b"ICY"
        quirks["ICY in place of HTTP"] = None
    else:
        version = b"HTTP/%b.%b" % (line[2], line[3] or b"0")
        if line[1] != b"HTTP":
            quirks["HTTP in lower case"] = None
    fields: list[tuple[bytes, bytes]] = []
    for text in bytes(raw[line.end() : end]).split(b"\n"):
        text = text.rstrip(b"\r")
        if not text:
            continue
        if text[:1] in b" \t":
            if fields:
                fields[-1] = (fields[-1][0], (b"%b %b" % (fields[-1][1], text.strip(b" \t"))).lstrip())
            quirks["folded header"] = None
            continue
        name, colon, value = text.partition(b":")
        if name[-1:] in (b" ", b"\t"):
            quirks["space before a colon"] = None
        name = name.rstrip(b" \t")
        if not colon:
            quirks["header without a colon"] = None
        elif not TOKEN.fullmatch(name):
            quirks["header name of other characters"] = None
        elif CONTROL.search(value):
            quirks["control character in a header"] = None
        else:
            fields.append((name, value.strip(b" \t")))
    if "folded header" in quirks:
        fields = [(name, value.rstrip()) for name, value in fields]
    return Head(int(line[4]), version, fields, tuple(quirks))


class Body:
    """Finds the end of a body in what is fed, and gives its bytes."""

    def __init__(self, how: Literal["length", "chunked", "close"], left: int = 0, quirks: tuple[str, ...] = ()) -> None:
        self._how, self._left = how, left
        self._buffer = bytearray()
        self._part: Literal["size", "data", "line end", "trailers"] = "size"
        self._began = False
        self._trailer_bytes = 0
        self.quirks = quirks
        self.complete = how == "length" and left == 0

    @property
    def until_close(self) -> bool:
        """Whether only the end of the stream ends it."""
        return self._how == "close"

    def feed(self, data: bytes) -> None:
        """More of the stream."""
        if not self.complete:
            self._buffer += data

    def end(self) -> bool:
        """The stream has ended: whether the body is complete with that."""
        self.complete = self.complete or self._how == "close" or self._part == "trailers"
        return self.complete

    def take(self) -> bytes:
        """What has come of the body since; empty where more has to come. Malformed for chunks that are none."""
        if self._how == "chunked":
            return self._chunks()
        if self._how == "close":
            data, self._buffer = bytes(self._buffer), bytearray()
            return data
        data = bytes(self._buffer[: self._left])
        self._left -= len(data)
        self.complete = self._left == 0
        self._buffer = bytearray()
        return data

    def _chunks(self) -> bytes:
        out = bytearray()
        at, buffer = 0, self._buffer
        while not self.complete and at < len(buffer):
            if self._part == "data":
                piece = buffer[at : at + self._left]
                out += piece
                at += len(piece)
                self._left -= len(piece)
                if self._left == 0:
                    self._part = "line end"
                continue
            end = buffer.find(b"\n", at, at + MAX_CHUNK_LINE_BYTES)
            line = bytes(buffer[at : end if end >= 0 else at + MAX_CHUNK_LINE_BYTES])
            if end < 0 and not self._never_ends(line):
                break
            try:
                chunked = self._on_line(line) if end >= 0 else self._not_chunked(line)
            except Malformed:
                if not out:
                    raise
                break  # what came before it first: the next call raises again
            if not chunked:
                return self.take()
            at = end + 1
        del buffer[:at]
        return bytes(out)

    def _never_ends(self, line: bytes) -> bool:
        """Whether a line that has not ended yet can be none of a chunked body's."""
        if self._part == "size":
            return len(line) >= MAX_CHUNK_LINE_BYTES or CHUNK_SIZE.fullmatch(line.strip(b" \t\r") or b"0") is None
        return len(line) >= (MAX_CHUNK_LINE_BYTES if self._part == "trailers" else 2)

    def _on_line(self, line: bytes) -> bool:
        """Read one line between the chunks' data; False where the body turned out not to be chunked."""
        bare = line[:-1] if line.endswith(b"\r") else line
        if bare is line:
            self._add("chunk line ended by LF alone")
        if self._part == "line end":
            if bare:
                raise Malformed("http_request_failed", "a chunk longer than its size")
            self._part = "size"
        elif self._part == "trailers":
            self._trailer_bytes += len(line) + 1
            if self._trailer_bytes > MAX_HEAD_BYTES:
                raise Malformed("http_request_failed", f"more than {MAX_HEAD_BYTES} bytes of trailers")
            self.complete = not bare
        elif (size := CHUNK_SIZE.fullmatch(bare)) is None:
            return self._not_chunked(bare)
        else:
            self._began, self._left = True, int(size[1], 16)
            self._part = "data" if self._left else "trailers"
        return True

    def _not_chunked(self, line: bytes) -> bool:
        """False where the very first line is no chunk's: the body is then taken as it comes; else Malformed."""
        if self._began or LONG_SIZE.match(line):
            raise Malformed("http_request_failed", "a chunk without its size")
        self._how = "close"
        self._add("not chunked, though it says so")
        return False

    def _add(self, quirk: str) -> None:
        if quirk not in self.quirks:
            self.quirks += (quirk,)


def body_of(head: Head, begun: bytes) -> Body:
    """The body behind a head (RFC 9112 section 6.3), of which `begun` came along; Malformed for two lengths."""
    codings: list[bytes] = []
    lengths: list[bytes] = []
    for name, value in head.headers:
        lower = name.lower()
        if lower == b"transfer-encoding":
            codings += [coding.strip(BLANKS).lower() for coding in value.split(b",")]
        elif lower == b"content-length":
            lengths += [length.strip(BLANKS) for length in value.split(b",")]
    body = _framed(head.status, codings, lengths)
    body.feed(begun)
    return body


def _framed(status: int, codings: list[bytes], lengths: list[bytes]) -> Body:
    if status in NO_BODY:
        return Body("length")
    if b"chunked" in codings:
        return Body("chunked", quirks=() if codings == [b"chunked"] else ("chunked among other encodings",))
    quirks: tuple[str, ...] = ("a transfer encoding without chunks",) if codings else ()
    read = {int(found[1]) for found in map(LENGTH.match, lengths) if found is not None}
    if len(read) > 1:
        raise Malformed("http_request_failed", "two lengths that differ")
    if not all(length.isdigit() for length in lengths):
        quirks += ("unreadable Content-Length",)
    return Body("length", read.pop(), quirks) if read else Body("close", quirks=quirks)


READ_BYTES = 64 * 1024
MAX_KEPT_BYTES = 64 * 1024
"""How much is kept of an answer that is not HTTP."""
QUIET_S = 1.0
"""Such an answer has no end that can be told: it is taken to end after this silence."""
Headers = Sequence[tuple[bytes, bytes]]


class Http1Connection:
    """Sends one request and reads its answer; raises Malformed, or EOFError where the stream ends too early."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]], receive: Callable[[int], Awaitable[bytes]]) -> None:
        self._send, self._receive = send, receive
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._raw = bytearray()
        self._body: Body | None = None
        self._head_quirks: tuple[str, ...] = ()
        self.kept = b""
        """The beginning of an answer that is not HTTP."""

    @property
    def quirks(self) -> tuple[str, ...]:
        """What of the answer is not valid HTTP and was read as browsers read it."""
        return self._head_quirks + (self._body.quirks if self._body is not None else ())

    @property
    def until_close(self) -> bool:
        """Whether only the end of the stream ends the body."""
        return self._body is not None and self._body.until_close

    async def head(self, method: bytes, target: bytes, headers: Headers, content: bytes) -> tuple[int, bytes, Headers]:
        """Send the request; the response's status, version and headers as written."""
        written = self._h11.send(h11.Request(method=method, target=target, headers=list(headers))) or b""
        if content:
            written += self._h11.send(h11.Data(data=content)) or b""
        await self._send(written + (self._h11.send(h11.EndOfMessage()) or b""))
        try:
            head, rest = await self._strict_head()
        except h11.ProtocolError:
            head, rest = await self._lenient_head()
        if head.status == SWITCHING_PROTOCOLS:
            raise Malformed("http_request_failed", "an upgrade to another protocol")
        self._head_quirks, self._raw = head.quirks, bytearray()
        self._body = body_of(head, rest)
        return head.status, head.version, head.headers

    async def chunk(self) -> bytes | bytearray | None:
        """The next part of the body; None at its end."""
        body = self._body
        assert body is not None
        while not (data := body.take()):
            if body.complete:
                return None
            came = await self._receive(READ_BYTES)
            if not came and not body.end():
                raise EOFError("closed before the end of the answer")
            body.feed(came)
        return data

    async def close(self) -> None:
        """Nothing to release."""

    async def _strict_head(self) -> tuple[Head, bytes]:
        while True:
            event = self._h11.next_event()
            if event is h11.NEED_DATA:
                self._h11.receive_data(await self._more())
            elif isinstance(event, h11.Response) or (
                isinstance(event, h11.InformationalResponse) and event.status_code == SWITCHING_PROTOCOLS
            ):
                version, fields = b"HTTP/" + event.http_version, event.headers.raw_items()
                return Head(event.status_code, version, fields), self._h11.trailing_data[0]

    async def _lenient_head(self) -> tuple[Head, bytes]:
        begun = searched = 0
        while True:
            found = head_in(self._raw, begun, searched)
            if found is None:
                searched = max(begun, len(self._raw) - 3)
                if not await self._more():
                    raise EOFError("closed within the head of the answer")
            elif isinstance(found, str):
                raise await self._keep(found)
            else:
                head, begun = found
                searched = begun
                if not head.is_interim:
                    return head, bytes(self._raw[begun:])

    async def _more(self) -> bytes:
        """The next bytes of the head; Malformed where they cannot be one."""
        data = await self._receive(READ_BYTES)
        self._raw += data
        if not may_be_http(self._raw, ended=not data):
            raise await self._keep("no status line")
        return data

    async def _keep(self, why: str) -> Malformed:
        """Set `kept` to what came and what soon follows; the error to raise."""
        try:
            while len(self._raw) < MAX_KEPT_BYTES:
                async with Deadline(QUIET_S):
                    data = await self._receive(READ_BYTES)
                if not data:
                    break
                self._raw += data
        except (OSError, TimeoutError, Malformed):
            pass
        finally:
            self.kept = bytes(self._raw[:MAX_KEPT_BYTES])
        return Malformed("http_request_failed", f"not HTTP: {why}")
