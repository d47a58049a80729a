"""One HTTP exchange with servers that are honest, slow, broken or hostile."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import resource
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.model import Attempt, Http, Observation
from probe.steps import http, tcp
from schedules.demo import sites
from schedules.demo.listener import Address, Listeners, ServerStream
from schedules.demo.sites import Responder, SiteRequest, answers, response
from tests.lab import site_answers
from tests.probe.loopback import LOOPBACK, NAME, PATIENT_S, QUICK_S, about, at_most, new_log, settings

CAP = 64 * 1024


async def fetch(address: Address, path: str = "/", **changed: object) -> tuple[Observation, Http]:
    log, whom = new_log(), about(address)
    wanted = settings(**({"max_body_bytes": CAP} | changed))
    _, stream = await tcp.connect(log, whom, wanted)
    assert stream is not None
    attempt = Attempt(
        role="main",
        hop=0,
        scheme="http",
        host=NAME,
        server_name=NAME,
        address=LOOPBACK,
        port=address[1],
        request_path=path,
    )
    seen = await http.get(log, whom, stream, *http.request_for(attempt, wanted), wanted)
    assert isinstance(seen.detail, Http)
    return seen, seen.detail


async def fetch_from(
    here: Listeners, responder: Responder, path: str = "/", **changed: object
) -> tuple[Observation, Http]:
    got: tuple[Observation, Http] = await at_most(
        60, fetch(sites.serve_site(here, LOOPBACK, responder), path, **changed)
    )
    return got


async def test_a_page_in_full(here: Listeners) -> None:
    body = sites.html("A  fine\n page &amp; more")
    seen, page = await fetch_from(here, answers(response(200, body, X_Some="thing")))
    assert (seen.failure, page.status, page.version, page.length, page.truncated) == (
        None,
        200,
        "HTTP/1.1",
        len(body),
        False,
    )
    assert (page.body, page.body_sha256, page.title) == (body, hashlib.sha256(body).hexdigest(), "A fine page & more")
    assert ("X-Some", "thing") in page.headers
    assert page.location is None


async def test_the_request_is_a_browsers(here: Listeners) -> None:
    got: list[SiteRequest] = []

    async def respond(request: SiteRequest, stream: ServerStream) -> None:
        got.append(request)
        await stream.send(response(204))

    await fetch_from(here, respond, path="/a?b=c%20d")
    (request,) = got
    assert (request.method, request.path) == ("GET", "/a?b=c%20d")
    assert request.fields["host"].startswith(NAME + ":")
    assert "Mozilla" in request.fields["user-agent"]
    assert request.fields["accept-encoding"] == "gzip, deflate"


def encoded(body: bytes, encoding: str) -> Responder:
    return answers(response(200, body, Content_Encoding=encoding))


RAW = zlib.compressobj(wbits=-15)
PAGE = sites.html("Packed", kib=8)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(gzip.compress(PAGE), "gzip"), (gzip.compress(PAGE), "X-GZip"), (zlib.compress(PAGE), "deflate"),
     (RAW.compress(PAGE) + RAW.flush(), "deflate"), (gzip.compress(PAGE) + b"junk" * 100, "gzip")],
)  # fmt: skip
async def test_a_compressed_page_is_read(here: Listeners, body: bytes, encoding: str) -> None:
    seen, page = await fetch_from(here, encoded(body, encoding))
    assert (seen.failure, page.body, page.title) == (None, PAGE, "Packed")


async def test_an_encoding_nobody_asked_for_is_left_as_it_came(here: Listeners) -> None:
    seen, page = await fetch_from(here, encoded(b"br-br-br", "br"))
    assert (seen.failure, page.body) == (None, b"br-br-br")


async def test_a_page_that_is_not_what_its_encoding_says(here: Listeners) -> None:
    seen, page = await fetch_from(here, encoded(b"not gzip at all", "gzip"))
    assert (seen.failure, page.status, page.body) == (None, 200, b"not gzip at all")
    assert page.quirks == ("not gzip, though it says so",)


async def test_chunks_are_put_together(here: Listeners) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    seen, page = await fetch_from(here, answers(head + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: t\r\n\r\n"))
    assert (seen.failure, page.body, page.truncated) == (None, b"abcde", False)


async def test_a_body_without_length_ends_with_the_stream(here: Listeners) -> None:
    seen, page = await fetch_from(here, answers(b"HTTP/1.0 200 OK\r\n\r\nabc"))
    assert (seen.failure, page.body, page.version) == (None, b"abc", "HTTP/1.0")


@pytest.mark.parametrize("size", [CAP - 1, CAP, CAP + 1])
async def test_the_size_cap_is_no_failure(here: Listeners, size: int) -> None:
    seen, page = await fetch_from(here, answers(response(200, b"x" * size)))
    assert (seen.failure, page.length, page.truncated) == (None, min(size, CAP), size > CAP)


async def test_an_endless_body_is_cut(here: Listeners) -> None:
    seen, page = await fetch_from(here, site_answers.endless_body)
    assert (seen.failure, page.length, page.truncated) == (None, CAP, True)


async def test_a_gzip_bomb_stays_small(here: Listeners) -> None:
    bomb = site_answers.gzip_bomb(200)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen, page = await fetch_from(here, bomb)
    assert (seen.failure, page.length, page.truncated) == (None, CAP, True)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024, "kilobytes"


def endless(head: bytes, piece: bytes) -> Responder:
    async def respond(_: SiteRequest, stream: ServerStream) -> None:
        await stream.send(head)
        for _turn in range(site_answers.FOREVER):
            await stream.send(piece)

    return respond


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
EMPTY_BLOCKS = b"fde8\r\n" + b"\x00\x00\x00\xff\xff" * 13000 + b"\r\n"
GZIP_HEAD = b"a\r\n" + gzip.compress(b"")[:10] + b"\r\n"
WHOLE_GZIP = b"%x\r\n%b\r\n" % (len(gzip.compress(b"x")), gzip.compress(b"x"))
HOSTILE: dict[str, Responder] = {
    "header fields without end": site_answers.endless_headers,
    "a header of one megabyte": answers(response(200, b"", X_Long="x" * 1_000_000)),
    "interim answers without end": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "a page packed out of nothing": endless(CHUNKED + b"Content-Encoding: gzip\r\n\r\n" + GZIP_HEAD, EMPTY_BLOCKS),
    "a page behind its own end": endless(CHUNKED + b"Content-Encoding: gzip\r\n\r\n" + WHOLE_GZIP, EMPTY_BLOCKS),
    "chunks that are all extension": endless(CHUNKED + b"\r\n", b"1;" + b"x" * 8000 + b"\r\na\r\n"),
    "a chunk's length without end": endless(CHUNKED + b"\r\n", b"0" * 65536),
    "trailers without end": endless(CHUNKED + b"\r\n0\r\n", b"X-Trailer: x\r\n" * 1000),
    "a status that is no number": answers(b"HTTP/1.1 abc OK\r\n\r\n"),
    "two lengths": answers(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    "no HTTP": site_answers.not_http,
}  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_server_is_named_and_bounded(here: Listeners, hostile: Responder) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen, page = await fetch_from(here, hostile)
    assert seen.failure == "http_request_failed"
    assert (page.received or 0) < 8 * CAP + 1024 * 1024
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024, "kilobytes"


@pytest.mark.parametrize(
    ("responder", "failure", "status"),
    [
        (site_answers.closes, "eof_error", None), (site_answers.resets, "connection_reset", None),
        (site_answers.no_answer, "generic_timeout_error", None),
        (site_answers.ends_after(1000), "eof_error", 200), (site_answers.resets_after(1000), "connection_reset", 200),
        (site_answers.stalls_after(1000), "generic_timeout_error", 200),
        (answers(b"HTTP/1.1 200 OK\r\nContent-Le"), "eof_error", None),
        (answers(CHUNKED + b"\r\n5\r\nab"), "eof_error", 200),
    ],
)  # fmt: skip
async def test_an_answer_that_breaks_off_keeps_what_came(
    here: Listeners, responder: Responder, failure: str, status: int | None
) -> None:
    seen, page = await fetch_from(here, responder, timeout_s=QUICK_S)
    assert (seen.failure, page.status) == (failure, status)
    if status is None:
        assert (page.body, page.length, page.truncated) == (None, None, None)
    elif failure != "connection_reset":  # a reset may overtake the bytes before it
        assert page.length in (1000, 2)
        assert page.truncated is False


async def test_a_trickle_that_never_pauses_ends_by_the_exchange_deadline(here: Listeners) -> None:
    seen, _ = await fetch_from(here, site_answers.trickle(100_000, every_s=QUICK_S / 20), timeout_s=QUICK_S)
    assert seen.failure == "generic_timeout_error"
    assert seen.duration_s >= 3 * QUICK_S * 0.9


async def test_an_upgrade_that_nobody_asked_for_does_not_hang(here: Listeners) -> None:
    seen, page = await fetch_from(here, answers(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nhello"))
    assert (seen.failure, page.status) == ("http_request_failed", None)


async def test_what_is_not_http_is_kept_with_its_title_and_where_it_leads(here: Listeners) -> None:
    seen, page = await fetch_from(here, answers(b"<html><title>No</title>"))
    assert (seen.failure, page.status, page.title) == ("http_request_failed", None, "No")
    assert (page.body, page.length, page.location) == (b"<html><title>No</title>", 23, None)
    seen, page = await fetch_from(here, answers(b"HTTP 302 Found\r\nlocation:  http://b.example/x \r\n\r\n"))
    assert (seen.failure, page.status, page.location) == ("http_request_failed", None, "http://b.example/x")


@pytest.mark.parametrize("timeout_s", [QUICK_S / 2, PATIENT_S])
async def test_what_is_not_http_is_kept_though_the_connection_stays_open(here: Listeners, timeout_s: float) -> None:
    async def lingers(_: SiteRequest, stream: ServerStream) -> None:
        await stream.send(b"Object not found")
        await stream.gone()

    seen, page = await fetch_from(here, lingers, timeout_s=timeout_s)
    assert (seen.failure, page.status, page.body) == ("http_request_failed", None, b"Object not found")


@pytest.mark.parametrize("ending", ["resets", "stays"])
async def test_a_page_whose_own_end_has_come_is_whole(here: Listeners, ending: str) -> None:
    async def respond(_: SiteRequest, stream: ServerStream) -> None:
        await stream.send(b"HTTP/1.0 200 OK\r\n\r\n<html>all</HTML>\n")
        await asyncio.sleep(site_answers.SETTLE_S)
        if ending == "resets":
            stream.reset()
        else:
            await stream.gone()

    seen, page = await fetch_from(here, respond, timeout_s=QUICK_S)
    assert (seen.failure, page.body) == (None, b"<html>all</HTML>\n")
    assert page.quirks == ("an end that only the page itself shows",)


async def test_the_location_is_kept_of_a_redirect_only(here: Listeners) -> None:
    _, page = await fetch_from(here, site_answers.redirect("/next"))
    assert (page.status, page.location) == (302, "/next")
    _, page = await fetch_from(here, answers(response(201, Location="/made")))
    assert page.location is None


async def test_a_header_in_utf_8_or_in_anything_is_text(here: Listeners) -> None:
    head = (
        b"HTTP/1.1 302 Found\r\nLocation: /" + "путь".encode() + b"\r\nX-Old: " + "путь".encode("cp1251") + b"\r\n\r\n"
    )
    _, page = await fetch_from(here, answers(head))
    assert page.location == "/путь"
    assert dict(page.headers)["X-Old"] == "путь".encode("cp1251").decode("latin-1")


async def test_headers_are_bounded_in_number_and_size(here: Listeners) -> None:
    lines = b"".join(b"X-%d: %b\r\n" % (n, b"x" * (5000 if n == 0 else 10)) for n in range(500))
    seen, page = await fetch_from(here, answers(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n"))
    assert (seen.failure, len(page.headers)) == (None, http.MAX_HEADERS)
    assert max(len(value) for _, value in page.headers) == http.MAX_HEADER_VALUE


@pytest.mark.parametrize(
    ("body", "content_type", "title"),
    [
        ("<title>Доступ</title>".encode(), "text/html; charset=utf-8", "Доступ"),
        ("<title>Доступ</title>".encode(), "", "Доступ"),
        ("<title>Доступ</title>".encode("cp1251"), "text/html; charset=windows-1251", "Доступ"),
        ("<meta charset=windows-1251><title>Доступ</title>".encode("cp1251"), "text/html", "Доступ"),
        ("<title>Доступ</title>".encode("koi8-r"), "text/html; charset=KOI8-R", "Доступ"),
        ("<title>拒否</title>".encode("shift_jis"), "text/html; charset=Shift_JIS", "拒否"),
        (b"<title>\xff\xfe</title>", "text/html; charset=utf-8", "\ufffd\ufffd"),
        (b"<title>a</title>", "text/html; charset=idna", "a"),
        (b"<title>a</title>", "text/html; charset=undefined", "a"),
        (b"<title>a</title>", "text/html; charset=zlib", "a"),
        (b"<title>a</title>", "text/html; charset=nonsense-8", "a"),
        (b"<title>\\d</title>", "text/html; charset=unicode_escape", "\\d"),
        (b"<TITLE lang=x>\n a\tb </TITLE>", "", "a b"),
        (b"<title>\x1b[2J&#27;[31m\xe2\x80\xaeevil&#x202e;</title>", "", "[2J[31mevil"),
        (b"<title></title>", "", None), (b"<title>unfinished", "", "unfinished"), (b"no title", "", None),
        (b"<title>" + b"x" * 5000 + b"</title>", "", "x" * 300),
        (b"<title" * 10000, "", None),
    ],
)  # fmt: skip
def test_a_title_is_one_printable_line(body: bytes, content_type: str, title: str | None) -> None:
    assert http.title_of(body, content_type) == title


CODECS = [
    "utf-8",
    "utf-7",
    "utf-16",
    "idna",
    "punycode",
    "undefined",
    "hex",
    "rot13",
    "unicode_escape",
    "big5",
    "mbcs",
    "x" * 50,
]


@given(st.binary(max_size=300), st.one_of(st.sampled_from(CODECS), st.text(max_size=20)), st.booleans())
def test_no_page_has_a_title_that_breaks_anything(text: bytes, codec: str, declared_inside: bool) -> None:
    inside = f"<meta charset={codec}>".encode("utf-8", "replace") if declared_inside else b""
    title = http.title_of(inside + b"<title>" + text, "" if declared_inside else f"text/html; charset={codec}")
    assert title is None or (title.isprintable() and len(title) <= 300 and title.encode())


async def test_the_exchange_can_be_cancelled_and_leaves_nothing(here: Listeners) -> None:
    address = sites.serve_site(here, LOOPBACK, site_answers.no_answer)
    task = asyncio.create_task(fetch(address, timeout_s=PATIENT_S))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
