"""OONI's records are judged by our rules, on what they hold and no more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from probe.model import Observation
from results import ooni
from results.db.jsonl import BadRecord
from results.judge.judged import JudgedMeasurement
from results.judge.wording import sentences
from tests.results.ooni.records import (
    FORGED,
    GOOD,
    HOST,
    OTHER,
    PAGE,
    connect,
    control,
    handshake,
    line,
    older,
    query,
    reachable,
    record,
    request,
)


def read(keys: dict[str, Any], version: str = "0.5.28", **changes: Any) -> JudgedMeasurement:
    return ooni.read_line(line(keys, version, **changes))[0]


def said(finished: JudgedMeasurement) -> tuple[str, str | None, str | None]:
    return finished.verdict.outcome, finished.verdict.method, finished.verdict.confidence


def steps(finished: JudgedMeasurement) -> list[tuple[str, str, int, str | None]]:
    return [(o.role, o.step, o.hop, o.failure) for o in finished.measurement.observations]


def main(finished: JudgedMeasurement, step: str) -> Observation:
    return next(o for o in finished.measurement.observations if o.role == "main" and o.step == step)


def test_a_page_over_valid_tls_is_reachable_and_each_step_has_its_time_and_detail() -> None:
    finished = read(reachable())
    assert said(finished) == ("reachable", None, "confirmed")
    measurement = finished.measurement
    assert measurement.target.text == f"https://{HOST}/"
    assert measurement.started_at == "2026-11-20T15:37:00.000Z"
    assert measurement.runtime_s == 2.5
    tls = main(finished, "tls")
    assert (tls.address, tls.port, tls.offset_s, tls.duration_s) == (GOOD, 443, 0.05, 0.04)
    assert tls.started_at == "2026-11-20T15:37:00.050Z"
    assert (tls.detail.version, tls.detail.alpn, tls.detail.verify_code) == ("TLSv1.3", "h2", 0)
    assert tls.detail.chain == (b"a certificate",)
    answer = main(finished, "http").detail
    assert (answer.status, answer.title, answer.body) == (200, "An ordinary page", PAGE.encode())
    assert main(finished, "dns").detail.resolver == "getaddrinfo"


def test_the_network_is_a_vantage_of_its_own_and_the_report_a_round() -> None:
    finished, report = ooni.read_line(line(reachable()))
    vantage = finished.measurement.vantage
    assert (vantage.name, vantage.country, vantage.asn) == ("ooni-RU-AS12389", "RU", 12389)
    assert (vantage.network_name, vantage.path) == ("Rostelecom", "direct")
    assert report is not None
    assert report.id == finished.round_id == "ooni:20261120T153659Z_webconnectivity_RU_12389_n1_abcdefghijklmnop"
    assert report.started_at == "2026-11-20T15:36:59.000Z"
    assert "0.5.28" in report.evidence[0]
    assert finished.measurement.observations[0].id == f"{record({})['measurement_uid']}.1"


def test_the_same_record_has_the_same_id_and_another_one_another() -> None:
    plain = {"measurement_uid": None}
    ids = [
        read(reachable()).measurement.id,
        read(reachable(), measurement_uid="another").measurement.id,
        read(reachable(), **plain).measurement.id,
        read(reachable(), **plain, measurement_start_time="2026-11-20 15:37:01").measurement.id,
        read(reachable(), **plain, input=f"https://{HOST}/other").measurement.id,
    ]
    assert len(set(ids)) == len(ids)
    assert read(reachable()).measurement.id == ids[0]
    assert read(reachable(), **plain).measurement.id == ids[2]


@pytest.mark.parametrize("odd", ["", "a b", "\u202eevil", ".hidden", "x" * 300])
def test_ids_that_are_none_with_us_are_replaced(odd: str) -> None:
    finished, report = ooni.read_line(line(reachable(), measurement_uid=odd, report_id=odd))
    assert report is not None
    assert report.id.isascii()
    assert finished.measurement.observations[0].id == f"{finished.measurement.id}.1"
    assert ooni.read_line(ooni.write_line(finished, report)) == (finished, report)


def test_a_probe_that_does_not_know_where_it_is_has_neither_country_nor_network() -> None:
    vantage = read(reachable(), probe_cc="ZZ", probe_asn="AS0", probe_network_name="").measurement.vantage
    assert (vantage.name, vantage.country, vantage.asn, vantage.network_name) == ("ooni-ZZ-AS0", None, None, None)


def test_the_test_helper_is_a_control_and_a_trusted_resolver() -> None:
    finished = read(reachable())
    (seen,) = finished.controls
    assert (seen.vantage.name, seen.control_of) == ("ooni-test-helper", finished.measurement.id)
    assert [(o.step, o.address, o.failure) for o in seen.observations] == [
        ("dns", None, None),
        ("tcp", GOOD, None),
        ("tls", GOOD, None),
        ("http", GOOD, None),
    ]
    answer = seen.observations[-1].detail
    assert (answer.status, answer.length, answer.title, answer.body) == (200, len(PAGE), "An ordinary page", None)
    assert ("trusted", "dns", 0, None) in steps(finished)


def test_a_name_that_only_the_own_resolver_denies_is_not_opened_by_what_ooni_tries_beyond_it() -> None:
    """0.5 goes on with the addresses of other resolvers, and gets the page; the network's people do not."""
    keys = reachable() | {
        "queries": [query(failure="dns_nxdomain_error"), query(GOOD, engine="udp"), query(GOOD, engine="doh")]
    }
    finished = read(keys)
    assert said(finished)[:2] == ("blocked", "dns.nxdomain")
    assert ("trusted", "http", 0, None) in steps(finished)
    assert ("elsewhere", "dns", 0, None) in steps(finished)
    assert any("the name does not exist" in sentence for sentence in sentences(finished.verdict.evidence))


def test_a_chain_that_only_a_trusted_address_opened_is_not_the_main_course_in_any_hop() -> None:
    there = "https://www.example.org/"
    keys = {
        "queries": [
            query(failure="dns_nxdomain_error"),
            query(engine="udp", failure="dns_nxdomain_error"),
            query(OTHER, hostname="www.example.org", depth=1),
        ],
        "tcp_connect": [connect(), connect(OTHER, depth=1)],
        "tls_handshakes": [handshake(), handshake(OTHER, server_name="www.example.org", depth=1)],
        "requests": [
            request(there, address=f"{OTHER}:443", depth=1),
            request(code=302, headers=[["Location", there]], address=f"{GOOD}:443"),
        ],
        "control": control(GOOD),
    }
    finished = read(keys)
    assert {o.hop for o in finished.measurement.observations if o.role == "main"} == {0}
    assert said(finished) == ("blocked", "dns.nxdomain", "probable")


def test_a_name_denied_by_the_own_resolver_and_by_another_in_the_open_is_blocked() -> None:
    denied = [query(failure="dns_nxdomain_error"), query(engine="udp", failure="dns_nxdomain_error")]
    keys = {"queries": denied, "tcp_connect": [], "requests": [], "control": control(GOOD)}
    assert said(read(keys)) == ("blocked", "dns.nxdomain", "probable")


def test_a_name_denied_to_everybody_is_down() -> None:
    nowhere = {"dns": {"failure": "dns_name_error", "addrs": []}, "tcp_connect": {}, "http_request": None}
    keys = {"queries": [query(failure="dns_nxdomain_error")], "control": nowhere}
    assert said(read(keys))[0] == "down"


@pytest.mark.parametrize("version", ["0.4.0", "0.4.3"])
def test_the_fetch_of_version_four_is_a_second_try_of_what_failed_before_it(version: str) -> None:
    reset = {"failure": "connection_reset", "depth": None}
    finished = read(older(tls_handshakes=[handshake(**reset)], requests=[request(**reset)]), version)
    assert said(finished) == ("blocked", "tls.reset", "possible"), "one test helper alone"
    assert ("again", "tls", 0, "connection_reset") in steps(finished)
    nxdomain = {"failure": "dns_nxdomain_error", "depth": None}
    keys = older(
        queries=[query(engine="system", **nxdomain)], tcp_connect=[], tls_handshakes=[], requests=[request(**nxdomain)]
    )
    assert said(read(keys, version)) == ("blocked", "dns.nxdomain", "probable")


def test_a_second_try_of_version_four_that_gets_the_page_is_reachable() -> None:
    finished = read(older(tls_handshakes=[handshake(failure="connection_reset", depth=None)]), "0.4.1")
    assert said(finished) == ("reachable", None, "confirmed")


def test_what_failed_once_at_each_address_while_the_helper_got_through_is_possibly_blocked() -> None:
    keys = {
        "queries": [query(GOOD, OTHER)],
        "tcp_connect": [connect(), connect(OTHER)],
        "tls_handshakes": [handshake(failure="connection_reset"), handshake(OTHER, "connection_reset")],
        "requests": [],
        "control": control(GOOD, OTHER),
    }
    finished = read(keys)
    assert said(finished) == ("blocked", "tls.reset", "possible")
    assert finished.verdict.rules == ("recording.handshake_fails",)
    assert any("tries each step once" in sentence for sentence in sentences(finished.verdict.evidence))
    assert said(read(keys | {"control": None}))[0] == "inconclusive"
    assert {(o.role, o.address) for o in finished.measurement.observations if o.step == "tls"} == {
        ("main", GOOD),
        ("main", OTHER),
    }
    assert any("gets through" in sentence for sentence in sentences(finished.verdict.evidence))


def test_an_address_that_answers_nobody_here_twice_and_does_answer_the_helper_is_blocked() -> None:
    silent = {"failure": "generic_timeout_error", "depth": None}
    keys = older(tcp_connect=[connect(**silent)], tls_handshakes=[], requests=[request(**silent)])
    finished = read(keys, "0.4.2")
    assert said(finished) == ("blocked", "tcp.timeout", "possible")
    assert finished.verdict.trigger is None, "one helper: the service may refuse this country itself"


def test_what_fails_for_the_helper_too_is_down() -> None:
    refused = [connect(failure="connection_refused")]
    keys = {"queries": [query(GOOD)], "tcp_connect": refused, "control": control(GOOD, failure="connection_refused")}
    assert said(read(keys))[0] == "down"


def test_a_known_block_page_is_proof_without_a_control() -> None:
    url = f"http://{HOST}/"
    page = "Доступ к информационному ресурсу ограничен на основании Федерального закона от 27.07.2006 № 149-ФЗ"
    keys = {
        "queries": [query(GOOD)],
        "tcp_connect": [connect(port=80)],
        "requests": [request(url, body=page, address=f"{GOOD}:80")],
        "control": None,
        "control_failure": "generic_timeout_error",
    }
    assert said(read(keys, input=url)) == ("blocked", "http.blockpage", "confirmed")


def test_a_plain_page_that_agrees_with_the_helper_is_reachable_and_tls_beside_it_vouches_for_nothing() -> None:
    url = f"http://{HOST}/"
    beside = {"tags": ["depth=0", "fetch_body=false"]}
    keys = {
        "queries": [query(GOOD)],
        "tcp_connect": [connect(port=80), connect(port=443) | beside],
        "tls_handshakes": [handshake() | beside],
        "requests": [request(url, address=f"{GOOD}:80")],
        "control": control(GOOD, port=80),
    }
    finished = read(keys, input=url)
    assert said(finished) == ("reachable", None, "probable")
    assert ("elsewhere", "tls", 0, None) in steps(finished)
    other = keys | {"requests": [request(url, body="<title>Welcome</title>", address=f"{GOOD}:80")]}
    assert said(read(other, input=url))[0] == "inconclusive"


def test_a_forged_address_that_cannot_prove_the_name_is_told_from_the_trusted_one_that_can() -> None:
    keys = {
        "queries": [query(FORGED), query(FORGED, engine="udp"), query(GOOD, engine="doh")],
        "tcp_connect": [connect(FORGED), connect(GOOD)],
        "tls_handshakes": [handshake(FORGED, "ssl_invalid_hostname"), handshake(GOOD)],
        "requests": [request(address=f"{GOOD}:443")],
        "control": control(GOOD),
    }
    finished = read(keys)
    assert said(finished) == ("blocked", "dns.forged", "confirmed")
    assert [(o.role, o.address) for o in finished.measurement.observations if o.step == "tls"] == [
        ("main", FORGED),
        ("trusted", GOOD),
    ]


def test_the_last_request_of_a_chain_comes_first_and_the_chain_is_read_from_its_end() -> None:
    found = [["Location", "https://www.example.org/landing"]]
    keys = older(
        requests=[
            request("https://www.example.org/landing", depth=None),
            request(code=301, body="", headers=found, depth=None),
        ]
    )
    finished = read(keys, "0.4.1")
    hosts = {o.hop: o.host for o in finished.measurement.observations}
    assert hosts == {0: HOST, 1: "www.example.org"}
    assert said(finished) == ("reachable", None, "confirmed")
    assert finished.controls[0].observations[-1].host == "www.example.org"


def test_hops_of_version_five_go_by_their_tags_whatever_their_order() -> None:
    there = "https://www.example.org/"
    keys = reachable() | {
        "queries": [query(OTHER, depth=1, hostname="www.example.org"), query(GOOD)],
        "tcp_connect": [connect(OTHER, depth=1), connect()],
        "tls_handshakes": [handshake(OTHER, "eof_error", depth=1), handshake()],
        "requests": [request(code=302, headers=[["location", there]], address=f"{GOOD}:443")],
    }
    finished = read(keys)
    assert ("main", "tls", 1, "eof_error") in steps(finished)
    assert {o.hop: o.host for o in finished.measurement.observations if o.role == "main"} == {
        0: HOST,
        1: "www.example.org",
    }
    assert said(finished) == ("blocked", "tls.eof", "possible")


def test_a_refusal_over_valid_tls_is_denied_whatever_ooni_calls_it() -> None:
    keys = reachable() | {"requests": [request(code=403, address=f"{GOOD}:443")], "blocking": "http-diff"}
    assert said(read(keys)) == ("denied", None, "confirmed")


def test_a_body_and_headers_that_are_no_text_come_in_base64() -> None:
    binary = {"format": "base64", "data": "/9j/AA=="}
    keys = reachable() | {
        "requests": [request(body=binary, headers=[["X-Odd", binary]], address=f"{GOOD}:443")]  # type: ignore[list-item]
    }
    answer = main(read(keys), "http").detail
    assert answer.body == b"\xff\xd8\xff\x00"
    assert answer.headers == (("X-Odd", "\ufffd\ufffd\ufffd\0"),)


def test_headers_of_older_records_come_as_a_map_and_failures_of_connects_as_false() -> None:
    answer = request(depth=None)
    answer["response"] = {"code": 200, "body": PAGE, "headers": {"Server": "ECS"}}
    opened = connect(depth=None)
    opened["status"] = {"success": True, "failure": False}
    finished = read(older(requests=[answer], tcp_connect=[opened]), "0.4.0")
    assert main(finished, "http").detail.headers == (("Server", "ECS"),)
    assert said(finished)[0] == "reachable"


def test_words_that_the_vocabulary_has_not_are_kept_as_unknown_failures() -> None:
    words = {
        "unknown_failure: dial [scrubbed]: no route": "unknown_failure: dial [scrubbed]: no route",
        "a_word\u001b[2Jof its own": "unknown_failure: a_word\ufffd[2Jof its own",
        "tcp_timed_out_error": "generic_timeout_error",
        "host_unreachable": "host_unreachable",
    }
    for theirs, ours in words.items():
        finished = read({"queries": [query(GOOD)], "tcp_connect": [connect(failure=theirs)]})
        assert main(finished, "tcp").failure == ours


def test_a_target_that_is_an_address_has_no_name_to_look_up() -> None:
    url = f"https://{GOOD}/"
    keys = {
        "tcp_connect": [connect()],
        "tls_handshakes": [handshake(server_name=GOOD)],
        "requests": [request(url, address=f"{GOOD}:443")],
        "control": control(GOOD) | {"dns": {"failure": "dns_name_error", "addrs": []}},
    }
    finished = read(keys, input=url)
    assert said(finished)[0] == "reachable"
    assert main(finished, "tls").detail.server_name is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"test_name": "a_new_test"}, "unknown OONI test"),
        ({"input": None}, "input"),
        ({"input": "not a url at all"}, "input"),
        ({"input": "dnslookup://x.example"}, "input"),
        ({"input": "tcp://x.example:5222"}, "not a target of web_connectivity"),
        ({"measurement_start_time": "yesterday"}, "not a time"),
        ({"measurement_start_time": "2026-13-45 99:99:99"}, "not a time"),
        ({"probe_cc": "Russia"}, "not a country"),
        ({"probe_asn": "AS99999999999"}, "not an AS number"),
        ({"test_runtime": "long"}, "test_runtime"),
        ({"test_keys": []}, "test_keys"),
    ],
)
def test_a_record_that_is_not_as_it_should_be_is_refused_with_the_reason(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRecord, match=why):
        read(reachable(), **changes)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"queries": [query(GOOD)] * 501}, "500"),
        ({"queries": [query("localhost")]}, "not an address"),
        ({"tcp_connect": [connect("fe80::1%eth0")]}, "not an address"),
        ({"tcp_connect": [connect(port=70000)]}, "port"),
        ({"tls_handshakes": [handshake(address="x:y")]}, "not an address and port"),
        ({"requests": [request(body={"format": "hex", "data": "AAAA"}, address=f"{GOOD}:443")]}, "unknown format hex"),
        ({"requests": [request(depth=21, address=f"{GOOD}:443")]}, "redirects"),
        ({"queries": [query(GOOD, t=1e300)]}, "queries"),
        ({"control": {"tcp_connect": {"nowhere": {"status": True}}}}, "not an address and port"),
    ],
)
def test_test_keys_out_of_bounds_are_refused_with_the_reason(keys: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRecord, match=why):
        read(reachable() | keys)


def test_a_record_without_any_step_says_nothing() -> None:
    assert said(read({}))[0] == "inconclusive"
    assert said(read({"queries": None, "tcp_connect": None, "requests": None, "control": {}}))[0] == "inconclusive"


def test_a_body_or_certificate_whose_base64_is_broken_is_left_out_and_the_rest_is_read() -> None:
    broken = {"format": "base64", "data": "aGk"}
    keys = reachable() | {
        "tls_handshakes": [handshake(peer_certificates=[broken])],
        "requests": [request(body=broken, address=f"{GOOD}:443")],
    }
    finished = read(keys)
    answer = main(finished, "http").detail
    assert (answer.status, answer.body, answer.body_sha256, answer.length) == (200, None, None, None)
    assert main(finished, "tls").detail.chain == ()
    plain = reachable() | {"requests": [request(f"http://{HOST}/", body=broken, address=f"{GOOD}:80")]}
    assert said(read(plain, input=f"http://{HOST}/"))[0] == "inconclusive"


def test_an_answer_about_a_measurement_is_not_the_measurement() -> None:
    about = record({})
    del about["test_keys"]
    with pytest.raises(BadRecord, match="download it in full"):
        ooni.read_line(json.dumps(about).encode())


def reads(*at: float) -> list[dict[str, Any]]:
    return [{"operation": "read", "t0": t, "t": t, "num_bytes": 4000, "transaction_id": 7} for t in at]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ((0.2, 0.3), ("blocked", "http.stall", "possible")),
        (tuple(n / 2 for n in range(1, 20)), ("reachable", None, "probable")),
    ],
)
def test_an_answer_that_stood_still_is_told_from_one_that_was_slow(at: tuple[float, ...], expected: Any) -> None:
    """By the reads that version 0.5 records."""
    cut = request(f"http://{HOST}/", failure="generic_timeout_error", address=f"{GOOD}:80", transaction_id=7, t=10.0)
    cut["response"] = request()["response"] | {"body_is_truncated": True}
    keys = reachable() | {
        "tcp_connect": [connect(port=80)],
        "tls_handshakes": [],
        "requests": [cut],
        "control": control(GOOD, port=80),
        "network_events": [*reads(*at), {"operation": "connect", "t": 0.1}],
    }
    assert said(read(keys, input=f"http://{HOST}/")) == expected


def test_events_that_cannot_be_read_do_not_spoil_a_record() -> None:
    for odd in ([{"operation": 5}], "none", [{"operation": "read", "t": "soon"}]):
        assert said(read(reachable() | {"network_events": odd}))[0] == "reachable"


def times(finished: JudgedMeasurement) -> list[tuple[str, float, float]]:
    observations = finished.measurement.observations
    return [
        (o.step, o.offset_s, round(o.offset_s + o.duration_s, 6)) for o in observations if o.role in ("main", "again")
    ]


def test_steps_of_version_four_begin_when_those_before_them_have_ended() -> None:
    """It records their ends alone."""
    old = {"depth": None, "t0": None}
    keys = older(
        queries=[query(GOOD, OTHER, engine="system", t=0.2, **old)],
        tcp_connect=[connect(t=0.5, **old), connect(OTHER, t=0.6, **old)],
        tls_handshakes=[handshake(t=0.9, **old), handshake(OTHER, t=1.0, **old)],
        requests=[request(t=1.5, **old)],
    )
    assert times(read(keys, "0.4.3")) == [
        ("dns", 0.0, 0.2),
        ("tcp", 0.2, 0.5),
        ("tcp", 0.2, 0.6),
        ("tls", 0.6, 0.9),
        ("tls", 0.6, 1.0),
        ("http", 1.0, 1.5),
    ]
    assert said(read(keys, "0.4.3")) == ("reachable", None, "confirmed")


def test_times_that_a_record_has_are_kept() -> None:
    keys = older(tcp_connect=[connect(t0=0.3, t=0.4, depth=None)])
    assert ("tcp", 0.3, 0.4) in times(read(keys, "0.4.3"))
