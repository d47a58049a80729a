"""The next version from where it is published, over a real HTTP server on loopback."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import sqlite_utils

from probe.http.download import fetch
from results.registers.importing import ImportOptions, update_register
from results.registers.records import ImportReport, RegisterError

NOW = datetime(2017, 5, 9, 12, tzinfo=UTC)
Update = Callable[..., "object"]


def dump(count: int, updated: str = "2017-05-08 09:00:00") -> bytes:
    rows = "".join(f"1.2.3.4;a{n}.com;;суд;1;2016-01-01\n" for n in range(count))
    return f"Updated: {updated} +0000\n{rows}".encode("cp1251")


class Mirror:
    """A server with one file; it counts what it was asked and remembers the last conditions."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/z-i/dump.csv.gz"
        self.content: bytes | None = None
        self.etag = '"1"'
        self.asked: list[str | None] = []
        self.ranges: list[str | None] = []
        self.breaks_off = False


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there.asked.append(self.headers.get("If-None-Match"))
            if there.content is None:
                self.send_error(503)
                return
            there.ranges.append(self.headers.get("Range"))
            same = self.headers.get("If-None-Match") == there.etag
            self.send_response(304 if same else 200)
            self.send_header("ETag", there.etag)
            self.send_header("Content-Length", "0" if same else str(len(there.content)))
            self.end_headers()
            if not same:
                self.wfile.write(there.content[: len(there.content) // 2] if there.breaks_off else there.content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there = Mirror(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield there
    server.shutdown()
    thread.join()
    server.server_close()


OPTIONS = ImportOptions(name="rkn", country="RU", now=NOW)


@pytest.fixture
def update(db: sqlite_utils.Database, tmp_path: Path) -> Callable[..., object]:
    async def run(*source: str, force: bool = False) -> ImportReport | None:
        return await update_register(db, source, fetch, tmp_path, OPTIONS, force=force)

    return run


def left(folder: Path) -> set[str]:
    """The files that are left in the folder and below."""
    return {path.name for path in folder.rglob("*") if path.is_file()}


def versions(db: sqlite_utils.Database) -> list[int]:
    return [row[0] for row in db.execute("SELECT entries FROM register_versions ORDER BY at")]


async def test_a_second_update_asks_with_the_etag_and_gets_nothing(
    mirror: Mirror, update: Update, db: sqlite_utils.Database
):
    mirror.content = gzip.compress(dump(10))
    assert (await update(mirror.url)).entries == 10
    assert await update(mirror.url) is None
    assert mirror.asked == [None, '"1"']
    assert versions(db) == [10]


async def test_a_newer_version_is_fetched_and_the_older_kept(mirror: Mirror, update: Update, db: sqlite_utils.Database):
    mirror.content = gzip.compress(dump(10))
    await update(mirror.url)
    mirror.content, mirror.etag = gzip.compress(dump(11, "2017-05-09 09:00:00")), '"2"'
    assert (await update(mirror.url)).added == 1
    assert versions(db) == [10, 11]


async def test_a_version_that_shrank_by_more_than_a_fifth_is_refused_without_force(
    mirror: Mirror, update: Update, db: sqlite_utils.Database
):
    mirror.content = gzip.compress(dump(10))
    await update(mirror.url)
    mirror.content, mirror.etag = gzip.compress(dump(7, "2017-05-09 09:00:00")), '"2"'
    with pytest.raises(RegisterError, match=r"7 entries, but 10 in the previous version.*--force"):
        await update(mirror.url)
    assert versions(db) == [10]
    assert (await update(mirror.url, force=True)).entries == 7
    assert versions(db) == [10, 7]


async def test_a_truncated_download_leaves_the_register_and_is_fetched_again(
    mirror: Mirror, update: Update, db: sqlite_utils.Database
):
    mirror.content = gzip.compress(dump(10))[:-10]
    with pytest.raises(RegisterError, match=r"stays as it was: .*truncated"):
        await update(mirror.url)
    assert versions(db) == []
    mirror.content = gzip.compress(dump(10))
    assert (await update(mirror.url)).entries == 10
    assert mirror.asked == [None, None]


async def test_mirrors_are_tried_in_their_order_and_a_file_is_one(
    mirror: Mirror, update: Update, tmp_path: Path, db: sqlite_utils.Database
):
    file = tmp_path / "dump.csv"
    file.write_bytes(dump(3))
    assert (await update(mirror.url, str(file))).entries == 3
    assert mirror.asked == [None]
    with pytest.raises(RegisterError, match=r"503.*cannot read"):
        await update(mirror.url, str(tmp_path / "none"))
    with pytest.raises(RegisterError, match="no source"):
        await update()
    assert [entry.name for entry in os.scandir(tmp_path)] == ["dump.csv"]


async def test_a_download_that_broke_off_is_kept_for_the_next_time_and_harms_nothing(
    mirror: Mirror, update: Update, tmp_path: Path, db: sqlite_utils.Database
):
    mirror.content = gzip.compress(dump(10))
    await update(mirror.url)
    mirror.content, mirror.etag, mirror.breaks_off = gzip.compress(dump(12, "2017-05-09 09:00:00")), '"2"', True
    with pytest.raises(RegisterError, match="stays as it was"):
        await update(mirror.url)
    assert versions(db) == [10]
    assert left(tmp_path) == {"dump.csv.gz.part", "dump.csv.gz.part.json"}
    mirror.breaks_off = False
    assert (await update(mirror.url)).added == 2
    assert mirror.ranges == [None, None, f"bytes={len(mirror.content) // 2}-"]
    assert left(tmp_path) == set()


@pytest.mark.parametrize("path", ["..", ".", "", "a/../..", "%2e%2e", "x" * 300, "dump.csv.gz?.."])
async def test_no_url_leads_out_of_the_folder(mirror: Mirror, update: Update, tmp_path: Path, path: str):
    mirror.content = dump(3)
    assert (await update(mirror.url.rpartition("/")[0] + "/" + path)).entries == 3
    assert left(tmp_path) == set()
