"""What the operator's Prometheus asks of a hub: its own numbers, and a target probed in blackbox_exporter's manner."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from results.db.retention import used_bytes
from results.hub.control import Asked
from results.hub.request_body import BadBody
from results.hub.routes import Served
from results.judge.classify import classify
from results.judge.verdict import Context

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from sqlite_utils import Database
    from starlette.requests import Request

    from probe.model import Measurement, Observation
    from results.hub.control import Controls
    from results.hub.membership import Member
    from results.hub.routes import Hub

TEXT = "text/plain; version=0.0.4; charset=utf-8"
MISSING = "prometheus-client is not installed here: pip install 'reachprobe[metrics]'"
PROBE_FRESH_S = 10.0
PHASES = {"dns": "resolve", "tcp": "connect", "tls": "tls", "http": "processing"}
"""What blackbox_exporter calls our steps."""
MEMBERS = """
SELECT m.name, m.revoked_at, (SELECT at FROM received r WHERE r.member = m.id ORDER BY measurement DESC LIMIT 1)
FROM members m ORDER BY m.name
"""
COUNTS = "SELECT (SELECT count(*) FROM received), (SELECT count(*) FROM received WHERE flag IS NOT NULL)"


class Operating:
    """The operator's routes."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    def served(self) -> tuple[Served, ...]:
        return (
            Served("GET", "/metrics", self.metrics, "operator"),
            Served("GET", "/probe", self.probe, "operator"),
        )

    async def metrics(self, hub: Hub, request: Request, member: Member | None) -> Response:
        """The hub's numbers as they are now."""
        found = await hub.reading.ask(lambda db: (db.execute(COUNTS).fetchone(), _members(db), used_bytes(db)))
        return await _shown(lambda: _of_hub(hub, *found))

    async def probe(self, hub: Hub, request: Request, member: Member | None) -> Response:
        """Measure `target` from here, by the same steps and with the same bar on what is private as a control."""
        target = request.query_params.get("target", "")
        if not 0 < len(target) <= 2048:
            raise BadBody("target: give a URL or HOST:PORT", 400)
        measured = await self._controls.measured(Asked(target=target), PROBE_FRESH_S)
        return await _shown(lambda: _of_target(measured))


async def _shown(collect: Any) -> Response:
    """The numbers in Prometheus's text format; 501 without its library."""
    try:
        import prometheus_client
    except ImportError as error:
        raise BadBody(MISSING, 501) from error

    class Once:
        def collect(self) -> Iterable[Metric]:
            found: Iterable[Metric] = collect()
            return found

    def encode() -> bytes:
        registry = prometheus_client.CollectorRegistry()
        registry.register(Once())
        return prometheus_client.generate_latest(registry)

    return Response(await asyncio.to_thread(encode), media_type=TEXT)


def _members(db: Database) -> list[tuple[Any, ...]]:
    return db.execute(MEMBERS).fetchall()


def _of_hub(hub: Hub, counts: tuple[int, int], members: list[tuple[Any, ...]], size: int) -> Iterator[Metric]:
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

    yield InfoMetricFamily("reachprobe_build", "The program.", {"version": version("reachprobe")})
    yield GaugeMetricFamily("reachprobe_hub_measurements", "How many were received and are held.", counts[0])
    yield GaugeMetricFamily("reachprobe_hub_flagged", "How many of them contradict everybody else's.", counts[1])
    yield GaugeMetricFamily("reachprobe_hub_waiting", "Records that wait to be written.", hub.collector.waiting)
    yield GaugeMetricFamily("reachprobe_database_bytes", "What the database holds.", size)
    answers = CounterMetricFamily("reachprobe_hub_answers", "Requests answered, by status.", labels=("status",))
    for status, count in sorted(hub.answered.items()):
        answers.add_metric([str(status)], count)
    yield answers
    at = GaugeMetricFamily(
        "reachprobe_hub_vantage_received_timestamp_seconds", "When a vantage last sent anything.", labels=("vantage",)
    )
    for name, _, last in members:
        if last is not None:
            at.add_metric([name], datetime.fromisoformat(last).astimezone(UTC).timestamp())
    yield at
    let_in = GaugeMetricFamily("reachprobe_hub_members", "Vantages that may send, and that may not.", labels=("may",))
    for word, is_revoked in (("send", False), ("not", True)):
        let_in.add_metric([word], sum((revoked is not None) == is_revoked for _, revoked, _ in members))
    yield let_in


def _of_target(measured: Measurement) -> Iterator[Metric]:
    from prometheus_client.metrics_core import GaugeMetricFamily

    said = classify(measured, (), Context(country=measured.vantage.country))
    main = [one for one in measured.observations if one.role == "main"]
    yield GaugeMetricFamily("probe_success", "Whether it is reachable from here.", said.outcome == "reachable")
    yield GaugeMetricFamily("probe_duration_seconds", "How long the measurement took.", measured.runtime_s)
    yield GaugeMetricFamily("probe_dns_lookup_time_seconds", "How long the name took.", _longest(main, "dns"))
    phases = GaugeMetricFamily(
        "probe_http_duration_seconds", "How long each part took, redirects included.", labels=("phase",)
    )
    for step, phase in PHASES.items():
        phases.add_metric([phase], sum(one.duration_s for one in main if one.step == step and one.failure is None))
    yield phases
    statuses = [one.detail.status for one in main if one.step == "http" and one.detail.status is not None]
    yield GaugeMetricFamily(
        "probe_http_status_code", "Of the last answer, 0 for none.", statuses[-1] if statuses else 0
    )
    yield GaugeMetricFamily(
        "probe_http_redirects", "How many were followed.", max([one.hop for one in main], default=0)
    )
    yield GaugeMetricFamily("probe_http_ssl", "Whether the last handshake was good.", _is_tls(main))
    family = next((one.detail.family for one in main if one.step == "tcp" and one.failure is None), None)
    yield GaugeMetricFamily("probe_ip_protocol", "4 or 6, 0 for none.", {"ipv4": 4, "ipv6": 6}.get(family or "", 0))
    if (ends := _earliest_end(main)) is not None:
        yield GaugeMetricFamily("probe_ssl_earliest_cert_expiry", "When the first certificate ends.", ends)
    outcome = GaugeMetricFamily("reachprobe_probe_outcome", "1 for what is said of it.", labels=("outcome", "method"))
    outcome.add_metric([said.outcome, said.method or ""], 1)
    yield outcome


def _longest(main: list[Observation], step: str) -> float:
    return max([one.duration_s for one in main if one.step == step], default=0.0)


def _is_tls(main: list[Observation]) -> bool:
    last = next((one for one in reversed(main) if one.step == "tls"), None)
    return last is not None and last.failure is None


def _earliest_end(main: list[Observation]) -> float | None:
    from cryptography import x509

    ends = []
    for one in main:
        for der in one.detail.chain if one.step == "tls" else ():
            try:
                ends.append(x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp())
            except ValueError:
                continue
    return min(ends, default=None)
