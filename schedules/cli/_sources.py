"""The sources of `compare` and `report`: their period, and a summary of what was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from gettext import gettext as _
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time
from typing import TYPE_CHECKING, Any

import click
import msgspec

from probe.temporary_files import system_prefix
from probe.text import safe
from schedules.cli._app import App, reported
from schedules.cli._times import Duration, period_options
from schedules.render.output import talk

if TYPE_CHECKING:
    from results.compare import MeasurementIndex
    from schedules.hub_client.download import DownloadRequest


class SourceOptions(msgspec.Struct, frozen=True):
    """Which part of the sources is read and compared (times in seconds since 1970), and the secret of a hub."""

    within_s: float
    since: float | None
    until: float | None
    token_file: Path | None


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--within, --since, --until and --token-file, which the command gets as one argument `options`."""

    @wraps(command)
    def with_options(within: float, token_file: Path | None, **others: Any) -> Any:
        since, until = (moment.timestamp() if moment else None for moment in (others.pop("since"), others.pop("until")))
        return command(options=SourceOptions(within, since, until, token_file), **others)

    with_options = click.option(
        "--token-file",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="File with a hub's password or token. Not needed where this vantage point is enrolled.",
    )(with_options)
    within = "Ignore results more than this much older than the newest (24h, 7d)."
    return click.option("--within", type=Duration(), default="24h", help=within)(period_options(with_options))


@contextmanager
def at_hand(
    app: App, sources: tuple[str, ...], options: SourceOptions, *, whole: bool = False
) -> Iterator[tuple[str, ...]]:
    """The sources as files and folders: a hub's data is downloaded first and deleted afterwards.

    `whole` fetches the records with their steps, which a report needs.
    """
    if not any("://" in source for source in sources):
        yield sources
        return

    from schedules.hub_client.download import DownloadRequest

    request = DownloadRequest(since=options.since, until=options.until, whole=whole)
    secret = options.token_file.read_text("utf-8", "replace").strip() if options.token_file is not None else None
    with TemporaryDirectory(prefix=system_prefix()) as folder:
        yield tuple(
            str(_downloaded(app, source, secret, request, Path(folder, str(number)))) if "://" in source else source
            for number, source in enumerate(sources, 1)
        )


def _downloaded(app: App, source: str, secret: str | None, request: DownloadRequest, folder: Path) -> Path:
    """The file with a hub's measurements. ClickException says what went wrong."""
    from probe.http.api_client import NotAnswered, server_of
    from probe.net.path import BadPath
    from schedules.hub_client.client import HubClient, HubRefused, NotEnrolled, token_for, usable_way
    from schedules.hub_client.download import MeasurementDownload
    from schedules.runtime import process

    say = partial(talk, quiet=app.quiet)
    try:
        into = folder / f"{server_of(source).host}.jsonl"
        folder.mkdir()
        url = source.rstrip("/")
        hub = HubClient(url, usable_way(app.config()), secret or token_for(app.database, url))
        process.run_async(MeasurementDownload(hub, say).write(request, into))
    except NotEnrolled as error:
        sentence = _(
            "{url}: reading this hub needs its password or a token: give --token-file, or enrol"
            " with `reachprobe init --hub`"
        )
        raise click.ClickException(sentence.format(url=source.rstrip("/"))) from error
    except (NotAnswered, HubRefused, BadPath, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    say(_("{url}: downloaded {size} kB").format(url=source, size=round(into.stat().st_size / 1e3)))
    return into


@contextmanager
def gathered_from(sources: tuple[str, ...], options: SourceOptions) -> Iterator[MeasurementIndex]:
    """The sources' measurements of a period. ClickException for a source that cannot be read."""

    from results.compare import SourceError, gather

    with (
        reported(SourceError),
        gather(sources, since=options.since, until=options.until, now=time() + 86400) as gathered,
    ):
        yield gathered


def tell_what_was_read(app: App, gathered: MeasurementIndex) -> None:
    """Report what was read, what was skipped, and why."""
    from schedules.render.text import how_many

    counts = gathered.counts
    for one in counts.skipped_examples:
        where = f"{one.path.name}:{one.line}" if one.line else str(one.path)
        talk(safe(_("{where}: {why} (skipped)").format(where=where, why=one.why)), quiet=app.quiet)
    notes = (
        (_("duplicates counted once: {count}"), counts.duplicates),
        (_("outside the period: {count}"), counts.outside),
        (_("dated in the future, ignored: {count}"), counts.future),
        (_("skipped: {count}"), counts.skipped),
    )
    said = [how_many(counts.read - counts.duplicates, "measurement")]
    talk("; ".join([*said, *(note.format(count=count) for note, count in notes if count)]), quiet=app.quiet)
