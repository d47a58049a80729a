"""What is written is OONI's format, says in OONI's words what we found, and comes back the same."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from probe.model import Answer, Dns, Http, Tcp, Tls
from results import ooni
from results.db.jsonl import BadRecord
from results.i18n.translator import Phrase
from results.judge.classify import classify
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.judge.verdict import METHODS, evidence_from
from results.judge.wording import evidence
from results.ooni import reading, writing
from results.ooni.format import OoniRecord
from tests.results import generated
from tests.results.records import CHAIN, finished, measurement, observation, verdict

Written = tuple[JudgedMeasurement, RoundRecord | None]


def written(what: JudgedMeasurement, round_: RoundRecord | None = None) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(ooni.write_line(what, round_))
    return record


@settings(max_examples=150, deadline=None)
@given(what=generated.finished())
def test_whatever_was_measured_comes_back_the_same_and_is_judged_the_same(what: Written) -> None:
    kept, round_ = what
    back, same_round = ooni.read_line(ooni.write_line(kept, round_))
    assert (back, same_round) == (kept, round_)
    assert classify(back.measurement, back.controls, back.context) == kept.verdict


@settings(max_examples=100, deadline=None)
@given(what=generated.finished())
def test_whatever_is_written_has_the_types_that_ooni_has(what: Written) -> None:
    record = written(*what)
    check(record)


def check(record: dict[str, Any]) -> None:
    """The types of df-000-base and of the data formats, as OONI's readers hold them."""
    texts = "data_format_version input measurement_start_time probe_asn probe_cc probe_ip report_id software_name"
    for key in [*texts.split(), "software_version", "test_name", "test_start_time", "test_version"]:
        assert isinstance(record[key], str), key
    assert isinstance(record["test_runtime"], float)
    assert all(isinstance(value, str) for value in record["annotations"].values())
    keys = record["test_keys"]
    assert keys["blocking"] in (None, False, "dns", "tcp_ip", "http-failure", "http-diff")
    assert keys["accessible"] in (None, True, False)
    for query in keys["queries"]:
        assert isinstance(query["hostname"], str)
        assert isinstance(query["query_type"], str)
        assert query["answers"] is None or all(isinstance(a["answer_type"], str) for a in query["answers"])
    for connect in keys["tcp_connect"]:
        assert isinstance(connect["ip"], str)
        assert isinstance(connect["port"], int)
        assert isinstance(connect["status"]["success"], bool)
        assert connect["status"]["success"] == (connect["status"]["failure"] is None)
    for handshake in keys["tls_handshakes"]:
        assert all(isinstance(one["data"], str) for one in handshake["peer_certificates"])
    for request in keys["requests"]:
        assert isinstance(request["request"]["url"], str)
        assert all(isinstance(value, str) for value in request["response"]["headers"].values())
        assert all(len(pair) == 2 for pair in request["response"]["headers_list"])


def test_a_record_has_the_head_that_every_measurement_of_ooni_has() -> None:
    record = written(finished(), RoundRecord(id="r1ound", started_at="2026-11-24T17:59:00.000Z", network="online"))
    del record["test_keys"], record["annotations"], record["extensions"], record["software_version"]
    assert record == {
        "data_format_version": "0.2.0",
        "input": "https://www.example.com/",
        "measurement_start_time": "2026-11-24 18:00:00",
        "probe_asn": "AS12389",
        "probe_cc": "RU",
        "probe_ip": "127.0.0.1",
        "probe_network_name": "",
        "report_id": "r1ound",
        "software_name": "reachprobe",
        "test_name": "web_connectivity",
        "test_runtime": 0.41,
        "test_start_time": "2026-11-24 17:59:00",
        "test_version": "0.5.28",
    }


def test_each_step_stands_in_the_list_that_ooni_has_for_it() -> None:
    keys = written(finished())["test_keys"]
    assert [(q["engine"], q["query_type"]) for q in keys["queries"]] == [("system", "A"), ("system", "AAAA")]
    assert keys["queries"][0]["answers"] == [
        {"answer_type": "CNAME", "hostname": "edge.example.net", "ttl": 60},
        {"answer_type": "A", "ipv4": "192.0.2.1", "ttl": 60},
    ]
    (connect,) = keys["tcp_connect"]
    assert (connect["ip"], connect["port"]) == ("192.0.2.1", 443)
    assert connect["tags"] == ["classic", "depth=0", "fetch_body=true"]
    (handshake,) = keys["tls_handshakes"]
    assert (handshake["address"], handshake["no_tls_verify"]) == ("192.0.2.1:443", False)
    assert len(handshake["peer_certificates"]) == len(CHAIN)
    assert handshake["transaction_id"] == connect["transaction_id"] == keys["requests"][0]["transaction_id"]
    assert keys["requests"][0]["response"]["code"] == 200
    assert (keys["accessible"], keys["blocking"]) == (True, False)


def test_the_last_request_of_a_chain_comes_first() -> None:
    first = observation("m", 1, "http", Http(url="http://a.example/", status=301, location="http://b.example/"))
    last = observation("m", 2, "http", Http(url="http://b.example/", status=200), hop=1)
    keys = written(finished(measurement=measurement(observations=(first, last))))["test_keys"]
    assert [request["request"]["url"] for request in keys["requests"]] == ["http://b.example/", "http://a.example/"]
    assert [request["tags"][1] for request in keys["requests"]] == ["depth=1", "depth=0"]


def test_a_follow_up_is_kept_apart_from_what_ooni_judges() -> None:
    failed = observation("m", 1, "tls", Tls(server_name="www.example.com"), failure="connection_reset")
    innocent = observation("m", 2, "tls", Tls(server_name="innocent.example"), role="innocent")
    keys = written(finished(measurement=measurement(observations=(failed, innocent))))["test_keys"]
    assert [handshake["server_name"] for handshake in keys["tls_handshakes"]] == ["www.example.com"]
    apart = keys["x_reachprobe_follow_ups"]["tls_handshakes"]
    assert [(one["server_name"], one["tags"]) for one in apart] == [
        ("innocent.example", ["depth=0", "fetch_body=false"])
    ]


def test_a_control_is_ooni_s_control() -> None:
    control = measurement("control000000000", control_of="2kq7mmmmmmmmmmmm")
    keys = written(finished(controls=(control,)))["test_keys"]
    seen = keys["control"]
    assert seen["tcp_connect"] == {"192.0.2.1:443": {"status": True, "failure": None}}
    assert seen["tls_handshake"]["192.0.2.1:443"]["server_name"] == "www.example.com"
    assert seen["dns"] == {"failure": None, "addrs": ["192.0.2.1"]}
    assert (seen["http_request"]["status_code"], seen["http_request"]["title"]) == (200, "Hello")
    assert (keys["status_code_match"], keys["body_length_match"], keys["title_match"]) == (True, True, True)
    assert written(finished())["test_keys"]["control"] is None


def test_a_body_that_is_no_text_is_base64() -> None:
    for body, told in ((b"\xff\0", {"format": "base64", "data": "/wA="}), ("да".encode(), "да"), (b"", "")):
        answer = observation("m", 1, "http", Http(url="http://a.example/", status=200, body=body))
        keys = written(finished(measurement=measurement(observations=(answer,))))["test_keys"]
        assert keys["requests"][0]["response"]["body"] == told


@pytest.mark.parametrize(
    ("outcome", "method", "blocking", "accessible"),
    [
        ("reachable", None, False, True),
        ("blocked", "dns.forged", "dns", False),
        ("blocked", "tcp.timeout", "tcp_ip", False),
        ("blocked", "tls.reset", "http-failure", False),
        ("blocked", "http.stall", "http-failure", False),
        ("blocked", "http.blockpage", "http-diff", False),
        ("blocked", "throttled", "http-failure", False),
        ("down", None, False, False),
        ("denied", None, False, False),
        ("offline", None, None, None),
        ("inconclusive", None, None, None),
    ],
)
def test_a_verdict_is_told_in_ooni_s_words(
    outcome: str, method: str | None, blocking: object, accessible: object
) -> None:
    record = written(finished(verdict=verdict(outcome, method=method)))
    assert (record["test_keys"]["blocking"], record["test_keys"]["accessible"]) == (blocking, accessible)
    assert record["annotations"]["reachprobe_outcome"] == outcome


def test_the_evidence_is_among_the_annotations_as_far_as_it_fits() -> None:
    one = evidence("control.passes", control="vpn", result=Phrase("passed.tcp"))
    record = written(finished(verdict=verdict(evidence=(one,))))
    assert evidence_from(record["annotations"]["reachprobe_signals"]) == (one,)
    many = written(finished(verdict=verdict(evidence=(one,) * 60)))["annotations"]["reachprobe_signals"]
    assert len(many) <= writing.MAX_SIGNALS_TEXT
    assert 1 < len(evidence_from(many)) < 60


def test_every_method_has_a_word_of_ooni_s() -> None:
    told = {method: writing.blocking(verdict("blocked", method=method)) for method in METHODS}
    assert set(told.values()) == {"dns", "tcp_ip", "http-failure", "http-diff"}


def test_without_our_own_keys_it_still_reads_as_a_measurement_of_ooni_s() -> None:
    answers = (Answer(type="A", value="93.184.216.34", ttl=60),)
    steps = (
        observation("m", 1, "dns", Dns(resolver="system", query_type="A", answers=answers), address=None, port=None),
        observation("m", 2, "tcp", Tcp(family="ipv4"), address="93.184.216.34"),
        observation("m", 3, "tls", Tls(server_name="www.example.com", verify_code=0), address="93.184.216.34"),
        observation(
            "m", 4, "http", Http(url="https://www.example.com/", status=200, body=b"page"), address="93.184.216.34"
        ),
    )
    record = written(finished(measurement=measurement(observations=steps)))
    plain = json.dumps(without_ours(record)).encode()
    read, _ = reading.read(msgspec.json.decode(plain, type=OoniRecord))
    assert read.verdict.outcome == "reachable"
    assert [(o.step, o.role, o.address, o.failure) for o in read.measurement.observations] == [
        (o.step, o.role, o.address, o.failure) for o in steps
    ]
    assert ooni.read_line(plain)[0] == read


def without_ours(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_ours(one) for key, one in value.items() if not key.startswith("x_reachprobe")}
    return [without_ours(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "damage",
    [
        lambda keys: keys.pop("x_reachprobe_controls"),
        lambda keys: keys["x_reachprobe"].pop("measurement"),
        lambda keys: keys["x_reachprobe"].update(measurement=7),
        lambda keys: keys["queries"][0].pop("x_reachprobe"),
        lambda keys: keys["queries"][0]["x_reachprobe"].update(place=[]),
        lambda keys: keys["queries"][0]["x_reachprobe"].update(step="telepathy"),
        lambda keys: keys["tls_handshakes"][0].update(peer_certificates=[{"data": 5}]),
        lambda keys: keys["requests"][0].update(response=None),
        lambda keys: keys.update(requests=5),
        lambda keys: keys.update(x_reachprobe=[]),
    ],
)
def test_an_export_of_ours_that_somebody_damaged_is_refused(damage: Any) -> None:
    record = written(finished())
    damage(record["test_keys"])
    with pytest.raises(BadRecord):
        ooni.read_line(json.dumps(record).encode())
