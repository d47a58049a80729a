"""A hub that is read page by page, and breaks off, is busy, or is no hub: what comes is whole, or an error in words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from probe.http.api_client import ApiRoute, NotAnswered
from probe.net.network import RealNetwork
from probe.net.path import Path as NetworkPath
from schedules.hub_client.client import HubClient, HubRefused, NotEnrolled
from schedules.hub_client.download import MAX_TRIES, DownloadRequest, MeasurementDownload

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nReachprobe-After: %d\r\nConnection: close\r\n%b\r\n{}\n"
NEXT = b'Link: </v1/measurements?after=1>; rel="next"\r\n'
BUSY = b"HTTP/1.1 503 x\r\nContent-Length: 0\r\nRetry-After: 7\r\nConnection: close\r\n\r\n"
GONE = b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\nReachprobe-After: 9\r\n\r\n{}"


class Served:
    """One answer for each request, in turn; the last again and again."""

    def __init__(self, answers: Sequence[bytes]) -> None:
        self.answers, self.asked = list(answers), list[str]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.split(b" ")[1].decode())
        writer.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
        await writer.drain()
        writer.close()


@asynccontextmanager
async def serving(*answers: bytes) -> AsyncIterator[tuple[Served, str]]:
    served = Served(answers)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    async with server:
        yield served, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def fetched(url: str, into: Path, most: int = 100, request: DownloadRequest | None = None) -> list[float]:
    """How long was waited between tries."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    way = ApiRoute(network=RealNetwork(NetworkPath("direct")), timeout_s=5)
    download = MeasurementDownload(HubClient(url, way), sleep=sleep, max_bytes=most)
    await download.write(request or DownloadRequest(), into)
    return waits


async def test_an_incomplete_or_refused_page_is_retried(tmp_path: Path) -> None:
    async with serving(PAGE % (1, NEXT), GONE, BUSY, PAGE % (5, b"")) as (served, url):
        waits = await fetched(url, tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == b"{}\n{}\n"
    assert waits == [1.0, 7.0]
    assert ["after=0" in one for one in served.asked] == [True, False, False, False]
    assert ["after=1" in one for one in served.asked] == [False, True, True, True]


async def test_a_hub_that_stays_away_is_given_up(tmp_path: Path) -> None:
    async with serving(PAGE % (1, NEXT), GONE) as (served, url):
        with pytest.raises(NotAnswered, match=r"127\.0\.0\.1"):
            await fetched(url, tmp_path / "got")
    assert len(served.asked) == 1 + MAX_TRIES


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([PAGE % (1, NEXT), PAGE % (1, NEXT)], "too many pages"),
        ([PAGE.replace(b"%d", b"x").replace(b"%b", b"")], "not a reachprobe hub"),
        ([PAGE.replace(b"%d", b"9" * 40).replace(b"%b", b"")], "not a reachprobe hub"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"], "not a reachprobe hub"),
        ([b"HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"], "answered 302"),
        ([b"HTTP/1.1 404 x\r\nContent-Length: 17\r\n\r\n" + b'{"error": "none"}'], "404, none"),
    ],
)
async def test_a_response_of_no_hub_is_an_error_never_followed(tmp_path: Path, answers: list[bytes], why: str) -> None:
    async with serving(*answers) as (_, url):
        with pytest.raises(HubRefused, match=why):
            await fetched(url, tmp_path / "got")


async def test_endless_pages_stop_at_the_size_limit(tmp_path: Path) -> None:
    endless = [PAGE % (number, NEXT) for number in range(1, 90)]
    async with serving(*endless) as (_, url):
        with pytest.raises(HubRefused, match="--since"):
            await fetched(url, tmp_path / "got")
    assert (tmp_path / "got").stat().st_size <= 100


async def test_a_missing_token_is_not_retried(tmp_path: Path) -> None:
    async with serving(b"HTTP/1.1 401 x\r\nContent-Length: 0\r\n\r\n") as (served, url):
        with pytest.raises(NotEnrolled):
            await fetched(url, tmp_path / "got")
    assert len(served.asked) == 1


async def test_a_period_is_requested_with_a_day_more_on_both_sides(tmp_path: Path) -> None:
    async with serving(PAGE % (1, b"")) as (served, url):
        await fetched(url, tmp_path / "got", request=DownloadRequest(since=1_494_000_000.0, until=1e15))
    assert "since=2017-05-04T16%3A00%3A00.000Z" in served.asked[0]
    assert "until=9999-12-31" in served.asked[0]
