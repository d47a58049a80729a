"""HTTP/1.1: what httpcore can read is read the same, however it is cut; what it cannot is read leniently or refused."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import httpcore
from hypothesis import given
from hypothesis import strategies as st

from probe.failure import Malformed
from probe.http.http1 import Http1Connection, head_in

GET = (b"GET", b"/a?b", [(b"Host", b"a.example")], b"")
LINES = (
    b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 100 Continue", b"HTTP/1.1 101 Switching", b"HTTP/1.1 204 No",
    b"HTTP/1.1 304 Not", b"HTTP/1.1 999 ", b"HTTP/2 200 OK", b"ICY 200 OK", b"HTTP/1.1 20", b"",
    b"Content-Length: 3", b"Content-Length: 4", b"Content-Length: -1", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip", b"Upgrade: websocket", b"Connection: close", b"X-Mixed: Case", b"x: \xff",
    b": nameless", b" folded", b"\x00", b"abc", b"3", b"0", b"3;ext=1", b"ffffffffffff",
)  # fmt: skip
Read = tuple[int, bytes, list[tuple[bytes, bytes]], bytes]


class Said:
    """The other end, whose words come in these pieces; a network stream to httpcore."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces, self.sent = [piece for piece in pieces if piece], b""

    async def read(self, _: int, timeout: float | None = None) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    async def write(self, data: bytes, timeout: float | None = None) -> None:
        self.sent += data

    async def aclose(self) -> None:
        pass

    def get_extra_info(self, _: str) -> Any:
        return None


async def by_us(said: Said) -> Read | None:
    speaks = Http1Connection(said.write, said.read)
    body = b""
    try:
        status, version, headers = await speaks.head(*GET)
        while (chunk := await speaks.chunk()) is not None:
            body += chunk
    except (Malformed, EOFError):
        return None
    return status, version, list(headers), body


async def by_httpcore(said: Said) -> Read | None:
    method, target, headers, _ = GET
    url = httpcore.URL(scheme=b"http", host=b"a.example", port=None, target=target)
    connection = httpcore.AsyncHTTP11Connection(url.origin, said)  # type: ignore[arg-type]
    try:
        answer = await connection.handle_async_request(httpcore.Request(method, url, headers=headers))
        body = b"".join([chunk async for chunk in answer.aiter_stream()])
    except (httpcore.RemoteProtocolError, httpcore.LocalProtocolError):
        return None
    return answer.status, answer.extensions["http_version"], list(answer.headers), body


@given(lines=st.lists(st.sampled_from(LINES), max_size=9), cuts=st.lists(st.integers(0, 200), max_size=6))
async def test_the_same_is_sent_and_read_as_by_httpcore(lines: list[bytes], cuts: list[int]) -> None:
    first = [b"HTTP/1.1 200 OK"] if len(lines) % 3 else []
    words = b"\r\n".join((*first, *lines, b"", b""))
    at = [0, *sorted(cuts), len(words)]
    ours, theirs = (Said([words[a:b] for a, b in pairwise(at)]) for _ in range(2))
    read, expected = await by_us(ours), await by_httpcore(theirs)
    assert read == expected or expected is None
    assert ours.sent == theirs.sent


async def test_what_is_posted_goes_out_in_one_piece() -> None:
    said = Said([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"])
    speaks = Http1Connection(said.write, said.read)
    headers = [(b"Host", b"a.example"), (b"Content-Length", b"3")]
    assert (await speaks.head(b"POST", b"/", headers, b"abc"))[0] == 200
    assert said.sent == b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc"
    assert await speaks.chunk() == b"ok"
    assert await speaks.chunk() is None


def test_a_header_whose_value_begins_and_ends_in_folded_lines_has_no_space_at_its_ends() -> None:
    found = head_in(bytearray(b"HTTP/1.1 200 OK\r\nA:\r\n \r\n one\r\n two\r\n \r\nB: x\r\n\r\n"))
    assert isinstance(found, tuple)
    assert found[0].headers == [(b"A", b"one two"), (b"B", b"x")]
