"""Our measurements in OONI's data format 0.2.0, as web_connectivity 0.5.

The main steps are in OONI's own lists, follow-ups in `x_reachprobe_follow_ups`, lists of the same shape, like OONI's
`x_doh`; controls in full in `x_reachprobe_controls`, and the first one also as OONI's `control`. What
OONI has no place for is each entry's `x_reachprobe`, and that of the test keys, from which `restoring` makes the very
same records again.

| our verdict | blocking | accessible | because in OONI |
|---|---|---|---|
| reachable | false | true | nothing was in the way |
| blocked by dns.* | "dns" | false | |
| blocked by tcp.* | "tcp_ip" | false | |
| blocked by http.blockpage | "http-diff" | false | another page came than the control's |
| blocked in any other way | "http-failure" | false | it has no word of its own for TLS, QUIC and throttling |
| down, denied | false | false | it does not work, and nobody in between is the cause: so OONI has sites that are down |
| offline, inconclusive | null | null | a measurement that tells nothing |
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from probe.model import Measurement, Observation
from probe.target import authority
from probe.timestamps import parse_time
from results.db.json_codec import to_plain
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.judge.verdict import Verdict
from results.ooni.comparing import compared, control_of
from results.ooni.vocabulary import NOWHERE

TEST_VERSION = "0.5.28"
"""The version of Web Connectivity whose shape this is."""
KEY = "x_reachprobe"
FOLLOW_UPS, CONTROLS, OTHER = f"{KEY}_follow_ups", f"{KEY}_controls", f"{KEY}_steps"
BLOCKING = {"dns": "dns", "tcp": "tcp_ip"}
ENGINES = {"https": "doh", "tls": "dot", "tcp": "tcp", "udp": "udp"}
NOTHING_IN_BETWEEN = ("reachable", "down", "denied")


def write(finished: JudgedMeasurement, round_: RoundRecord | None) -> dict[str, Any]:
    """The record as OONI's readers take it."""
    measurement, vantage = finished.measurement, finished.measurement.vantage
    started = parse_time(measurement.started_at)
    began = parse_time(round_.started_at) if round_ else started
    return {
        "annotations": _annotations(finished),
        "data_format_version": "0.2.0",
        "extensions": {"dnst": 0, "httpt": 0, "netevents": 0, "tcpconnect": 0, "tlshandshake": 0},
        "input": _input(measurement),
        "measurement_start_time": _time(started),
        "probe_asn": f"AS{vantage.asn or 0}",
        "probe_cc": vantage.country or NOWHERE,
        "probe_ip": "127.0.0.1",
        "probe_network_name": vantage.network_name or "",
        "report_id": (round_.id if round_ else "").removeprefix("ooni:"),
        "software_name": "reachprobe",
        "software_version": _own_version(),
        "test_keys": _test_keys(finished, round_),
        "test_name": "web_connectivity",
        "test_runtime": measurement.runtime_s,
        "test_start_time": _time(began),
        "test_version": TEST_VERSION,
    }


def blocking(verdict: Verdict) -> str | bool | None:
    """OONI's `blocking`, by the table above."""
    if verdict.outcome == "blocked":
        method = verdict.method or ""
        return "http-diff" if method == "http.blockpage" else BLOCKING.get(method.split(".")[0], "http-failure")
    return False if verdict.outcome in NOTHING_IN_BETWEEN else None


def accessible(verdict: Verdict) -> bool | None:
    """OONI's `accessible`, by the table above."""
    return None if blocking(verdict) is None else verdict.outcome == "reachable"


def _test_keys(finished: JudgedMeasurement, round_: RoundRecord | None) -> dict[str, Any]:
    measurement, verdict = finished.measurement, finished.verdict
    course = [(n, o) for n, o in enumerate(measurement.observations) if o.role == "main"]
    others = [(n, o) for n, o in enumerate(measurement.observations) if o.role != "main"]
    plain = to_plain(finished, round_)
    for one in (plain["measurement"], *plain["controls"]):
        del one["observations"]
    controls = [
        {KEY: told, **_lists(list(enumerate(control.observations)), None)}
        for told, control in zip(plain.pop("controls"), finished.controls, strict=True)
    ]
    return {
        "agent": "redirect",
        "client_resolver": None,
        "retries": None,
        "socksproxy": None,
        "network_events": None,
        **_lists(course, verdict.method),
        "control": control_of(finished),
        "control_failure": None,
        **compared(finished),
        "accessible": accessible(verdict),
        "blocking": blocking(verdict),
        FOLLOW_UPS: _lists(others, None),
        CONTROLS: controls,
        KEY: plain,
    }


def _lists(placed: Sequence[tuple[int, Observation]], method: str | None) -> dict[str, list[dict[str, Any]]]:
    """OONI's four lists, and one for the steps that it has none for; the last request comes first."""
    lists: dict[str, list[dict[str, Any]]] = {"queries": [], "tcp_connect": [], "tls_handshakes": [], "requests": []}
    rest: list[dict[str, Any]] = []
    transactions: dict[tuple[Any, ...], int] = {}
    for place, observation in placed:
        entry: dict[str, Any] = {
            "t0": observation.offset_s,
            "t": observation.offset_s + observation.duration_s,
            "failure": observation.failure,
            "tags": _tags(observation),
            "transaction_id": transactions.setdefault(_endpoint_key(place, observation), len(transactions) + 1),
        }
        own = _own(observation) | {"place": place}
        if observation.step == "dns":
            lists["queries"].append(entry | _query(observation) | {KEY: own})
        elif observation.step == "tcp" and observation.address is not None and observation.port is not None:
            status = {"failure": entry.pop("failure"), "success": observation.failure is None}
            status["blocked"] = observation.failure is not None and (method or "").startswith("tcp.")
            connect = {"ip": observation.address, "port": observation.port, "status": status}
            lists["tcp_connect"].append(entry | connect | {KEY: own})
        elif observation.step == "tls":
            lists["tls_handshakes"].append(entry | _handshake(observation, own["detail"]) | {KEY: own})
        elif observation.step == "http":
            lists["requests"].insert(0, entry | _exchange(observation, own["detail"]) | {KEY: own})
        else:
            rest.append({KEY: own})
    return lists | ({OTHER: rest} if rest else {})


def _tags(observation: Observation) -> list[str]:
    """OONI's tag for what alone it concludes from, its hop, and whether the page was what it was for (ts-017)."""
    main = observation.role == "main"
    return [*(["classic"] if main else []), f"depth={observation.hop}", f"fetch_body={str(main).lower()}"]


def _own(observation: Observation) -> dict[str, Any]:
    """The observation as plain values; `_handshake` and `_exchange` take out of it what OONI has a place for."""
    own: dict[str, Any] = msgspec.to_builtins(observation)
    return own


def _endpoint_key(place: int, observation: Observation) -> tuple[Any, ...]:
    """What shares a transaction: all steps at one endpoint of a hop; each look-up has one of its own (ts-017)."""
    if observation.step == "dns":
        return (place,)
    return observation.role, observation.hop, observation.address, observation.port


def _query(observation: Observation) -> dict[str, Any]:
    dns = observation.detail
    engine, where = _engine(dns.resolver)
    named = {"A": "ipv4", "AAAA": "ipv6", "CNAME": "hostname"}
    answers = [
        {"answer_type": answer.type, named[answer.type]: answer.value, "ttl": answer.ttl}
        for answer in dns.answers
        if answer.type in named
    ]
    known = {} if dns.rcode is None else {"rcode": dns.rcode}
    return known | {
        "answers": answers or None,
        "engine": engine,
        "hostname": observation.host,
        "query_type": dns.query_type,
        "resolver_address": where,
        "resolver_hostname": None,
        "resolver_port": None,
    }


def _engine(resolver: str) -> tuple[str, str]:
    """OONI's engine and address. The machine's own resolver is `system` there, since only such look-ups are classic."""
    scheme, _, where = resolver.partition("://")
    if scheme in ENGINES:
        return ENGINES[scheme], resolver if scheme == "https" else where
    return (resolver if resolver in ("system", "getaddrinfo") else "unknown"), ""


def _handshake(observation: Observation, own: dict[str, Any]) -> dict[str, Any]:
    tls = observation.detail
    if tls.chain:
        del own["chain"]
    return {
        "network": "tcp",
        "address": _endpoint(observation),
        "cipher_suite": tls.cipher or "",
        "negotiated_protocol": tls.alpn or "",
        "no_tls_verify": observation.failure is None and tls.verify_code != 0,
        "peer_certificates": [{"format": "base64", "data": b64encode(der).decode()} for der in tls.chain],
        "server_name": tls.server_name or "",
        "tls_version": tls.version or "",
    }


def _exchange(observation: Observation, own: dict[str, Any]) -> dict[str, Any]:
    http = observation.detail
    if http.body is not None:
        del own["body"]
    if http.headers:
        del own["headers"]
    address = _endpoint(observation)
    return ({} if address is None else {"address": address}) | {
        "network": "tcp",
        "alpn": "h2" if http.version == "HTTP/2" else "http/1.1",
        "request": {
            "body": "",
            "body_is_truncated": False,
            "headers": {},
            "headers_list": [],
            "method": "GET",
            "tor": {"exit_ip": None, "exit_name": None, "is_tor": False},
            "url": http.url,
            "x_transport": "tcp",
        },
        "response": {
            "body": _maybe_binary(http.body or b""),
            "body_is_truncated": bool(http.truncated),
            "code": http.status or 0,
            "headers": dict(reversed(http.headers)),
            "headers_list": [list(pair) for pair in http.headers],
        },
    }


def _maybe_binary(data: bytes) -> str | dict[str, str]:
    """Text where it is text, else base64; a NUL is text that many a reader cannot store."""
    try:
        if b"\0" not in data:
            return data.decode()
    except UnicodeDecodeError:
        pass
    return {"format": "base64", "data": b64encode(data).decode()}


def _endpoint(observation: Observation) -> str | None:
    if observation.address is None or observation.port is None:
        return None
    address = f"[{observation.address}]" if ":" in observation.address else observation.address
    return f"{address}:{observation.port}"


def _input(measurement: Measurement) -> str:
    target = measurement.target
    return f"{target.scheme}://{authority(target.scheme, target.host, target.port)}{target.request_path or ''}"


def _annotations(finished: JudgedMeasurement) -> dict[str, str]:
    """The verdict for readers of OONI's keys only; all values are text, as in OONI."""
    verdict, vantage = finished.verdict, finished.measurement.vantage
    told = {
        "outcome": verdict.outcome,
        "method": verdict.method,
        "trigger": verdict.trigger,
        "confidence": verdict.confidence,
        "rules": ",".join(verdict.rules),
        "rules_version": verdict.rules_version,
        "agreement": finished.agreement,
        "path": vantage.path,
        "service": finished.measurement.target.service,
    }
    return {f"reachprobe_{key}": value for key, value in told.items() if value is not None}


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _own_version() -> str:
    try:
        return version("reachprobe")
    except PackageNotFoundError:
        return "0"
