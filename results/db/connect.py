"""Opens the database file: creates or migrates it, with a backup; explains SQLite's errors."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from gettext import gettext as _
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from probe.text import printable

if TYPE_CHECKING:
    from sqlite_utils import Database

BUSY_TIMEOUT_S = 60
WAL_AGAIN_S = 0.01
FULL_BYTES = 65536
SPARE_BYTES = 16 * 1024 * 1024
"""What must be free on the disk besides the copy, before a migration."""
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError, msgspec.DecodeError, zlib.error)
"""What reading a damaged file raises; UnicodeDecodeError by SQLite's own message about a schema that is not UTF-8."""
READ_ERRORS = (*UNREADABLE, ValueError, TypeError, LookupError, ArithmeticError)
"""What code that reads its rows may raise besides."""
MAX_VALUE_BYTES = 16 * 1024 * 1024
STEPS_PER_CHECK = 1_000_000
MIN_STEPS, STEPS_PER_BYTE = 2_000_000_000, 500
"""How many steps SQLite may take with a stranger's database: some minutes, and more for a large one."""
BACKUP, UNFINISHED = ".backup", ".part"
BACKUP_KEPT_DAYS = 30


class StoreError(ValueError):
    """A database that cannot be used, or does not hold what was asked for; the message says what would do."""


class BadDatabase(ValueError):
    """Another's database that cannot be read; the message names it."""


def connect(path: Path) -> Database:
    """The database at `path`, made or brought up to date. StoreError for one that is newer, or cannot be."""
    from results.db.migrations import Database, migrations, missing_columns

    _for_its_owner_alone(path)
    connection = opened(path)
    try:
        _into_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        db = Database(connection)
        with closing(Database(memory=True)) as empty:
            known = [migration.name for migration in migrations.pending(empty)]
        applied = _applied(db)
        newer = [name for name in applied if name not in known]
        if newer:
            says = _("{path}: made by a newer version ({version}); upgrade reachprobe, or choose another with --db")
            raise StoreError(says.format(path=path, version=newer[-1]))
        if len(applied) < len(known) or missing_columns(db):
            with _alone(path):
                applied = _applied(db)
                if applied and len(applied) < len(known):
                    _back_up(connection, path, applied[-1])
                _bring_up_to_date(db, path)
    except BaseException:
        connection.close()
        raise
    return db


def opened(path: Path) -> sqlite3.Connection:
    """A connection to exactly that file: SQLite reads only names that begin with `file:` or `:` in another way."""
    return sqlite3.connect(path.absolute(), timeout=BUSY_TIMEOUT_S)


def open_read_only(path: Path) -> sqlite3.Connection:
    """A read-only connection; immutable where the folder cannot be written and no WAL is left."""
    address = f"file:{quote(str(path.resolve()))}?mode=ro"
    connection = _read_only(address, path.stat().st_size)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if path.with_name(f"{path.name}-wal").exists():
            raise
        connection = _read_only(f"{address}&immutable=1", path.stat().st_size)
    return connection


def _read_only(address: str, size: int) -> sqlite3.Connection:
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    left = iter(range(max(MIN_STEPS, STEPS_PER_BYTE * size) // STEPS_PER_CHECK))
    connection.set_progress_handler(lambda: next(left, None) is None, STEPS_PER_CHECK)
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    return connection


def plain_columns(connection: sqlite3.Connection, path: Path, table: str) -> tuple[str, ...]:
    """The columns of a table of ours. Raises BadDatabase for a view, a virtual table or columns that are computed:
    those of a stranger's database would be a program of the stranger's."""
    found = connection.execute("SELECT type, sql FROM sqlite_master WHERE name = ?", [table]).fetchone()
    if found is None or found[0] != "table" or not str(found[1]).upper().startswith("CREATE TABLE"):
        raise BadDatabase(_("{path}: not a reachprobe database: no table {table}").format(path=path, table=table))
    columns = connection.execute(f"PRAGMA table_xinfo({table})").fetchall()
    if any(hidden for *_, hidden in columns):
        says = _("{path}: not a reachprobe database: {table} has computed columns")
        raise BadDatabase(says.format(path=path, table=table))
    return tuple(str(column[1]) for column in columns)


def empty_at(path: Path, applied: Sequence[str], named: Path) -> sqlite3.Connection:
    """A new database at `path` with the schema of those migrations. StoreError about `named` for ones not of ours."""
    from results.db.migrations import Database, add_columns, migrations

    _for_its_owner_alone(path)
    connection = opened(path)
    db = Database(connection)
    known = [migration.name for migration in migrations.pending(db)]
    if not applied or list(applied) != known[: len(applied)]:
        newer = next((name for name in applied if name not in known), "an unknown order")
        connection.close()
        says = _("{path}: made by a newer version ({version}); upgrade reachprobe, or leave this database out")
        raise StoreError(says.format(path=named, version=newer))
    migrations.apply(db, stop_before=known[len(applied)] if len(applied) < len(known) else None)
    add_columns(db)
    connection.execute("PRAGMA foreign_keys = OFF")
    return connection


def _into_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL; retried, since SQLite does not wait here while another process opens the same new database."""
    until = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(WAL_AGAIN_S)


def backups(path: Path) -> list[Path]:
    """The copies made before migrations, oldest first."""
    return sorted(path.parent.glob(f"{path.name}.m*{BACKUP}"), key=lambda copy: copy.stat().st_mtime)


def drop_old_backups(path: Path, now: float) -> list[Path]:
    """Delete the copies older than BACKUP_KEPT_DAYS at `now` (Unix time); returns them."""
    old = [copy for copy in backups(path) if now - copy.stat().st_mtime > BACKUP_KEPT_DAYS * 86400]
    for copy in old:
        copy.unlink(missing_ok=True)
    return old


def _applied(db: Database) -> list[str]:
    from results.db.migrations import migrations

    return [migration.name for migration in migrations.applied(db)]


def _bring_up_to_date(db: Database, path: Path) -> None:
    """All migrations in one transaction. StoreError says that the database is unchanged."""
    from results.db.migrations import add_columns, migrations

    db.conn.execute("BEGIN IMMEDIATE")
    try:
        migrations.apply(db)
        add_columns(db)
        for view in db.view_names():
            db.execute(f"SELECT * FROM {view} LIMIT 0")  # noqa: S608 fails where a column that it needs is missing
        db.conn.commit()
    except BaseException as error:
        db.conn.rollback()
        if not isinstance(error, Exception) or _way_out(error, path):
            raise
        says = _(
            "{path}: could not be upgraded to this version ({error}); it is unchanged and works with the version that "
            "made it; please report this, or choose another with --db"
        )
        raise StoreError(says.format(path=path, error=f"{type(error).__name__}: {error}")) from error


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time migrates. The folder is locked, since closing the file would drop SQLite's own locks."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _back_up(connection: sqlite3.Connection, path: Path, version: str) -> None:
    """Copy the database before it is changed; the copy gets its final name when it is whole."""
    pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    whole = path.with_name(f"{path.name}.{version}{BACKUP}")
    unfinished = whole.with_name(f"{whole.name}{UNFINISHED}")
    unfinished.unlink(missing_ok=True)
    needed = pages * size + SPARE_BYTES
    if shutil.disk_usage(path.parent).free < needed:
        says = _(
            "{path}: made by an older version; the backup before the upgrade needs {size} MB of free disk space; free "
            "some space; nothing was changed"
        )
        raise StoreError(says.format(path=path, size=f"{needed / 1e6:.0f}"))
    try:
        _for_its_owner_alone(unfinished)
        with closing(opened(unfinished)) as copy:
            connection.backup(copy)
        shutil.copymode(path, unfinished)
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())
        unfinished.replace(whole)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _for_its_owner_alone(path: Path) -> None:
    """Create a file that only its owner can read; an existing file keeps its mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError:
        return  # it is there already, or cannot be made, and SQLite says why


def damage(path: Path, error: Exception) -> str | None:
    """What to say where reading the database at `path` ended in `error`; None where the file is not the cause."""
    if not isinstance(error, READ_ERRORS) or not path.is_file():
        return None
    try:
        with closing(opened(path)) as connection:
            found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            if not _has_our_columns(connection):
                found = "another schema"
    except (sqlite3.Error, UnicodeDecodeError):
        found = "damaged"
    if found != "ok":
        return f"{path}: {_ways_out()[sqlite3.SQLITE_CORRUPT]} ({type(error).__name__})"
    if not isinstance(error, UNREADABLE) and not _arose_while_reading(error):
        return None
    what = printable(f"{type(error).__name__}: {error}", 200)
    says = _("{path}: cannot be read ({error}); restore a backup, or report it if `reachprobe doctor` finds no damage")
    return says.format(path=path, error=what)


def _arose_while_reading(error: Exception) -> bool:
    frames = extract_tb(error.__traceback__)
    return bool(frames) and Path(frames[-1].filename).parent == Path(__file__).parent


def _has_our_columns(connection: sqlite3.Connection) -> bool:
    """Whether every table has at least the columns of today's schema."""
    from results.db.migrations import Database, add_columns, migrations

    with closing(Database(memory=True)) as fresh:
        migrations.apply(fresh)
        add_columns(fresh)
        return all(
            {row[1] for row in fresh.execute(f"PRAGMA table_info({name})")}
            <= {row[1] for row in connection.execute(f"PRAGMA table_info({name})")}
            for name in fresh.table_names()
        )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns SQLite's errors about the file into a StoreError with the way out."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        why = _way_out(error, path)
        if why is None:
            raise
        raise StoreError(f"{path}: {why}") from error


def _way_out(error: Exception, path: Path) -> str | None:
    """What to do about an SQLite error; None if the file is not the cause."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code == sqlite3.SQLITE_IOERR and shutil.disk_usage(path.parent).free < FULL_BYTES:
        code = sqlite3.SQLITE_FULL  # SQLite says so only of the database itself, not of the files beside it
    return _ways_out().get(code)


def _ways_out() -> dict[int, str]:
    """What to do by SQLite's error code."""
    return {
        sqlite3.SQLITE_CANTOPEN: _("cannot be opened: no permission or no such folder; choose another with --db"),
        sqlite3.SQLITE_READONLY: _("cannot be written: no permission; choose another with --db"),
        sqlite3.SQLITE_PERM: _("no permission; choose another with --db"),
        sqlite3.SQLITE_NOTADB: _("not a reachprobe database; choose another with --db"),
        sqlite3.SQLITE_CORRUPT: _("damaged; restore a backup, or move it away and start a new one"),
        sqlite3.SQLITE_BUSY: _("locked by another program; try again later"),
        sqlite3.SQLITE_FULL: _("the disk is full; free some space; no stored data was lost"),
        sqlite3.SQLITE_IOERR: _("the disk failed to read or write"),
    }
