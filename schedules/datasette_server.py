"""Serves the database read-only to a browser on this machine, by Datasette."""

from __future__ import annotations

import socket
import sqlite3
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from results import datasette_metadata

LOOPBACK = "127.0.0.1"
SETTINGS = {
    "sql_time_limit_ms": 10_000,
    "facet_time_limit_ms": 2_000,
    "max_returned_rows": 5_000,
    "allow_download": False,
    "suggest_facets": False,
}


class NoDatasette(ValueError):
    """The extra `browse` is not installed."""


class NoPort(ValueError):
    """The port is taken or not permitted."""


class Plugin:
    """Hides secrets on each connection that Datasette opens."""

    __name__ = "reachprobe"

    def prepare_connection(self, conn: sqlite3.Connection, datasette: Any) -> None:
        conn.set_authorizer(datasette_metadata.without_secrets)


def serve(database: Path, port: int, tell: Callable[[str], None]) -> None:
    """Serve until Ctrl-C; `tell` gets the address once it is open. Raises NoDatasette or NoPort."""
    try:
        import uvicorn
    except ImportError as error:
        raise NoDatasette("browsing needs an extra: pip install 'reachprobe[browse]'") from error
    listening = _listen(port)
    with listening, TemporaryDirectory(prefix="reachprobe-") as folder:
        address = "{}:{}".format(*listening.getsockname())
        app = _only_for(_datasette(_linked(database, folder), SETTINGS, datasette_metadata.metadata()).app(), address)
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
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((LOOPBACK, port))
    except OSError as error:
        listening.close()
        raise NoPort(f"port {port}: {error.strerror or error}; choose another with --port") from error
    listening.listen(16)
    return listening


def _datasette(database: Path, settings: dict[str, Any], metadata: dict[str, Any]) -> Any:
    try:
        from datasette import hookimpl  # type: ignore[import-untyped]
        from datasette.app import Datasette  # type: ignore[import-untyped]
        from datasette.database import Database  # type: ignore[import-untyped]
        from datasette.plugins import pm  # type: ignore[import-untyped]
    except ImportError as error:
        raise NoDatasette("browsing needs an extra: pip install 'reachprobe[browse]'") from error
    # Otherwise it prints every failed query with its context on stdout; it is imported with the plugins.
    sys.modules["datasette.handle_exception"].rich = None  # type: ignore[attr-defined]
    if not pm.has_plugin(Plugin.__name__):
        hookimpl(Plugin.prepare_connection)
        pm.register(Plugin(), Plugin.__name__)

    class Quiet(Database):  # type: ignore[misc]
        """Does not log failed queries to stderr."""

        async def execute(self, *words: Any, **options: Any) -> Any:
            return await super().execute(*words, **{**options, "log_sql_errors": False})

    made = Datasette(files=[], metadata=metadata, settings=settings)
    made.remove_database("_memory")
    # Mutable, since a round may be running; it is opened read-only all the same.
    made.add_database(Quiet(made, path=str(database), is_mutable=True), name=datasette_metadata.NAME)
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
