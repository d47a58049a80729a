"""Importing a register: from files, or from where it is published. A version is stored whole or not at all."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from gettext import gettext as _
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from results.registers import names
from results.registers.formats import RegisterFormat, formats
from results.registers.records import ImportReport, RegisterError, TruncatedRegister
from results.registers.source import Progress, RegisterFile, register_files
from results.registers.staging import StagedVersion, VersionInfo, store_version

if TYPE_CHECKING:
    from sqlite_utils import Database

MAX_DOWNLOAD_BYTES = 512 << 20
MAX_SHRINK = 0.2
"""The share of a register's entries that an update may drop: sources have served truncated files."""
NOT_MODIFIED = 304


class ImportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a register version is imported. None: name, country and format as the file or the database says.

    `updated` replaces the time that the file states; without either, `now` is the version's time. A version that lacks
    more than `max_shrink` of the entries of the one before is refused.
    """

    name: str | None = None
    country: str | None = None
    format: str | None = None
    updated: datetime | None = None
    now: datetime | None = None
    max_shrink: float | None = None
    progress: Progress | None = None


class DownloadResult(Protocol):
    """What a download returns: the HTTP status (304: nothing newer) and the validators for the next request."""

    @property
    def status(self) -> int: ...
    @property
    def etag(self) -> str | None: ...
    @property
    def modified(self) -> str | None: ...


Fetch = Callable[..., Awaitable[DownloadResult]]
"""`probe.http.download.fetch`: url, file, validators=, max_bytes=; raises OSError."""


def import_register(db: Database, paths: Sequence[Path | str], options: ImportOptions | None = None) -> ImportReport:
    """Store one version of a register from its files. Raises RegisterError and leaves the database as it was."""
    options = options or ImportOptions()
    if not paths:
        raise RegisterError(_("no file to import"))
    files = register_files([Path(path) for path in paths], options.progress)
    chosen = _format(files[0], options.format)
    name, country = _name_and_country(db, chosen, options)
    info = VersionInfo(
        name=name,
        country=country,
        format=chosen.name,
        files=[file.name for file in files],
        updated=options.updated,
        now=options.now or datetime.now(UTC),
        max_shrink=options.max_shrink,
    )
    staged = StagedVersion(db.conn, _known_id(db.conn, name, country))
    try:
        with _in_transaction(db, "DEFERRED"):  # other writers go on while the rows are read and staged
            staged.load(chosen.read(files))
        with _in_transaction(db, "IMMEDIATE"):
            return store_version(db.conn, _register_id(db.conn, name, country), staged, info)
    finally:
        staged.close()


def _format(first: RegisterFile, wanted: str | None) -> RegisterFormat:
    known = formats()
    if wanted is not None:
        if wanted not in known:
            raise RegisterError(
                _("unknown register format {wanted}; known: {names}").format(
                    wanted=names.quoted(wanted), names=", ".join(sorted(known))
                )
            )
        return known[wanted]
    head = first.head()
    if not head:
        raise TruncatedRegister(_("{name} is empty; download it again").format(name=first.name))
    fitting = [candidate for candidate in known.values() if candidate.recognises(head)]
    if len(fitting) != 1:
        raise RegisterError(
            _("cannot tell the format of {name}; name it with --format: {names}").format(
                name=first.name, names=", ".join(sorted(known))
            )
        )
    return fitting[0]


@contextmanager
def _in_transaction(db: Database, kind: str) -> Iterator[None]:
    """A transaction of this kind; inside another transaction, a savepoint."""
    if db.conn.in_transaction:
        with db.atomic():
            yield
        return
    db.conn.execute(f"BEGIN {kind}")
    try:
        yield
    except BaseException:
        db.conn.rollback()
        raise
    db.conn.commit()


def _name_and_country(db: Database, chosen: RegisterFormat, options: ImportOptions) -> tuple[str, str]:
    """As the options say, else as stored under that name, else as the format says."""
    name, country = options.name or chosen.register, options.country
    if not name:
        raise RegisterError(
            _("several registers use the format {name}: name the register with --as").format(name=chosen.name)
        )
    if country is None:
        stored = db.conn.execute("SELECT country FROM registers WHERE name = ?", (name,)).fetchone()
        country = stored[0] if stored else chosen.country
    if country is None or not re.fullmatch("[A-Za-z]{2}", country):
        raise RegisterError(
            _("register {name} needs a two-letter country: --country RU").format(name=names.quoted(name))
        )
    return name, country.upper()


def _known_id(conn: sqlite3.Connection, name: str, country: str) -> int | None:
    found = conn.execute("SELECT id, country FROM registers WHERE name = ?", (name,)).fetchone()
    if found is None:
        return None
    if found[1] != country:
        raise RegisterError(
            _("register {name} is of {other}, not {country}; import it under another name").format(
                name=names.quoted(name), other=found[1], country=country
            )
        )
    return int(found[0])


def _register_id(conn: sqlite3.Connection, name: str, country: str) -> int:
    if (found := _known_id(conn, name, country)) is not None:
        return found
    cursor = conn.execute("INSERT INTO registers (name, country) VALUES (?, ?)", (name, country))
    return int(cursor.lastrowid or 0)


async def update_register(
    db: Database, sources: Sequence[str], fetch: Fetch, folder: Path, options: ImportOptions, *, force: bool = False
) -> ImportReport | None:
    """Import the newest version from the first of the sources (URLs or files) that works; None: nothing is newer.

    `folder` holds partial downloads. `force` ignores validators and takes a version that shrank by more than
    MAX_SHRINK. Raises RegisterError with the error of each source; the register is then unchanged.
    """
    options = msgspec.structs.replace(options, max_shrink=None if force else MAX_SHRINK)
    errors = []
    for source in sources:
        try:
            if "://" in source:
                return await _import_url(db, source, fetch, folder, options, force=force)
            return import_register(db, [_path(source)], options)
        except (RegisterError, OSError) as error:
            errors.append(str(error))
    why = "; ".join(errors) or _("it has no source")
    raise RegisterError(_("register {name} stays as it was: {why}").format(name=options.name, why=why))


async def _import_url(
    db: Database, url: str, fetch: Fetch, folder: Path, options: ImportOptions, *, force: bool
) -> ImportReport | None:
    validators = (None, None) if force else _validators(db, options.name, url)
    with _download_file(url, folder) as file:
        got = await fetch(url, file, validators=validators, max_bytes=MAX_DOWNLOAD_BYTES)
        if got.status == NOT_MODIFIED:
            return None
        report = import_register(db, [file], options)
    fetched_at = int((options.now or datetime.now(UTC)).timestamp())
    db.execute(
        "INSERT OR REPLACE INTO register_sources VALUES (?, ?, ?, ?, ?)",
        (options.name, url, got.etag, got.modified, fetched_at),
    )
    return report


def _validators(db: Database, name: str | None, url: str) -> tuple[str | None, str | None]:
    """ETag and Last-Modified of the last download; none while no version of the register is stored."""
    query = """SELECT etag, modified FROM register_sources s WHERE s.register = ? AND s.url = ? AND EXISTS (
        SELECT 1 FROM register_versions v JOIN registers r ON r.id = v.register_id WHERE r.name = s.register)"""
    return db.conn.execute(query, (name, url)).fetchone() or (None, None)


@contextmanager
def _download_file(url: str, folder: Path) -> Iterator[Path]:
    """The file that a URL is downloaded to: always the same, in a folder of its own, removed afterwards."""
    own = folder / hashlib.blake2b(url.encode(), digest_size=8).hexdigest()
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    last = url.partition("?")[0].rstrip("/").rpartition("/")[2]
    file = own / (re.sub(r"[^A-Za-z0-9._-]", "_", last).lstrip(".")[-100:] or "register")
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)
        if not any(own.iterdir()):  # a partial download stays
            own.rmdir()


def _path(text: str) -> Path:
    return Path(text).expanduser()
