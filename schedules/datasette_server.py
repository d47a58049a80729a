"""Serves the database read-only to a browser on this machine, by Datasette."""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
import tomllib
import weakref
from collections.abc import Callable
from contextlib import suppress
from gettext import gettext as _
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from probe.temporary_files import system_prefix
from results.db import schema_docs

LOOPBACK = "127.0.0.1"
MAX_VALUE_BYTES, MAX_RESULT_BYTES, MAX_HEAP_BYTES = 8 * 1024 * 1024, 32 * 1024 * 1024, 64 * 1024 * 1024


class NoDatasette(ValueError):
    """The extra `browse` is not installed."""


class NoPort(ValueError):
    """The port is taken or not permitted."""


def too_large() -> str:
    return _("that needs too much memory: select fewer rows or columns")


class BoundedRows:
    """A row factory that ends a result after MAX_RESULT_BYTES."""

    def __init__(self) -> None:
        self._cursor: Callable[[], object] = lambda: None
        self._bytes = 0

    def __call__(self, cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> sqlite3.Row:
        if self._cursor() is not cursor:
            self._cursor, self._bytes = weakref.ref(cursor), 0
        self._bytes += sum(len(value) for value in values if isinstance(value, (str, bytes)))
        if self._bytes > MAX_RESULT_BYTES:
            raise sqlite3.OperationalError(too_large())
        return sqlite3.Row(cursor, values)


class Plugin:
    """Hides secrets and bounds memory on each connection that Datasette opens."""

    __name__ = "reachprobe"

    def prepare_connection(self, conn: sqlite3.Connection, datasette: Any) -> None:
        conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
        conn.execute(f"PRAGMA hard_heap_limit = {MAX_HEAP_BYTES}")  # of the whole process
        conn.execute("PRAGMA temp_store = MEMORY")  # so that the same limit holds for what would fill a disk
        conn.row_factory = BoundedRows()
        conn.set_authorizer(without_secrets)


def serve(database: Path, port: int, tell: Callable[[str], None]) -> None:
    """Serve until Ctrl-C; `tell` gets the address once it is open. Raises NoDatasette or NoPort."""
    try:
        import uvicorn
    except ImportError as error:
        raise NoDatasette(_("browsing needs an extra: pip install 'reachprobe[browse]'")) from error
    listening = _listen(port)
    with listening, TemporaryDirectory(prefix=system_prefix()) as folder:
        address = "{}:{}".format(*listening.getsockname())
        app = _only_for(_datasette(_linked(database, folder)).app(), address)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on", server_header=False))
        tell(f"http://{address}/")
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listening])


def _linked(database: Path, folder: str) -> Path:
    """A link without `?`, `#` and `%` in its path, which Datasette puts into a URI unescaped."""
    link = Path(folder, "results.db")
    link.symlink_to(database.resolve())
    return link


def _listen(port: int) -> socket.socket:
    """A socket on the loopback."""
    try:
        return socket.create_server((LOOPBACK, port), backlog=16)
    except OSError as error:
        says = _("port {port}: {reason}; choose another with --port")
        raise NoPort(says.format(port=port, reason=_(os.strerror(error.errno or 0)))) from error


def _datasette(database: Path) -> Any:
    try:
        from datasette import hookimpl  # type: ignore[import-untyped]
        from datasette.app import Datasette  # type: ignore[import-untyped]
        from datasette.database import Database  # type: ignore[import-untyped]
        from datasette.plugins import pm  # type: ignore[import-untyped]
    except ImportError as error:
        raise NoDatasette(_("browsing needs an extra: pip install 'reachprobe[browse]'")) from error
    # Otherwise it prints every failed query with its context on stdout; it is imported with the plugins.
    sys.modules["datasette.handle_exception"].rich = None  # type: ignore[attr-defined]
    if not pm.has_plugin(Plugin.__name__):
        hookimpl(Plugin.prepare_connection)
        pm.register(Plugin(), Plugin.__name__)

    class Quiet(Database):  # type: ignore[misc]
        """Does not log failed queries to stderr."""

        async def execute(self, *words: Any, **options: Any) -> Any:
            try:
                return await super().execute(*words, **{**options, "log_sql_errors": False})
            except MemoryError as error:
                raise sqlite3.OperationalError(too_large()) from error

    made = Datasette(files=[], metadata=metadata(), settings=shown()["settings"])
    made.remove_database("_memory")
    # Mutable, since a round may be running; it is opened read-only all the same.
    made.add_database(Quiet(made, path=str(database), is_mutable=True), name=NAME)
    return made


def _only_for(app: Any, address: str) -> Any:
    """Refuses other Host headers: DNS rebinding."""
    port = address.rsplit(":", 1)[1]
    names = {address.encode(), f"localhost:{port}".encode()}

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and dict(scope["headers"]).get(b"host") not in names:
            await send({"type": "http.response.start", "status": 421, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"ask for this by the address that was printed\n"})
            return
        await app(scope, receive, send)

    return asked


NAME = "reachprobe"
SECRETS = frozenset({
    ("hubs", "token"), ("tokens", "salt"), ("tokens", "hash"), ("invitations", "salt"), ("invitations", "hash"),
    ("rounds", "network_key"),
})  # fmt: skip
"""Columns that read as NULL: no question needs them, and others may see the browser window."""
FORBIDDEN_TABLES = frozenset({"sqlite_dbpage", "dbstat"})
"""Through which a file can be read page by page."""


def shown() -> dict[str, Any]:
    """The settings, the canned queries, and how each table is shown."""
    return tomllib.loads((files("schedules") / "datasette.toml").read_text("utf-8"))


def metadata() -> dict[str, Any]:
    """What Datasette shows beside the data: titles, canned queries, facets, a line for each column."""
    given = shown()
    tables: dict[str, dict[str, Any]] = given["tables"]
    for name in given["hidden"]:
        tables[name] = {"hidden": True}
    for table in schema_docs.tables():
        columns = {column.name: column.says for column in table.columns}
        tables.setdefault(table.name, {}).update(description=table.says, columns=columns)
    content = {"queries": given["queries"], "tables": tables}
    return {"title": given["title"], "description": given["description"], "databases": {NAME: content}}


def without_secrets(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """An authorizer (SQLite's C interface, sqlite3_set_authorizer): secrets read as NULL, no other file is opened."""
    if action == sqlite3.SQLITE_READ:
        if first in FORBIDDEN_TABLES:
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_IGNORE if (first, second) in SECRETS else sqlite3.SQLITE_OK
    if action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK
