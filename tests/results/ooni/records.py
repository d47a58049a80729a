"""OONI web_connectivity records, written from what its specification says they hold."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

HOST = "www.example.com"
GOOD, OTHER, FORGED = "93.184.216.34", "93.184.216.35", "130.192.182.17"
PAGE = "<html><head><title>An ordinary page</title></head><body>" + "word " * 200 + "</body></html>"
CERTIFICATE = {"format": "base64", "data": b64encode(b"a certificate").decode()}
TAGS = {"tags": ["depth=0", "fetch_body=true"]}


def record(keys: dict[str, Any], version: str = "0.5.28", **changes: Any) -> dict[str, Any]:
    made = {
        "annotations": {"platform": "linux"},
        "data_format_version": "0.2.0",
        "input": f"https://{HOST}/",
        "measurement_start_time": "2026-11-20 15:37:00",
        "measurement_uid": "20261120153701.123456_RU_webconnectivity_0123456789abcdef",
        "probe_asn": "AS12389",
        "probe_cc": "RU",
        "probe_ip": "127.0.0.1",
        "probe_network_name": "Rostelecom",
        "report_id": "20261120T153659Z_webconnectivity_RU_12389_n1_abcdefghijklmnop",
        "software_name": "ooniprobe-android",
        "software_version": "3.24.0",
        "test_keys": keys,
        "test_name": "web_connectivity",
        "test_runtime": 2.5,
        "test_start_time": "2026-11-20 15:36:59",
        "test_version": version,
    }
    return {**made, **changes}


def line(keys: dict[str, Any], version: str = "0.5.28", **changes: Any) -> bytes:
    return json.dumps(record(keys, version, **changes)).encode()


def query(
    *addresses: str, engine: str = "getaddrinfo", failure: str | None = None, depth: int | None = 0, **changes: Any
) -> dict[str, Any]:
    answers = [{"answer_type": "A", "ipv4": address, "asn": 15133, "ttl": None} for address in addresses]
    where = {"doh": "https://dns.google/dns-query", "udp": "8.8.8.8:53"}.get(engine, "")
    made = {
        "answers": answers or None,
        "engine": engine,
        "failure": failure,
        "hostname": HOST,
        "query_type": "ANY" if engine == "getaddrinfo" else "A",
        "resolver_hostname": None,
        "resolver_port": None,
        "resolver_address": where,
        "t0": 0.001,
        "t": 0.021,
    }
    return {**made, **_tags(depth), **changes}


def connect(
    ip: str = GOOD, port: int = 443, failure: str | None = None, depth: int | None = 0, **changes: Any
) -> dict[str, Any]:
    status = {"success": failure is None, "failure": failure, "blocked": False}
    return {"ip": ip, "port": port, "status": status, "t0": 0.03, "t": 0.05, **_tags(depth), **changes}


def handshake(
    ip: str = GOOD, failure: str | None = None, port: int = 443, depth: int | None = 0, **changes: Any
) -> dict[str, Any]:
    made = {
        "network": "tcp",
        "address": f"{ip}:{port}",
        "cipher_suite": "" if failure else "TLS_AES_128_GCM_SHA256",
        "failure": failure,
        "negotiated_protocol": "" if failure else "h2",
        "no_tls_verify": False,
        "peer_certificates": [] if failure and not failure.startswith("ssl_invalid") else [CERTIFICATE],
        "server_name": HOST,
        "tls_version": "" if failure else "TLSv1.3",
        "t0": 0.05,
        "t": 0.09,
    }
    return {**made, **_tags(depth), **changes}


def request(
    url: str = f"https://{HOST}/",
    code: int = 200,
    body: Any = PAGE,
    failure: str | None = None,
    address: str | None = None,
    headers: list[list[str]] | None = None,
    depth: int | None = 0,
    **changes: Any,
) -> dict[str, Any]:
    """A fetch of version 0.5 where an address is given, else of 0.4."""
    headers = headers if headers is not None else [["Content-Type", "text/html; charset=utf-8"]]
    response = {"body": body, "body_is_truncated": False, "code": code, "headers_list": headers, "headers": {}}
    if failure is not None:
        response = {"body": "", "body_is_truncated": False, "code": 0, "headers_list": [], "headers": {}}
    made = {"failure": failure, "request": {"url": url, "method": "GET"}, "response": response, "t0": 0.1, "t": 0.2}
    where = {"network": "tcp", "address": address} if address else {}
    return {**made, **where, **_tags(depth), **changes}


def control(*addresses: str, port: int = 443, failure: str | None = None, **http: Any) -> dict[str, Any]:
    """The test helper's: all well, or failing in one way at every endpoint."""
    status = {"status": failure is None, "failure": failure}
    answer = {"body_length": len(PAGE), "status_code": 200, "title": "An ordinary page", "headers": {}, "failure": None}
    if failure is not None:
        answer = {"body_length": -1, "status_code": -1, "title": "", "headers": {}, "failure": failure}
    endpoints = [f"{address}:{port}" for address in addresses]
    return {
        "tcp_connect": dict.fromkeys(endpoints, status),
        "tls_handshake": {e: {**status, "server_name": HOST} for e in endpoints} if port == 443 else {},
        "http_request": {**answer, **http},
        "dns": {"failure": None, "addrs": list(addresses)},
    }


def _tags(depth: int | None) -> dict[str, Any]:
    return {} if depth is None else {"tags": [f"depth={depth}", "fetch_body=true"], "transaction_id": 1}


def reachable() -> dict[str, Any]:
    """Version 0.5: all well."""
    return {
        "queries": [query(GOOD), query(GOOD, engine="udp"), query(GOOD, engine="doh")],
        "tcp_connect": [connect()],
        "tls_handshakes": [handshake()],
        "requests": [request(address=f"{GOOD}:443", alpn="h2")],
        "control": control(GOOD),
        "control_failure": None,
        "x_dns_flags": 0,
        "blocking": False,
        "accessible": True,
    }


def older(**changes: Any) -> dict[str, Any]:
    """Version 0.4: no tags, ends of steps alone, all well."""
    made = {
        "queries": [query(GOOD, engine="system", depth=None, query_type="A", t0=None)],
        "tcp_connect": [connect(depth=None, t0=None)],
        "tls_handshakes": [handshake(depth=None, t0=None)],
        "requests": [request(depth=None, t0=None)],
        "control": control(GOOD),
    }
    return {**made, **changes}
