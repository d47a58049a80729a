"""What Prometheus reads, read back by Prometheus's own parser."""

from __future__ import annotations

import http.client
import re
import socket
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from probe.model import Target
from results.db import notification_queue
from results.db.notification_queue import Notice
from results.db.store import Store
from results.judge.judged import RoundRecord
from results.registers.importing import ImportOptions, import_register
from schedules.config.schema import CampaignTable, Config, VantageTable
from schedules.metrics import metrics
from schedules.metrics.metrics import MetricsServer
from tests.results.records import finished, measurement, observation, target, verdict

NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)
TARGET = "https://www.wechat.com/"
NUMBERS = count()
ORDER = ("target", "service", "path", "outcome", "method", "step", "state", "register", "receiver", "version")
CONFIG = Config(
    vantage=VantageTable(name="home-fibre", country="RU", asn=12389),
    campaign=(CampaignTable(name="all", targets=(TARGET,), every="1h"),),
)


def measured(store: Store, outcome: str, hours_ago: float = 1, of: Target | None = None, **changes: Any) -> None:
    at = (NOW - timedelta(hours=hours_ago)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    name = f"m{next(NUMBERS)}"
    made = measurement(name, target=of or target(TARGET), started_at=at, **changes)
    how = {"method": "tls.reset", "confidence": "confirmed"} if outcome == "blocked" else {}
    store.save([finished(name, outcome, measurement=made, verdict=verdict(outcome, **how))])


def read(store: Store, config: Config = CONFIG, now: datetime = NOW) -> dict[tuple[str, ...], float]:
    """(name, label values …) -> value, by Prometheus's parser."""
    text = generate_latest(metrics.registry(config, store, now.timestamp())).decode()
    return {
        (sample.name, *(sample.labels[label] for label in ORDER if label in sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_of_each_target_what_was_said_last_and_how(store: Store) -> None:
    measured(store, "reachable", 5)
    measured(store, "blocked", 1)
    found = read(store)
    outcomes = {key[-1]: value for key, value in found.items() if key[0] == "reachprobe_target_outcome"}
    assert outcomes == {
        "reachable": 0, "blocked": 1, "denied": 0, "down": 0, "offline": 0, "inconclusive": 0
    }  # fmt: skip
    assert found["reachprobe_target_method", TARGET, "", "direct", "tls.reset"] == 1
    at = (NOW - timedelta(hours=1)).timestamp()
    assert found["reachprobe_target_measured_timestamp_seconds", TARGET, "", "direct"] == at


def test_of_each_target_how_long_its_steps_took_and_until_when_its_certificate_holds(store: Store) -> None:
    made = trustme.CA().issue_cert("www.wechat.com", not_after=NOW + timedelta(days=30))
    leaf = x509.load_pem_x509_certificate(made.cert_chain_pems[0].bytes())
    whole = measurement("m")
    tls = msgspec.structs.replace(whole.observations[3].detail, chain=(leaf.public_bytes(Encoding.DER),))
    steps = tuple(
        msgspec.structs.replace(one, duration_s=seconds, detail=tls if one.step == "tls" else one.detail)
        for one, seconds in zip(whole.observations, (0.01, 0.03, 0.1, 0.2, 0.4), strict=True)
    )
    measured(store, "reachable", observations=steps)
    found = read(store)
    took = {key[-1]: value for key, value in found.items() if key[0] == "reachprobe_target_step_duration_seconds"}
    assert took == {"dns": 0.03, "tcp": 0.1, "tls": 0.2, "http": 0.4}
    ends = found["reachprobe_target_certificate_not_after_timestamp_seconds", TARGET, "", "direct"]
    assert ends == (NOW + timedelta(days=30)).timestamp()
    assert found["reachprobe_target_http_status_code", TARGET, "", "direct"] == 200
    assert found["reachprobe_target_duration_seconds", TARGET, "", "direct"] == 0.41


def test_a_certificate_of_a_version_that_there_is_not_has_no_end_and_costs_nothing_else(store: Store) -> None:
    made = trustme.CA().issue_cert("www.wechat.com")
    der = x509.load_pem_x509_certificate(made.cert_chain_pems[0].bytes()).public_bytes(Encoding.DER)
    whole = measurement("m")
    odd = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x04", 1)
    tls = msgspec.structs.replace(whole.observations[3].detail, chain=(odd,))
    steps = tuple(msgspec.structs.replace(one, detail=tls) if one.step == "tls" else one for one in whole.observations)
    measured(store, "reachable", observations=steps)
    names = {key[0] for key in read(store)}
    assert "reachprobe_target_certificate_not_after_timestamp_seconds" not in names
    assert "reachprobe_target_http_status_code" in names


def test_a_step_that_failed_has_no_duration_and_a_certificate_that_is_none_no_end(store: Store) -> None:
    failed = observation("m", 1, "tcp", measurement("x").observations[2].detail, failure="connection_refused")
    measured(store, "inconclusive", observations=(failed,))
    names = {key[0] for key in read(store)}
    assert "reachprobe_target_step_duration_seconds" not in names
    assert "reachprobe_target_certificate_not_after_timestamp_seconds" not in names


def test_of_the_agent_its_last_round_its_registers_what_is_due_and_what_waits(store: Store, tmp_path: Path) -> None:
    store.save_round(RoundRecord(id="r", started_at="2026-06-20T11:00:00Z", network="restricted"))
    (tmp_path / "list.txt").write_text("a.test\n")
    import_register(
        store.db, [tmp_path / "list.txt"], ImportOptions(name="rkn", country="RU", format="plain", updated=NOW, now=NOW)
    )
    notification_queue.enrol(store, ["me"], "2026-06-20T00:00:00Z")
    notification_queue.queue(
        store,
        [Notice(key="a", what="open", at="2026-06-20T11:00:00Z", facts={"event": "text", "text": "x"})],
        {"me": ["open"]},
    )
    found = read(store)
    assert found["reachprobe_last_round_timestamp_seconds",] == (NOW - timedelta(hours=1)).timestamp()
    assert found["reachprobe_network_state", "restricted"] == 1
    assert found["reachprobe_network_state", "online"] == 0
    assert found["reachprobe_stored_rounds",] == 1
    assert found["reachprobe_register_version_timestamp_seconds", "rkn"] == NOW.timestamp()
    assert found["reachprobe_targets_due",] == 1
    assert found["reachprobe_notices_waiting", "me"] == 1


def test_a_new_database_gives_numbers_too(store: Store) -> None:
    found = read(store)
    assert found["reachprobe_stored_measurements",] == 0
    assert not [key for key in found if key[0] == "reachprobe_target_outcome"]


def test_of_a_very_long_campaign_the_first_are_counted_and_the_rest_is_a_number(store: Store) -> None:
    many = tuple(f"https://{number}.test/" for number in range(metrics.MAX_TARGETS + 7))
    config = Config(campaign=(CampaignTable(name="all", targets=many),))
    assert read(store, config)["reachprobe_targets_left_out",] == 7


def test_two_targets_whose_labels_are_shortened_to_the_same_are_one_series(store: Store) -> None:
    long = tuple(f"https://a.test/{'x' * 300}{number}" for number in range(2))
    for text in long:
        measured(store, "reachable", of=target(text))
    config = Config(vantage=CONFIG.vantage, campaign=(CampaignTable(name="all", targets=long),))
    text = generate_latest(metrics.registry(config, store, NOW.timestamp())).decode()
    lines = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(lines) == len(set(lines))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=400))
def test_no_name_can_break_the_format(store: Store, hostile: str) -> None:
    of = msgspec.structs.replace(target(TARGET), service=hostile)
    measured(store, "reachable", of=of)
    services = {key[2] for key in read(store) if key[0] == "reachprobe_target_outcome"}
    assert services
    assert all(len(service) <= metrics.MAX_LABEL and "\n" not in service for service in services)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def asked(port: int, path: str = "/metrics", host: str = "127.0.0.1") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_the_server_answers_for_the_metrics_and_nothing_else(store: Store) -> None:
    server = MetricsServer("127.0.0.1", 0)
    try:
        server.show(metrics.registry(CONFIG, store, NOW.timestamp()))
        status, text = asked(server.port)
        assert status == 200
        assert list(text_string_to_metric_families(text))
        assert asked(server.port, "/") == (404, "404 Not Found\n")
        assert asked(server.port, host="localhost:9877")[0] == 200
        assert asked(server.port, host="[::1]:9877")[0] == 200
    finally:
        server.close()


def test_a_web_page_whose_name_was_led_to_this_machine_is_told_nothing(store: Store) -> None:
    server = MetricsServer("127.0.0.1", 0)
    try:
        server.show(metrics.registry(CONFIG, store, NOW.timestamp()))
        for host in ("evil.test", "evil.test:9877", "", "127.0.0.1.evil.test"):
            assert asked(server.port, host=host) == (403, "403 Forbidden\n")
    finally:
        server.close()


def test_the_document_names_every_metric_and_nothing_else(store: Store) -> None:
    document = Path("docs/notifications.md").read_text("utf-8")
    named = set(re.findall(r"`(reachprobe_[a-z_]+)(?:\{\w+\})?`", document))
    counted = metrics.registry(CONFIG, store, NOW.timestamp()).collect()
    given = {f"{family.name}_info" if family.type == "info" else family.name for family in counted}
    assert given | {"reachprobe_last_round_timestamp_seconds", "reachprobe_network_state"} == named
