"""Answers that RFC 9112 does not allow are read as browsers read them, and whatever comes is bounded."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.failure import Malformed
from probe.http.http1 import MAX_HEAD_BYTES, MAX_KEPT_BYTES, Http1Connection, head_in, may_be_http
from tests.probe.http.test_http1 import GET, Said

PAGE = b"<html>a page</html>"
TYPE = b"Content-Type: text/html"
LENGTH = b"Content-Length: %d" % len(PAGE)


def answer(*lines: bytes, status: bytes = b"HTTP/1.1 200 OK", content: bytes = PAGE, end: bytes = b"\r\n") -> bytes:
    return end.join([status, TYPE, *lines, b"", b""]) + content


async def read(*pieces: bytes) -> tuple[Http1Connection, int, list[tuple[bytes, bytes]], bytes]:
    said = Said(list(pieces))
    speaks = Http1Connection(said.write, said.read)
    status, _, headers = await speaks.head(*GET)
    body = b""
    while (chunk := await speaks.chunk()) is not None:
        body += chunk
    return speaks, status, list(headers), body


CHUNKS = b"13\r\n%b\r\n0\r\n\r\n" % PAGE
CHUNKED = b"Transfer-Encoding: chunked"
QUIRKY = {
    "header name of other characters": answer(b"cache-result/forum.php: not supported", LENGTH),
    "space before a colon": answer(b"Cache-Control : private", LENGTH),
    "header without a colon": answer(b"a line without colon", LENGTH),
    "control character in a header": answer(b"X-Bad: a\x00b", LENGTH),
    "blank line before the status line": b"\r\n\r\n" + answer(LENGTH),
    "other bytes before the status line": b"\xef\xbb\xbf" + answer(LENGTH),
    "ICY in place of HTTP": answer(LENGTH, status=b"ICY 200 OK"),
    "HTTP in lower case": answer(LENGTH, status=b"http/1.1 200 OK"),
    "a transfer encoding without chunks": answer(b"Transfer-Encoding: identity"),
    "chunked among other encodings": answer(b"Transfer-Encoding: chunked, chunked", content=CHUNKS),
    "unreadable Content-Length": answer(b"Content-Length: "),
    "chunk line ended by LF alone": answer(CHUNKED, content=b"13\n%b\n0\n\n" % PAGE),
    "not chunked, though it says so": answer(CHUNKED),
}  # fmt: skip


@pytest.mark.parametrize(("quirk", "raw"), QUIRKY.items(), ids=QUIRKY)
async def test_it_is_read_and_named(quirk: str, raw: bytes) -> None:
    for pieces in ([raw], [raw[i : i + 1] for i in range(len(raw))]):
        speaks, status, headers, body = await read(*pieces)
        assert (status, body) == (200, PAGE)
        assert (b"Content-Type", b"text/html") in headers
        assert quirk in speaks.quirks


@pytest.mark.parametrize(
    ("lines", "content"),
    [
        ([b"Content-Length: +%d" % len(PAGE)], PAGE + b"more"),
        ([b"Content-Length: -5"], PAGE),
        ([b"Content-Length: %d; x" % len(PAGE)], PAGE + b"more"),
        ([LENGTH, LENGTH], PAGE + b"more"),
        ([b"Content-Length: 7", CHUNKED], b"13\r\n%b\r\n0\r\n\r\n" % PAGE),
        ([CHUNKED, CHUNKED], b"13\r\n%b\r\n0\r\n\r\n" % PAGE),
        ([CHUNKED], b"0013 \r\n%b\r\n0;x=y\r\nX-Trailer: t\r\n\r\n" % PAGE),
        ([CHUNKED], b"13\r\n%b\r\n0\r\n" % PAGE),
    ],
)
async def test_a_length_is_read_as_far_as_it_can_be(lines: list[bytes], content: bytes) -> None:
    assert (await read(answer(*lines, content=content)))[3] == PAGE


async def test_lines_may_end_in_lf_and_an_interim_answer_comes_first() -> None:
    raw = b"HTTP/1.1 100 Continue\n\n" + answer(b"bad line", LENGTH, end=b"\n")
    assert (await read(raw))[1:] == (200, [tuple(TYPE.split(b": ")), tuple(LENGTH.split(b": "))], PAGE)


@pytest.mark.parametrize(
    "raw",
    [
        b"Object not found\n\n", b"<!DOCTYPE html>\n<html>no</html>", b"<html>\r\n<p>no\r\n\r\n", b"\x00\x01\r\n\r\n",
        b"HTTP 302 Found\r\nLocation: http://b.example/\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"SSH-2.0-x\r\n", b"H",
        b"\r\n",
    ],
)  # fmt: skip
async def test_what_is_not_http_is_kept(raw: bytes) -> None:
    for pieces in ([raw], [raw[i : i + 1] for i in range(len(raw))]):
        said = Said(list(pieces))
        speaks = Http1Connection(said.write, said.read)
        with pytest.raises(Malformed):
            await speaks.head(*GET)
        assert speaks.kept == raw


async def test_two_lengths_that_differ_are_refused_as_by_browsers() -> None:
    with pytest.raises(Malformed):
        await read(answer(LENGTH, b"Content-Length: 3"))


@pytest.mark.parametrize(
    ("content", "before"),
    [
        (b"3\r\nabc\r\n3\r\nabcdef\r\n", b"abcabc"),
        (b"5\r\nhello\r\n3\r\nabc\rxx", b"helloabc"),
    ],
    ids=["longer than said", "without its end"],
)
async def test_a_chunk_that_breaks_off_keeps_what_came_before(content: bytes, before: bytes) -> None:
    said = Said([answer(CHUNKED, content=content)])
    speaks = Http1Connection(said.write, said.read)
    await speaks.head(*GET)
    assert await speaks.chunk() == before
    with pytest.raises(Malformed):
        await speaks.chunk()


LINES = (
    b"HTTP/1.1 200 OK", b"http/1.0 200", b"ICY 200 OK", b"HTTP 200", b"HTTP/1.1 100 Continue",
    b"\xef\xbb\xbfHTTP/1.1 404 x",
    b"", b" ", b"\t", b": x", b"a b: c", b"x : y", b"no colon", b"Content-Length: 5", b"Content-Length: +5",
    b"Content-Length: ",
    b"Content-Length: 99999999999999999999", b"Transfer-Encoding: chunked", b"transfer-encoding: identity, chunked",
    b"5", b"0", b"fffffffffffffffff", b"5;x", b"abcde", b"\x00", b"<html>", b"-1",
)  # fmt: skip


@given(
    lines=st.lists(st.sampled_from(LINES) | st.binary(max_size=12), max_size=10),
    ends=st.lists(st.sampled_from((b"\r\n", b"\n", b"\r", b"")), min_size=1, max_size=3),
    cuts=st.lists(st.integers(0, 200), max_size=6),
)
async def test_whatever_comes_it_ends_and_cuts_do_not_matter(
    lines: list[bytes], ends: list[bytes], cuts: list[int]
) -> None:
    raw = b"".join(line + ends[place % len(ends)] for place, line in enumerate(lines))
    at = [0, *sorted(cuts), len(raw)]
    found = []
    for pieces in ([raw], [raw[a:b] for a, b in pairwise(at)]):
        try:
            _, status, headers, body = await read(*pieces)
            assert len(body) <= len(raw)
            found.append((status, headers, body))
        except (Malformed, EOFError):
            found.append(None)
    assert found[0] == found[1]


@given(st.binary(max_size=80))
def test_more_bytes_never_make_http_of_what_cannot_be_http(raw: bytes) -> None:
    possible = [may_be_http(raw[:size]) for size in range(len(raw) + 1)]
    assert possible == sorted(possible, reverse=True)


async def test_a_head_without_end_and_junk_without_end_are_bounded() -> None:
    for endless in (b"HTTP/1.1 200 OK\r\nbad line\r\n", b"junk "):
        pieces = [endless] + [endless * 2000] * 400
        tracemalloc.start()
        with pytest.raises(Malformed):
            await read(*pieces)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * (MAX_HEAD_BYTES + MAX_KEPT_BYTES)


def test_a_head_is_found_only_where_it_ends() -> None:
    raw = bytearray(answer(b"bad line", content=b""))
    assert [head_in(raw[:size]) is None for size in (9, 20, len(raw) - 1)] == [True] * 3
    found = head_in(raw)
    assert isinstance(found, tuple)
    assert found[1] == len(raw)


async def test_an_interim_answer_that_comes_in_a_piece_of_its_own_is_not_taken_for_the_head() -> None:
    _, status, headers, body = await read(
        b"HTTP/1.1 103 Early Hints\r\nbad line\r\n", b"\r\n", *_bytes_of(answer(b"bad line", LENGTH))
    )
    assert (status, body) == (200, PAGE)
    assert dict(headers)[b"Content-Type"] == b"text/html"


async def test_a_header_that_the_strict_reader_takes_is_not_lost_beside_a_bad_one() -> None:
    _, _, headers, _ = await read(answer(b"bad line", b"X-Odd: a\x1bb\x7fc", LENGTH))
    assert dict(headers)[b"X-Odd"] == b"a\x1bb\x7fc"


def _bytes_of(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]
