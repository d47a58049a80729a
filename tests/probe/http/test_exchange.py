"""The bounded download."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from probe.http.download import FetchFailed, FetchPolicy, PartialDownload, fetch, strong_validator
from probe.net.address_policy import Gate
from probe.net.resolver import SystemResolver
from schedules.demo import sites
from schedules.demo.authority import Authority
from schedules.demo.listener import Listeners, ServerStream
from tests.lab import site_answers
from tests.probe.loopback import LOOPBACK, at_most


@pytest.fixture
def download(here: Listeners, tmp_path: Path) -> Callable[..., Awaitable[object]]:
    async def run(responder: sites.Responder, **how: object) -> object:
        _, port = sites.serve_site(here, LOOPBACK, responder)
        return await fetch(f"http://{LOOPBACK}:{port}/list.csv", tmp_path / "list.csv", **how)  # type: ignore[arg-type]

    return run


def trusting(authority: Authority) -> FetchPolicy:
    return FetchPolicy(ca_file=str(authority.ca_file))


async def test_a_file_is_downloaded_with_its_stamp(download: Callable[..., Awaitable[object]], tmp_path: Path) -> None:
    seen: list[sites.SiteRequest] = []

    async def respond(request: sites.SiteRequest, stream: ServerStream) -> None:
        seen.append(request)
        fresh = "if-none-match" not in request.fields
        await stream.send(sites.response(200 if fresh else 304, b"a;b" if fresh else b"", ETag='"1"'))

    first = await download(respond)
    assert (first.status, first.etag, first.length) == (200, '"1"', 3)  # type: ignore[attr-defined]
    assert (tmp_path / "list.csv").read_bytes() == b"a;b"
    again = await download(respond, validators=('"1"', None))
    assert (again.status, again.length) == (304, 0)  # type: ignore[attr-defined]
    assert (tmp_path / "list.csv").read_bytes() == b"a;b"


@pytest.mark.parametrize(
    "responder",
    [site_answers.closes, site_answers.resets, site_answers.ends_after(100), site_answers.endless_body,
     site_answers.endless_headers, site_answers.not_http,
     site_answers.redirect("/list.csv"), site_answers.redirect("http://["), sites.answers(sites.response(404))],
)  # fmt: skip
async def test_a_download_that_fails_says_so_in_one_line(
    download: Callable[..., Awaitable[object]], responder: sites.Responder
) -> None:
    with pytest.raises(FetchFailed) as raised:
        await at_most(30, download(responder, max_bytes=100_000))
    assert "/list.csv" in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("hops", [1, 2])
async def test_a_redirect_from_https_down_to_http_is_refused_and_the_server_there_is_not_asked(
    here: Listeners, tmp_path: Path, hops: int
) -> None:
    authority = Authority(tmp_path)
    asked: list[sites.SiteRequest] = []

    async def plain(request: sites.SiteRequest, stream: ServerStream) -> None:
        asked.append(request)
        await stream.send(sites.response(200, b"forged on the way"))

    _, port = sites.serve_site(here, LOOPBACK, plain)
    leads_to = f"http://{LOOPBACK}:{port}/list.csv"
    for _ in range(hops):
        _, port = sites.serve_site(here, LOOPBACK, site_answers.redirect(leads_to), authority.context(LOOPBACK))
        leads_to = f"https://{LOOPBACK}:{port}/list.csv"
    into = tmp_path / "list.csv"
    with pytest.raises(FetchFailed, match=rf"^{leads_to}: {LOOPBACK} redirects to http://{LOOPBACK}, .*not followed$"):
        await at_most(30, fetch(leads_to, into, policy=trusting(authority)))
    assert asked == []
    assert not into.exists()


@pytest.mark.parametrize("first", ["http", "https"])
async def test_a_redirect_to_https_is_followed(here: Listeners, tmp_path: Path, first: str) -> None:
    authority = Authority(tmp_path)
    context = authority.context(LOOPBACK)
    _, port = sites.serve_site(here, LOOPBACK, sites.answers(sites.response(200, b"a;b")), context)
    leads = site_answers.redirect(f"https://{LOOPBACK}:{port}/list.csv")
    _, port = sites.serve_site(here, LOOPBACK, leads, context if first == "https" else None)
    into = tmp_path / "list.csv"
    await at_most(30, fetch(f"{first}://{LOOPBACK}:{port}/list.csv", into, policy=trusting(authority)))
    assert into.read_bytes() == b"a;b"


async def test_a_redirect_to_http_between_two_to_https_is_refused(here: Listeners, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = authority.context(LOOPBACK)
    _, port = sites.serve_site(here, LOOPBACK, sites.answers(sites.response(200, b"a;b")), context)
    _, port = sites.serve_site(here, LOOPBACK, site_answers.redirect(f"https://{LOOPBACK}:{port}/"))
    _, port = sites.serve_site(here, LOOPBACK, site_answers.redirect(f"http://{LOOPBACK}:{port}/"), context)
    with pytest.raises(FetchFailed, match="not followed"):
        await at_most(30, fetch(f"https://{LOOPBACK}:{port}/", tmp_path / "list.csv", policy=trusting(authority)))


@pytest.mark.parametrize(
    "host", ["127.0.0.2", "localhost", "127.2", "0x7f.2", "2130706434", "[::ffff:127.0.0.2]", "[64:ff9b::7f00:2]"]
)
async def test_a_redirect_to_another_private_host_is_refused_in_every_spelling(
    here: Listeners, tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[sites.SiteRequest] = []
    inside_at = "127.0.0.1" if host == "localhost" else "127.0.0.2"

    async def addresses(_: SystemResolver, name: str) -> tuple[str, ...]:
        return (LOOPBACK,) if name == LOOPBACK else (inside_at,)  # as getaddrinfo reads these spellings

    monkeypatch.setattr(SystemResolver, "addresses", addresses)

    async def inside(request: sites.SiteRequest, stream: ServerStream) -> None:
        asked.append(request)
        await stream.send(sites.response(200, b"private"))

    _, port = sites.serve_site(here, inside_at, inside)
    _, port = sites.serve_site(here, LOOPBACK, site_answers.redirect(f"http://{host}:{port}/list.csv"))
    url = f"http://{LOOPBACK}:{port}/list.csv"
    with pytest.raises(FetchFailed, match="private_hosts"):
        await at_most(30, fetch(url, tmp_path / "list.csv"))
    assert asked == []
    await at_most(30, fetch(url, tmp_path / "list.csv", policy=FetchPolicy(gate=Gate(allow_private=True))))
    assert len(asked) == 1


async def test_a_public_name_that_leads_to_a_private_address_is_not_downloaded_from(
    here: Listeners, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []

    async def addresses(_: SystemResolver, host: str) -> tuple[str, ...]:
        looked_up.append(host)
        return ("10.0.0.1", LOOPBACK) if len(looked_up) == 1 else (LOOPBACK,)

    monkeypatch.setattr(SystemResolver, "addresses", addresses)
    _, port = sites.serve_site(here, LOOPBACK, sites.answers(sites.response(200, b"a;b")))
    url, into = f"http://mirror.example.org:{port}/list.csv", tmp_path / "list.csv"
    with pytest.raises(FetchFailed, match=r"mirror\.example\.org leads to a private address"):
        await at_most(30, fetch(url, into))
    allowed = FetchPolicy(gate=Gate(hosts=frozenset({"mirror.example.org"})))
    await at_most(30, fetch(url, into, policy=allowed))
    assert into.read_bytes() == b"a;b"
    assert looked_up == ["mirror.example.org"] * 2  # what was checked is what is connected to


@pytest.mark.parametrize("date", ["Mon, 01 Jan 2000 00:00:00 -99999999999999", "31 Dec 9999 23:59:59 -2359", "x", ""])
@pytest.mark.parametrize("other", ["Mon, 01 Jan 2001 00:00:00 GMT", "Mon, 01 Jan 2001 00:00:00 -99999999999999"])
async def test_an_impossible_date_is_no_validator(
    download: Callable[..., Awaitable[object]], tmp_path: Path, date: str, other: str
) -> None:
    for modified, sent in ((date, other), (other, date)):
        assert strong_validator({"last-modified": modified, "date": sent}) is None
    await at_most(30, download(sites.answers(sites.response(200, b"a;b", Last_Modified=date, Date=other))))
    assert (tmp_path / "list.csv").read_bytes() == b"a;b"


LONG_AGO, NOW = "Mon, 08 May 2017 09:00:00 GMT", "Tue, 09 May 2017 09:00:00 GMT"
WHOLE = bytes(range(256)) * 400


class Halting:
    """A server that sends half of a file and breaks off, and after that whatever it is asked for."""

    def __init__(self, **stamp: str) -> None:
        self.stamp = stamp
        self.content = WHOLE
        self.asked: list[str | None] = []
        self.breaks_off = True
        self.says: dict[str, str] = {}

    async def __call__(self, request: sites.SiteRequest, stream: ServerStream) -> None:
        wanted = request.fields.get("range")
        self.asked.append(wanted)
        if self.breaks_off:
            head = sites.response(200, self.content, **self.stamp)
            await stream.send(head[: len(head) - len(self.content) // 2])
            return
        if wanted is None or request.fields.get("if-range") != self.stamp.get("ETag", self.stamp.get("Last-Modified")):
            await stream.send(sites.response(200, self.content, **self.stamp))
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(self.content):
            await stream.send(sites.response(416, b""))
            return
        place = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        said = {"Content_Range": place} | self.stamp | self.says
        await stream.send(sites.response(206, self.content[start:], **said))


@pytest.fixture
def halting(here: Listeners, tmp_path: Path) -> Callable[..., Callable[..., Awaitable[object]]]:
    def serve(server: Halting) -> Callable[..., Awaitable[object]]:
        _, port = sites.serve_site(here, LOOPBACK, server)

        async def run(**how: object) -> object:
            return await fetch(f"http://{LOOPBACK}:{port}/list.csv", tmp_path / "list.csv", **how)  # type: ignore[arg-type]

        return run

    return serve


Serve = Callable[[Halting], Callable[..., Awaitable[object]]]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("stamp", [{"ETag": '"1"'}, {"Last_Modified": LONG_AGO, "Date": NOW}])
async def test_a_download_goes_on_where_it_was_broken_off(
    halting: Serve, stamp: dict[str, str], tmp_path: Path
) -> None:
    server = Halting(**stamp)
    run = halting(server)
    (tmp_path / "list.csv").write_bytes(b"the old one")
    with pytest.raises(FetchFailed):
        await run()
    assert (tmp_path / "list.csv").read_bytes() == b"the old one"
    server.breaks_off = False
    told: list[tuple[int, int | None]] = []
    server.stamp = {key.replace("_", "-"): value for key, value in stamp.items()}
    got = await run(progress=lambda *said: told.append(said))
    assert (got.status, got.length) == (200, len(WHOLE))  # type: ignore[attr-defined]
    assert (tmp_path / "list.csv").read_bytes() == WHOLE
    assert server.asked == [None, f"bytes={len(WHOLE) // 2}-"]
    assert told[-1] == (len(WHOLE), len(WHOLE))
    assert files(tmp_path) == ["list.csv"]


async def test_a_part_of_another_version_is_never_joined_to_this_one(halting: Serve, tmp_path: Path) -> None:
    server = Halting(ETag='"1"')
    run = halting(server)
    with pytest.raises(FetchFailed):
        await run()
    server.breaks_off, server.stamp, server.content = False, {"ETag": '"2"'}, WHOLE[::-1]
    await run()
    assert (tmp_path / "list.csv").read_bytes() == WHOLE[::-1]


@pytest.mark.parametrize(
    "stamp", [{}, {"ETag": 'W/"1"', "Last_Modified": LONG_AGO, "Date": NOW}, {"Last_Modified": NOW, "Date": NOW}]
)
async def test_without_a_strong_stamp_a_part_is_not_kept(halting: Serve, stamp: dict[str, str], tmp_path: Path) -> None:
    run = halting(Halting(**stamp))
    with pytest.raises(FetchFailed):
        await run()
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "place", ["bytes 0-9/100", "bytes 51201-102399/102400", "nonsense", "bytes 51200-102399/99999999999"]
)
async def test_another_part_than_was_asked_for_is_refused_and_forgotten(
    halting: Serve, place: str, tmp_path: Path
) -> None:
    server = Halting(ETag='"1"')
    run = halting(server)
    with pytest.raises(FetchFailed):
        await run()
    server.breaks_off, server.says = False, {"Content_Range": place}
    with pytest.raises(FetchFailed):
        await run(max_bytes=1 << 20)
    assert files(tmp_path) == []
    server.says = {}
    await run()
    assert (tmp_path / "list.csv").read_bytes() == WHOLE


async def test_a_part_that_is_longer_than_the_file_is_dropped(halting: Serve, tmp_path: Path) -> None:
    server = Halting(ETag='"1"')
    run = halting(server)
    with pytest.raises(FetchFailed):
        await run()
    server.breaks_off, server.content = False, WHOLE[:100]
    with pytest.raises(FetchFailed, match="416"):
        await run()
    await run()
    assert (tmp_path / "list.csv").read_bytes() == WHOLE[:100]


async def test_two_downloads_of_one_file_do_not_write_into_one_another(halting: Serve, tmp_path: Path) -> None:
    server = Halting(ETag='"1"')
    run = halting(server)
    server.breaks_off = False
    with PartialDownload("x", tmp_path / "list.csv"), pytest.raises(FetchFailed, match="another process"):
        await run()
