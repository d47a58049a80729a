"""Target lists: files, copies of published lists next to the database, and samples drawn from registers.

A published list that cannot be fetched is reported and its old copy stays in use.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Awaitable, Callable, Collection, Iterator
from datetime import UTC, datetime
from gettext import gettext as _
from gettext import ngettext
from pathlib import Path

from probe.failure import internal_error
from probe.http.download import FetchFailed
from probe.model import Target
from probe.target import BadTarget, parse
from probe.text import system_reason
from results.db.store import Store
from results.registers.records import RegisterError
from results.registers.sampling import SampleRequest, stored_sample
from results.registers.statistics import newest_versions
from schedules.config.schema import CampaignTable, Config
from schedules.plan.model import BadChoice

FOLDER = "lists"
MAX_BYTES = 32 * 1024 * 1024
MAX_LIST_LINES = 1_000_000
FRESH_S, RETRY_S = 86400, 3600


def is_published(list_: str) -> bool:
    return list_.startswith("https://")


def copy_of(url: str, database: Path) -> Path:
    """The file for the copy of a published list, which need not exist yet."""
    return database.parent / FOLDER / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.csv"


async def refresh(config: Config, database: Path, now: float, fetch: Callable[..., Awaitable[object]]) -> list[str]:
    """Fetch each published list of the campaigns whose copy is a day old; a sentence for each that failed.

    `fetch` downloads as `probe.http.download.fetch` does.
    """
    failures = []
    for url in dict.fromkeys(campaign.list for campaign in config.campaign if campaign.list is not None):
        copy = copy_of(url, database)
        failed = copy.with_suffix(".failed")
        if not is_published(url) or _younger(copy, FRESH_S, now) or _younger(failed, RETRY_S, now):
            continue
        try:
            copy.parent.mkdir(mode=0o700, exist_ok=True)
            await fetch(url, copy, max_bytes=MAX_BYTES)
            failed.unlink(missing_ok=True)
        except Exception as error:
            failed.touch()
            why = str(error) if isinstance(error, FetchFailed) else internal_error(error, url)
            old, none = _("{error}; using the previous copy"), _("{error}; the campaign waits for it")
            failures.append((old if copy.exists() else none).format(error=why))
    return failures


def _younger(path: Path, seconds: float, now: float) -> bool:
    """Whether a file is younger than this; one from the future is not, since a clock was wrong."""
    return path.exists() and 0 <= now - path.stat().st_mtime < seconds


def targets_of_list(list_: str, config: Config, database: Path | None) -> list[tuple[Target, str]]:
    """The targets of a file or of the copy of a published list, each with its category; none without a copy."""
    private = config.network.allow_private
    if not is_published(list_):
        return read_list(Path(list_), allow_private=private)
    copy = copy_of(list_, database) if database is not None else None
    return read_list(copy, allow_private=private, lenient=True) if copy is not None and copy.exists() else []


def read_list(path: Path, *, allow_private: bool = False, lenient: bool = False) -> list[tuple[Target, str]]:
    """One target per line, or a CSV with a column `url` and optionally `category_code` ("" if it has none).

    Empty lines and those beginning with # are skipped. A line that cannot be parsed raises BadChoice; if `lenient` it
    is skipped, and the list ends where it is not a CSV or is too long.
    """
    found: list[tuple[Target, str]] = []
    try:
        with path.open(encoding="utf-8", errors="replace" if lenient else "strict", newline="") as lines:
            rows = csv.reader(lines)
            url_column, code_column = 0, -1
            for number, row in enumerate(rows, 1):
                if number > MAX_LIST_LINES:
                    if lenient:
                        break
                    says = ngettext("{path}: more than {count} line", "{path}: more than {count} lines", MAX_LIST_LINES)
                    raise BadChoice(says.format(path=path, count=MAX_LIST_LINES))
                if number == 1 and "url" in row:
                    url_column = row.index("url")
                    code_column = row.index("category_code") if "category_code" in row else -1
                elif len(row) > url_column and (text := row[url_column].strip()) and not text.startswith("#"):
                    code = row[code_column].strip().upper() if -1 < code_column < len(row) else ""
                    try:
                        found.append((parse(text, allow_private=allow_private), code))
                    except BadTarget:
                        if not lenient:
                            raise
    except OSError as error:
        says = _("{path}: cannot be read: {reason}")
        raise BadChoice(says.format(path=path, reason=system_reason(error))) from error
    except (BadTarget, csv.Error, UnicodeDecodeError) as error:
        if lenient:
            return found
        raise BadChoice(f"{path}:{rows.line_num}: {error}") from error
    return found


def sampled(campaign: CampaignTable, store: Store, leave_out: Collection[str] = ()) -> Iterator[Target]:
    """The endpoints (never pages) that a campaign draws from its register today; none if no version is stored.

    `leave_out` names authorities and articles whose hosts are not drawn.
    """
    if campaign.register is None or campaign.sample is None:
        return
    try:
        request = SampleRequest(size=campaign.sample, seed=campaign.seed, include=campaign.include, leave_out=leave_out)
        found = stored_sample(store.db, campaign.register, request, datetime.now(UTC))
    except RegisterError:
        return
    for text in found.targets:
        try:
            target = parse(text)
        except BadTarget:
            continue  # registers list names that no client can request
        if target.scheme == "tls" and target.request_path is None:
            yield target


def waiting(config: Config, store: Store | None) -> list[str]:
    """A sentence for each campaign whose register is not stored yet."""
    known = newest_versions(store.db) if store is not None else ()
    says = _("campaign {name} waits: register {register} is not imported; use `reachprobe register update`")
    return [
        says.format(name=campaign.name, register=campaign.register)
        for campaign in config.campaign
        if campaign.register is not None and campaign.register not in known
    ]
