"""Situations that OONI's own tests are made of, as records of ours, and what is right for each."""

from __future__ import annotations

from typing import Any

import pytest

from results import ooni
from tests.results.ooni.records import (
    FORGED,
    GOOD,
    HOST,
    connect,
    control,
    handshake,
    line,
    query,
    reachable,
    request,
)

PLAIN = f"http://{HOST}/"
NEXT = "https://www.example.org/"
GONE = "dns_nxdomain_error"
SILENT = "generic_timeout_error"
LEADS = request(code=302, headers=[["location", NEXT]], address=f"{GOOD}:443")
NEXT_QUERY = query(GOOD, depth=1, hostname="www.example.org")
THERE = {"server_name": "www.example.org"}
LIE = [query(FORGED), query(FORGED, engine="udp"), query(GOOD, engine="doh")]
UNKNOWN = {"tcp_connect": {}, "dns": {"failure": GONE, "addrs": []}}
ZIP = {"Content-Type": "application/zip", "Etag": "7"}
CUT = {"code": 200, "body": "", "body_is_truncated": True, "headers_list": [list(pair) for pair in ZIP.items()]}
SITUATIONS: dict[str, tuple[str | None, dict[str, Any], str]] = {
    "a plain page": (
        PLAIN,
        {
            "tcp_connect": [connect(port=80)],
            "requests": [request(PLAIN, address=f"{GOOD}:80")],
            "control": control(GOOD, port=80),
        },
        "reachable - probable",
    ),
    "the name is denied": (
        None,
        {"queries": [query(failure=GONE), query(GOOD, engine="doh")]},
        "blocked dns.nxdomain possible",
    ),
    "Android has no data": (
        None,
        {"queries": [query(failure="android_dns_cache_no_data")]},
        "blocked dns.empty possible",
    ),
    "the name leads to the loopback": (
        None,
        {
            "queries": [query("127.0.0.1"), query(GOOD, engine="doh")],
            "tcp_connect": [connect("127.0.0.1", failure="connection_refused")],
        },
        "blocked dns.forged possible",
    ),
    "two resolvers lie and the address refuses": (
        None,
        {
            "queries": LIE,
            "tcp_connect": [connect(FORGED, failure="connection_refused"), connect()],
            "tls_handshakes": [handshake()],
        },
        "blocked dns.forged possible",
    ),
    "two resolvers lie and the address has another certificate": (
        None,
        {
            "queries": LIE,
            "tcp_connect": [connect(FORGED), connect()],
            "tls_handshakes": [handshake(FORGED, "ssl_unknown_authority"), handshake()],
        },
        "blocked dns.forged confirmed",
    ),
    "two resolvers lead through a proxy that passes TLS on": (
        None,
        {
            "queries": LIE,
            "tcp_connect": [connect(FORGED)],
            "tls_handshakes": [handshake(FORGED)],
            "requests": [request(address=f"{FORGED}:443")],
        },
        "reachable - confirmed",
    ),
    "the connect is silent": (None, {"tcp_connect": [connect(failure=SILENT)]}, "blocked tcp.timeout possible"),
    "the connect is silent for the helper": (
        None,
        {"tcp_connect": [connect(failure=SILENT)], "control": control(GOOD, failure=SILENT)},
        "down - probable",
    ),
    "the handshake is reset": (
        None,
        {"tls_handshakes": [handshake(failure="connection_reset")]},
        "blocked tls.reset possible",
    ),
    "the handshake is silent": (None, {"tls_handshakes": [handshake(failure=SILENT)]}, "blocked tls.timeout possible"),
    "the handshake is closed": (None, {"tls_handshakes": [handshake(failure="eof_error")]}, "blocked tls.eof possible"),
    "the certificate has expired": (
        None,
        {"tls_handshakes": [handshake(failure="ssl_invalid_certificate")]},
        "inconclusive - -",
    ),
    "the plain request is reset": (
        PLAIN,
        {
            "tcp_connect": [connect(port=80)],
            "requests": [request(PLAIN, failure="connection_reset", address=f"{GOOD}:80")],
            "control": control(GOOD, port=80),
        },
        "blocked http.reset possible",
    ),
    "a large plain file is cut by the recorder": (
        PLAIN,
        {
            "tcp_connect": [connect(port=80)],
            "requests": [request(PLAIN, address=f"{GOOD}:80") | {"response": CUT}],
            "control": control(GOOD, port=80, body_length=1 << 24, title="", headers=ZIP),
        },
        "reachable - probable",
    ),
    "it leads to a name that is denied": (
        None,
        {"queries": [query(GOOD), query(failure=GONE, depth=1, hostname="www.example.org")], "requests": [LEADS]},
        "blocked dns.nxdomain possible",
    ),
    "it leads to an address that refuses": (
        None,
        {
            "queries": [query(GOOD), NEXT_QUERY],
            "requests": [LEADS],
            "tcp_connect": [connect(), connect(failure="connection_refused", depth=1)],
        },
        "blocked tcp.refused possible",
    ),
    "it leads to a handshake that is reset": (
        None,
        {
            "queries": [query(GOOD), NEXT_QUERY],
            "requests": [LEADS],
            "tcp_connect": [connect(), connect(depth=1)],
            "tls_handshakes": [handshake(), handshake(failure="connection_reset", depth=1, **THERE)],
        },
        "blocked tls.reset possible",
    ),
    "it leads to a place that is none": (
        None,
        {"requests": [LEADS | {"failure": "http_invalid_redirect_location_host"}]},
        "inconclusive - -",
    ),
    "nobody knows the name": (
        None,
        {
            "queries": [query(failure=GONE), query(failure=GONE, engine="doh")],
            "control": {**UNKNOWN, "http_request": {"status_code": -1, "failure": GONE}},
        },
        "down - probable",
    ),
    "the recorder has no route": (None, {"tcp_connect": [connect(failure="network_unreachable")]}, "inconclusive - -"),
    "there is no control and TLS is valid": (
        None,
        {
            "tcp_connect": [connect()],
            "tls_handshakes": [handshake()],
            "requests": [request(address=f"{GOOD}:443")],
            "control": None,
        },
        "reachable - confirmed",
    ),
    "there is no control and it fails": (
        None,
        {"tls_handshakes": [handshake(failure="connection_reset")], "control": None},
        "inconclusive - -",
    ),
}
"""The input, what differs from a record in which nothing else was done, and the outcome, method and confidence."""
NOTHING_ELSE: dict[str, Any] = {
    "queries": [query(GOOD)],
    "tcp_connect": [connect()],
    "tls_handshakes": [],
    "requests": [],
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_situation_gets_its_verdict(name: str) -> None:
    target, differs, expected = SITUATIONS[name]
    keys = reachable() | NOTHING_ELSE | differs
    verdict = ooni.read_line(line(keys, input=target or f"https://{HOST}/"))[0].verdict
    assert f"{verdict.outcome} {verdict.method or '-'} {verdict.confidence or '-'}" == expected, verdict
