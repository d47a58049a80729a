"""OONI's other tests: each target that they tried is judged, or the record is counted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from results import ooni
from results.db.jsonl import BadRecord
from results.ooni import other_tests
from results.ooni.other_tests import COUNTED, UnjudgedTest
from tests.results.ooni.records import GOOD, OTHER, connect, handshake, line, older, query, request

OLD = {"depth": None}


def read(test: str, keys: dict[str, Any], **changes: Any) -> dict[str, tuple[str, str | None]]:
    """The outcome and the failure of the last step of each target."""
    found = {}
    for part in other_tests.split(line(keys, "0.3.0", test_name=test, **changes)):
        finished, _ = ooni.read_line(part)
        measurement = finished.measurement
        assert measurement.target.text not in found
        last = measurement.observations[-1]
        found[measurement.target.text] = finished.verdict.outcome, last.failure
    return found


TELEGRAM = {
    "queries": [query(GOOD, hostname="web.telegram.org", **OLD)],
    "tcp_connect": [
        connect("149.154.175.50", 443, **OLD),
        connect("149.154.167.51", 80, "generic_timeout_error", **OLD),
        connect(GOOD, 443, **OLD),
    ],
    "tls_handshakes": [handshake(server_name="web.telegram.org", **OLD)],
    "requests": [
        request("https://web.telegram.org/", **OLD),
        request("http://149.154.175.50:443/", code=501, **OLD),
        request("http://149.154.167.51:80/", failure="generic_timeout_error", **OLD),
    ],
    "telegram_tcp_blocking": False,
    "telegram_web_status": "ok",
}


def test_telegram_has_its_page_and_each_of_its_endpoints() -> None:
    found = read("telegram", TELEGRAM, input=None)
    assert found == {
        "https://web.telegram.org/": ("reachable", None),
        "http://149.154.175.50:443/": ("reachable", None),
        "http://149.154.167.51:80/": ("inconclusive", "generic_timeout_error"),
    }


def test_each_target_of_a_record_is_a_measurement_of_its_own() -> None:
    parts = list(other_tests.split(line(TELEGRAM, "0.3.0", test_name="telegram", input=None)))
    ids = [ooni.read_line(part)[0].measurement.id for part in parts]
    assert len(set(ids)) == len(ids) == 3
    assert ids == [ooni.read_line(part)[0].measurement.id for part in parts]


@pytest.mark.parametrize(
    ("test", "keys", "targets"),
    [
        (
            "facebook_messenger",
            {
                "queries": [query(OTHER, hostname="b-api.facebook.com", **OLD), query(GOOD, hostname="a.b", **OLD)],
                "tcp_connect": [connect(OTHER, 443, **OLD)],
            },
            {"tcp://b-api.facebook.com:443": None},
        ),
        (
            "whatsapp",
            {
                "queries": [query(GOOD, hostname="e1.whatsapp.net", **OLD)],
                "tcp_connect": [connect(GOOD, 5222, "connection_reset", **OLD), connect(GOOD, 443, **OLD)],
                "requests": [request("https://v.whatsapp.net/v2/register", failure="connection_reset", **OLD)],
            },
            {
                "https://v.whatsapp.net/v2/register": "connection_reset",
                "tcp://e1.whatsapp.net:5222": "connection_reset",
                "tcp://e1.whatsapp.net:443": None,
            },
        ),
        (
            "signal",
            {"queries": [query(GOOD, hostname="chat.signal.org", **OLD)], "tcp_connect": [connect(**OLD)],
             "tls_handshakes": [handshake(failure="connection_reset", server_name="chat.signal.org", **OLD)],
             "requests": [request("https://chat.signal.org/", failure="connection_reset", **OLD)]},
            {"https://chat.signal.org/": "connection_reset"},
        ),
        (
            "dnscheck",
            {
                "lookups": {
                    "dot://8.8.8.8": {
                        "tcp_connect": [connect("8.8.8.8", 853, **OLD)],
                        "tls_handshakes": [handshake("8.8.8.8", port=853, server_name="dns.google", **OLD)],
                    },
                    "https://8.8.4.4/": {"tcp_connect": [connect("8.8.4.4", 443, "connection_refused", **OLD)]},
                }
            },
            {"tls://dns.google:853": None, "tcp://8.8.4.4:443": "connection_refused"},
        ),
        (
            "tor",
            {
                "targets": {
                    "a": {"tcp_connect": [connect("192.0.2.7", 9001, **OLD)], "target_address": "192.0.2.7:9001"},
                    "b": {"tcp_connect": [connect("2001:db8::7", 443, "generic_timeout_error", **OLD)]},
                    "c": {"tcp_connect": [{"ip": "[scrubbed]", "port": 443, "status": {"success": True}}]},
                }
            },
            {"tcp://192.0.2.7:9001": None, "tcp://[2001:db8::7]:443": "generic_timeout_error"},
        ),
        ("openvpn", {"tcp_connect": [connect("192.0.2.8", 1194, **OLD)]}, {"tcp://192.0.2.8:1194": None}),
    ],
)  # fmt: skip
def test_the_targets_of_a_test_and_how_each_ended(test: str, keys: dict[str, Any], targets: dict[str, Any]) -> None:
    found = read(test, keys, input=None)
    assert {target: failure for target, (_, failure) in found.items()} == targets
    assert all(outcome != "blocked" for outcome, _ in found.values()), "there is no control"


def test_urlgetter_is_read_as_a_page_without_a_control() -> None:
    assert read("urlgetter", older(control=None)) == {"https://www.example.com/": ("reachable", None)}


@pytest.mark.parametrize("test", sorted(COUNTED))
def test_what_is_not_judged_is_counted_by_its_name(test: str) -> None:
    with pytest.raises(UnjudgedTest) as found:
        read(test, {})
    assert found.value.test == test


@pytest.mark.parametrize(
    ("test", "keys"),
    [
        ("telegram", {}),
        ("telegram", None),
        ("tor", {"targets": [1], "tcp_connect": "x"}),
        ("dnscheck", {"lookups": {"a": None, "b": {"tcp_connect": [None, {"ip": 5, "port": "x"}]}}}),
        ("a_new_test", {}),
    ],
)
def test_records_without_a_step_and_unknown_tests_are_refused(test: str, keys: Any) -> None:
    with pytest.raises(BadRecord):
        read(test, keys)


def test_a_record_of_very_many_endpoints_is_bounded() -> None:
    many = [{"ip": f"192.0.{n // 250}.{n % 250}", "port": 443, "status": {"success": True}} for n in range(5000)]
    parts = list(other_tests.split(line({"tcp_connect": many}, "0.3.0", test_name="telegram", input=None)))
    assert len(parts) == other_tests.MAX_TARGETS
    assert json.loads(parts[0])["input"] == "tcp://192.0.0.0:443"
