"""GET /metrics on this machine's loopback, for the agent: the numbers as they were taken last."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from schedules.config.checks import listening

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from prometheus_client import CollectorRegistry

READ_S = 10
NAMES = ("127.0.0.1", "::1", "localhost")


class MetricsServer:
    """Serves in threads of its own until closed. OSError where the port is taken."""

    def __init__(self, address: str, port: int) -> None:
        from prometheus_client.exposition import ThreadingWSGIServer

        self._counted: CollectorRegistry | None = None
        kind: Any = type("LoopbackServer", (ThreadingWSGIServer,), {"address_family": _family(address)})
        self._server = make_server(address, port, self._answer, kind, _Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    def show(self, counted: CollectorRegistry) -> None:
        """From now on these numbers are given."""
        self._counted = counted

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        from prometheus_client import make_wsgi_app

        # A web page that a browser on this machine shows may have its own name led here; it is told nothing.
        if _host(environ.get("HTTP_HOST", "")) not in NAMES:
            return _no("403 Forbidden", start)
        if environ.get("PATH_INFO") != "/metrics":
            return _no("404 Not Found", start)
        if self._counted is None:
            return _no("503 Service Unavailable", start)
        app: Callable[..., Iterable[bytes]] = make_wsgi_app(self._counted)
        return app(environ, start)


class _Quiet(WSGIRequestHandler):
    """Logs nothing, and waits for no request for ever."""

    timeout = READ_S

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _no(status: str, start: StartResponse) -> Iterable[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{status}\n".encode()]


def _host(header: str) -> str:
    """The host of a Host header, without port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]


def _family(address: str) -> int:
    import socket

    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve(listen: str) -> MetricsServer:
    """A server at `listen`, which the configuration has found to be on the loopback."""
    place = listening(listen)
    if place is None:
        raise ValueError(listen)
    return MetricsServer(*place)
