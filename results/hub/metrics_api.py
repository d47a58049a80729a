"""The hub's own metrics in Prometheus's text format."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from probe.timestamps import epoch
from results.db.retention import used_bytes
from results.hub.request_body import BadRequest
from results.sql import statements

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from sqlite_utils import Database
    from starlette.requests import Request

    from results.hub.credentials import Member
    from results.hub.routes import HubApp

SQL = statements(__file__)

TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
MISSING = "prometheus-client is not installed here: pip install 'reachprobe[metrics]'"


async def metrics(hub: HubApp, request: Request, member: Member | None) -> Response:
    """GET /metrics; 501 without prometheus-client."""
    try:
        import prometheus_client
    except ImportError as error:
        raise BadRequest(MISSING, 501) from error

    class HubCollector:
        def collect(self) -> Iterable[Metric]:
            return _families(hub, *found)

    def find(db: Database) -> tuple[Any, ...]:
        return db.execute(SQL["COUNTS"]).fetchone(), db.execute(SQL["MEMBERS"]).fetchall(), used_bytes(db)

    found = await hub.read_pool.run(find)
    text = await asyncio.to_thread(prometheus_client.generate_latest, HubCollector())
    return Response(text, media_type=TEXT_FORMAT)


def _families(hub: HubApp, counts: tuple[int, int], members: list[tuple[Any, ...]], size: int) -> Iterator[Metric]:
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

    yield InfoMetricFamily("reachprobe_build", "The program.", {"version": version("reachprobe")})
    yield GaugeMetricFamily("reachprobe_hub_measurements", "How many were received and are held.", counts[0])
    yield GaugeMetricFamily("reachprobe_hub_flagged", "How many of them contradict everybody else's.", counts[1])
    yield GaugeMetricFamily("reachprobe_hub_waiting", "Records that wait to be written.", hub.collector.waiting)
    yield GaugeMetricFamily("reachprobe_database_bytes", "What the database holds.", size)
    answers = CounterMetricFamily("reachprobe_hub_answers", "Requests answered, by status.", labels=("status",))
    for status, count in sorted(hub.response_counts.items()):
        answers.add_metric([str(status)], count)
    yield answers
    at = GaugeMetricFamily(
        "reachprobe_hub_vantage_received_timestamp_seconds", "When a vantage last sent anything.", labels=("vantage",)
    )
    for name, _, last in members:
        if last is not None:
            at.add_metric([name], epoch(last))
    yield at
    may_send = GaugeMetricFamily("reachprobe_hub_members", "Vantages that may send, and that may not.", labels=("may",))
    for word, is_revoked in (("send", False), ("not", True)):
        may_send.add_metric([word], sum((revoked is not None) == is_revoked for _, revoked, _ in members))
    yield may_send
