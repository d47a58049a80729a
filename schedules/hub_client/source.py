"""A hub as a source of results: what it holds of a period is fetched page by page into a file, as any other is read."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import click
import msgspec

from probe.http.api_client import NotAnswered, Way, server_of
from probe.net.network import rfc3339
from probe.net.path import BadPath, usable
from results.compare.databases import MARGIN_S, open_read_only
from schedules.hub_client import client
from schedules.hub_client.client import HubRefused, Later, Unknown
from schedules.runtime import event_loop

if TYPE_CHECKING:
    from schedules.cli.app import App

PAGE, WHOLE_PAGE = 5000, 500
MAX_PAGE_BYTES = 64 * 1024 * 1024
MAX_BYTES = 16 * 1024**3
"""What is fetched of one hub, and lies on the disk meanwhile."""
TRIES = 5
LONGEST_WAIT_S = 60.0


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds since 1970; None is open."""

    since: float | None = None
    until: float | None = None


Sleep = Callable[[float], Awaitable[None]]
Say = Callable[[str], None]


def files_of(
    app: App, sources: tuple[str, ...], period: Period, token_file: Path | None, folder: Path, *, whole: bool
) -> tuple[str, ...]:
    """Each source, and for each URL the file in `folder` with what was fetched. ClickException says what went wrong."""
    from schedules.render.output import talk

    secret = token_file.read_text("utf-8", "replace").strip() if token_file is not None else None
    found = []
    for number, source in enumerate(sources, 1):
        if "://" not in source:
            found.append(source)
            continue
        try:
            into = folder / str(number) / f"{server_of(source).host}.jsonl"
            into.parent.mkdir()
            say = partial(talk, quiet=app.quiet)
            event_loop.run(_collect(app, source.rstrip("/"), secret, period, into, whole, say))
        except (NotAnswered, HubRefused, BadPath, ValueError, OSError) as error:
            raise click.ClickException(str(error)) from error
        talk(f"{source}: {into.stat().st_size / 1e3:.0f} kB fetched", quiet=app.quiet)
        found.append(str(into))
    return tuple(found)


async def _collect(app: App, url: str, secret: str | None, period: Period, into: Path, whole: bool, say: Say) -> None:
    config = app.config()
    usable(config.path_named(config.hub.path))
    way = client.way_of(config)
    try:
        await collect(url, secret or token_for(app.database, url), way, period, into, whole=whole, say=say)
    except Unknown as error:
        raise HubRefused(
            f"{url}: only who has its password or a token may read there: give --token-file, or enrol with"
            " `reachprobe init --hub`"
        ) from error


async def collect(
    url: str,
    secret: str | None,
    way: Way,
    period: Period,
    into: Path,
    *,
    whole: bool = False,
    sleep: Sleep = asyncio.sleep,
    say: Say = lambda sentence: None,
    most: int = MAX_BYTES,
) -> None:
    """Write a hub's measurements of a period into a file, one a line. A page that does not come is asked for again.

    A day more on both sides is asked for, since whoever reads the file looks at the times itself. Raises HubRefused,
    or NotAnswered.
    """
    asked = {"limit": str(WHOLE_PAGE if whole else PAGE), "record": "yes" if whole else "no"}
    if period.since is not None:
        asked["since"] = _time(period.since - MARGIN_S)
    if period.until is not None:
        asked["until"] = _time(period.until + MARGIN_S)
    after, size, more = 0, 0, True
    with into.open("xb") as out:
        while more:
            lines, then, more = await _page(url, secret, way, {**asked, "after": str(after)}, sleep, say)
            if more and then <= after:
                raise HubRefused(f"{url}: its pages do not come to an end")
            after, size = then, size + len(lines)
            if size > most:
                raise HubRefused(f"{url}: holds more than {most / 1e9:.0f} GB of that; narrow it with --since, --until")
            out.write(lines)


async def _page(
    url: str, secret: str | None, way: Way, asked: dict[str, str], sleep: Sleep, say: Say
) -> tuple[bytes, int, bool]:
    for tried in range(1, TRIES + 1):
        try:
            got = await client.read(url, f"/v1/measurements?{urlencode(asked)}", secret, way, MAX_PAGE_BYTES)
            break
        except NotAnswered as error:
            if tried == TRIES:
                raise
            said = error.wait_s if isinstance(error, Later) else None
            wait = min(LONGEST_WAIT_S, said if said is not None else 2.0 ** (tried - 1))
            say(f"{error}; tried again in {wait:.0f} s")
            await sleep(wait)
    after = got.header("reachprobe-after") or ""
    if not (after.isascii() and after.isdigit() and len(after) < 20):
        raise HubRefused(f"{url}: its answer is no hub's")
    return got.body, int(after), 'rel="next"' in (got.header("link") or "")


def _time(at: float) -> str:
    from datetime import UTC, datetime

    return rfc3339(datetime.fromtimestamp(min(max(at, 0.0), 253402300799.0), UTC))


def token_for(database: Path, url: str) -> str | None:
    """That of this machine's vantage, where it is enrolled there."""
    if not database.exists():
        return None
    try:
        with closing(open_read_only(database)) as connection:
            row = connection.execute("SELECT token FROM hubs WHERE url IN (?, ?)", [url, f"{url}/"]).fetchone()
    except sqlite3.Error:
        return None
    return str(row[0]) if row is not None else None
