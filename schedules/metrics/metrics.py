"""Metrics for Prometheus on targets and on the agent, as a text file or over HTTP on the loopback.

prometheus_client is an extra, so it is imported where it is used.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from gettext import gettext as _
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from wsgiref.simple_server import WSGIRequestHandler, make_server

from probe.text import safe, system_reason
from probe.timestamps import epoch
from results.db.notification_queue import waiting_counts
from results.db.read import NewestMeasurement, last_round, newest_measurements
from results.db.retention import used_bytes
from results.db.store import Store
from results.judge.verdict import NetworkState, Outcome
from results.registers.statistics import newest_versions
from schedules.config.checks import loopback_endpoint
from schedules.config.schema import Config
from schedules.plan.due import due_now
from schedules.plan.selection import planned_targets

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import GaugeMetricFamily, Metric


MAX_TARGETS = 1000
"""More series than this would burden a monitoring system."""
MAX_LABEL = 200
REQUEST_TIMEOUT_S = 10
LOOPBACK_NAMES = ("127.0.0.1", "::1", "localhost")
LABELS = ("target", "service", "path")


def missing() -> str:
    """How to install the library."""
    return _("metrics need an extra: pip install 'reachprobe[metrics]'")


def registry(config: Config, store: Store, now: float) -> CollectorRegistry:
    """All metrics as they are now. Raises ImportError without the library."""
    from prometheus_client import CollectorRegistry

    class Snapshot:
        def collect(self) -> Iterable[Metric]:
            return found

    found = [*_of_targets(config, store), *_of_agent(config, store, now)]
    made = CollectorRegistry()
    made.register(Snapshot())
    return made


def write(path: Path, counted: CollectorRegistry) -> str | None:
    """Replace the file atomically; returns a sentence if that fails."""
    from prometheus_client import write_to_textfile

    try:
        write_to_textfile(str(path), counted)
    except OSError as error:
        return _("{path}: cannot write metrics: {reason}").format(path=path, reason=system_reason(error))
    return None


def _of_targets(config: Config, store: Store) -> Iterator[Metric]:
    outcome = _gauge("target_outcome", "1 for the target's latest outcome, 0 for the others.", *LABELS, "outcome")
    method = _gauge("target_method", "1 for how a blocked target is blocked.", *LABELS, "method")
    steps = _gauge("target_step_duration_seconds", "The longest step of its kind that succeeded.", *LABELS, "step")
    whole = _gauge("target_duration_seconds", "How long the measurement took.", *LABELS)
    at = _gauge("target_measured_timestamp_seconds", "When it was measured.", *LABELS)
    status = _gauge("target_http_status_code", "Of the first answer.", *LABELS)
    end = "The end of the certificate presented."
    expires = _gauge("target_certificate_not_after_timestamp_seconds", end, *LABELS)
    every = planned_targets(config, store)
    counted, seen = every[:MAX_TARGETS], set[tuple[str, ...]]()
    for path in dict.fromkeys(one.path for one in counted):
        texts = [one.target.text for one in counted if one.path == path]
        for one in newest_measurements(store.db, texts, config.vantage.name, path):
            labels = [_label(one.target), _label(one.service or ""), _label(path)]
            if tuple(labels) in seen:  # equal once shortened; Prometheus refuses a duplicate series
                continue
            seen.add(tuple(labels))
            for name in get_args(Outcome):
                outcome.add_metric([*labels, name], one.outcome == name)
            if one.outcome == "blocked" and one.method is not None:
                method.add_metric([*labels, _label(one.method)], 1)
            for step, took in one.steps_s.items():
                steps.add_metric([*labels, _label(step)], took)
            whole.add_metric(labels, one.runtime_s)
            at.add_metric(labels, epoch(one.at))
            if one.status is not None:
                status.add_metric(labels, one.status)
            if (not_after := _not_after(one)) is not None:
                expires.add_metric(labels, not_after)
    yield from (outcome, method, steps, whole, at, status, expires)
    yield _gauge("targets_left_out", f"Targets beyond the {MAX_TARGETS} counted here.", value=len(every) - len(counted))


def _of_agent(config: Config, store: Store, now: float) -> Iterator[Metric]:
    from prometheus_client.metrics_core import InfoMetricFamily

    yield InfoMetricFamily("reachprobe_build", "The program.", {"version": version("reachprobe")})
    yield _gauge("counted_timestamp_seconds", "When these numbers were taken.", value=now)
    if (ran := last_round(store.db)) is not None:
        yield _gauge("last_round_timestamp_seconds", "When the last round began.", value=epoch(ran))
        state = _gauge("network_state", "1 for the network's latest state, by the reference sites.", "state")
        last = store.db.execute("SELECT network FROM rounds ORDER BY started_at DESC LIMIT 1").fetchone()[0]
        for name in get_args(NetworkState):
            state.add_metric([name], last == name)
        yield state
    for table in ("rounds", "measurements"):
        count = store.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 the two names above
        yield _gauge(f"stored_{table}", "How many the database holds.", value=count)
    yield _gauge("database_bytes", "What it holds.", value=used_bytes(store.db))
    yield _gauge("targets_due", "Targets that are due now.", value=due_now(config, store, now).count)
    registers = _gauge("register_version_timestamp_seconds", "Which version of a register is in force.", "register")
    for register, version_at in newest_versions(store.db).items():
        registers.add_metric([_label(register)], version_at)
    yield registers
    waiting = _gauge("notices_waiting", "Notifications queued.", "receiver")
    for receiver, count in waiting_counts(store.db).items():
        waiting.add_metric([_label(receiver)], count)
    yield waiting


def _gauge(name: str, text: str, *labels: str, value: float | None = None) -> GaugeMetricFamily:
    from prometheus_client.metrics_core import GaugeMetricFamily

    return GaugeMetricFamily(f"reachprobe_{name}", text, value, labels or None)


def _not_after(one: NewestMeasurement) -> float | None:
    """The end of the certificate (Unix time); None without a readable one."""
    if one.certificate is None:
        return None
    from cryptography import x509

    try:
        return x509.load_der_x509_certificate(one.certificate).not_valid_after_utc.timestamp()
    except Exception:
        # The certificate is a stranger's; cryptography has errors of its own, of a version that there is not for one.
        return None


def _label(text: str) -> str:
    return safe(text, MAX_LABEL)


class MetricsServer:
    """Serves GET /metrics in its own threads until closed. Raises OSError if the port is taken."""

    def __init__(self, address: str, port: int) -> None:
        from prometheus_client.exposition import ThreadingWSGIServer

        self._counted: CollectorRegistry | None = None
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind: Any = type("LoopbackServer", (ThreadingWSGIServer,), {"address_family": family})
        self._server = make_server(address, port, self._answer, kind, _Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    def show(self, counted: CollectorRegistry) -> None:
        """Serve this snapshot from now on."""
        self._counted = counted

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        from prometheus_client import make_wsgi_app

        # DNS rebinding: a web page in a local browser may point its own name here.
        if _host(environ.get("HTTP_HOST", "")) not in LOOPBACK_NAMES:
            return _no("403 Forbidden", start)
        if environ.get("PATH_INFO") != "/metrics":
            return _no("404 Not Found", start)
        if self._counted is None:
            return _no("503 Service Unavailable", start)
        app: Callable[..., Iterable[bytes]] = make_wsgi_app(self._counted)
        return app(environ, start)


class _Quiet(WSGIRequestHandler):
    """Logs nothing, and gives up on slow requests."""

    timeout = REQUEST_TIMEOUT_S

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


def serve(listen: str) -> MetricsServer:
    """A server at `listen`, which the configuration has checked to be on the loopback."""
    place = loopback_endpoint(listen)
    if place is None:
        raise ValueError(listen)
    return MetricsServer(*place)
