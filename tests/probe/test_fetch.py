"""The bounded download."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from probe.http_transport import FetchFailed, fetch
from schedules.demo import sites
from schedules.demo.listening import Listeners, Stream
from tests.probe.measuring import LOOPBACK, at_most


@pytest.fixture
def download(here: Listeners, tmp_path: Path) -> Callable[..., Awaitable[object]]:
    async def run(responder: sites.Responder, **how: object) -> object:
        _, port = sites.serve_site(here, LOOPBACK, responder)
        return await fetch(f"http://{LOOPBACK}:{port}/list.csv", tmp_path / "list.csv", **how)  # type: ignore[arg-type]

    return run


async def test_a_file_is_downloaded_with_its_stamp(download: Callable[..., Awaitable[object]], tmp_path: Path) -> None:
    seen: list[sites.Request] = []

    async def respond(request: sites.Request, stream: Stream) -> None:
        seen.append(request)
        fresh = "if-none-match" not in request.fields
        await stream.send(sites.response(200 if fresh else 304, b"a;b" if fresh else b"", ETag='"1"'))

    first = await download(respond)
    assert (first.status, first.etag, first.length) == (200, '"1"', 3)  # type: ignore[attr-defined]
    assert (tmp_path / "list.csv").read_bytes() == b"a;b"
    again = await download(respond, etag='"1"')
    assert (again.status, again.length) == (304, 0)  # type: ignore[attr-defined]
    assert (tmp_path / "list.csv").read_bytes() == b"a;b"


@pytest.mark.parametrize(
    "responder",
    [sites.closes, sites.resets, sites.ends_after(100), sites.endless_body, sites.endless_headers, sites.not_http,
     sites.redirect("/list.csv"), sites.redirect("http://["), sites.answers(sites.response(404))],
)  # fmt: skip
async def test_a_download_that_fails_says_so_in_one_line(
    download: Callable[..., Awaitable[object]], responder: sites.Responder
) -> None:
    with pytest.raises(FetchFailed) as raised:
        await at_most(30, download(responder, max_bytes=100_000))
    assert "/list.csv" in str(raised.value)
    assert str(raised.value).isprintable()
