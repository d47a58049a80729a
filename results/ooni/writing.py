"""Our measurements in OONI's data format 0.2.0, as web_connectivity 0.5, and such exports read back unchanged.

The main steps are in OONI's own lists, follow-ups in `x_reachprobe_follow_ups`, lists of the same shape, like OONI's
`x_doh`; controls in full in `x_reachprobe_controls`, and the first one also as OONI's `control`. What OONI has no place
for is in each entry's `x_reachprobe`, and in that of the test keys.

| our verdict | blocking | accessible | because in OONI |
|---|---|---|---|
| reachable | false | true | nothing interfered |
| blocked by dns.* | "dns" | false | |
| blocked by tcp.* | "tcp_ip" | false | |
| blocked by http.blockpage | "http-diff" | false | another page came than the control's |
| blocked in any other way | "http-failure" | false | it has no word of its own for TLS, QUIC and throttling |
| down, denied | false | false | it does not work, and nothing in between is the cause |
| offline, inconclusive | null | null | the measurement shows nothing |
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from probe.model import Http, Measurement, Observation
from probe.net.address_policy import literal
from probe.target import authority
from probe.timestamps import parse_time
from results.db.json_codec import from_plain, to_plain
from results.db.jsonl import BadRecord
from results.judge.failure_point import ending
from results.judge.input import answers_for, failure_of
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.judge.verdict import Evidence, Verdict
from results.ooni.format import NOWHERE

WRITTEN: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("written.json").read_text("utf-8"))
"""The values that are always the same; `test_version` is the Web Connectivity whose shape this is."""
ALIKE = 0.7
MAX_SIGNALS_TEXT = 4000
"""ts-017: bodies match where the shorter has more than this share of the longer one's length."""
KEY = "x_reachprobe"
FOLLOW_UPS, CONTROLS, OTHER = f"{KEY}_follow_ups", f"{KEY}_controls", f"{KEY}_steps"
LISTS = ("queries", "tcp_connect", "tls_handshakes", "requests", OTHER)
BLOCKING = {"dns": "dns", "resolver": "dns", "tcp": "tcp_ip"}
ENGINES = {"https": "doh", "tls": "dot", "tcp": "tcp", "udp": "udp"}
NOTHING_IN_BETWEEN = ("reachable", "down", "denied")


def write(finished: JudgedMeasurement, round_: RoundRecord | None) -> dict[str, Any]:
    """The record as OONI's readers take it."""
    measurement, vantage, target = finished.measurement, finished.measurement.vantage, finished.measurement.target
    started = parse_time(measurement.started_at)
    began = parse_time(round_.started_at) if round_ else started
    return WRITTEN["record"] | {
        "annotations": _annotations(finished),
        "input": f"{target.scheme}://{authority(target.scheme, target.host, target.port)}{target.request_path or ''}",
        "measurement_start_time": _time(started),
        "probe_asn": f"AS{vantage.asn or 0}",
        "probe_cc": vantage.country or NOWHERE,
        "probe_network_name": vantage.network_name or "",
        "report_id": (round_.id if round_ else "").removeprefix("ooni:"),
        "software_version": _own_version(),
        "test_keys": _test_keys(finished, round_),
        "test_runtime": measurement.runtime_s,
        "test_start_time": _time(began),
    }


def blocking(verdict: Verdict) -> str | bool | None:
    """OONI's `blocking`, by the table above."""
    if verdict.outcome == "blocked":
        method = verdict.method or ""
        return "http-diff" if method == "http.blockpage" else BLOCKING.get(method.split(".")[0], "http-failure")
    return False if verdict.outcome in NOTHING_IN_BETWEEN else None


def restore(keys: Any) -> tuple[JudgedMeasurement, RoundRecord | None]:
    """The measurement in an export of our own, from its test keys. BadRecord where these are not as we write them."""
    try:
        plain = dict(keys[KEY])
        plain["measurement"] = plain["measurement"] | {"observations": _own_records(keys, keys[FOLLOW_UPS])}
        plain["controls"] = [lists[KEY] | {"observations": _own_records(lists)} for lists in keys[CONTROLS]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRecord(
            "test_keys.{key}: not in reachprobe's format ({error})", key=KEY, error=type(error).__name__
        ) from error
    return from_plain(plain)


def _own_records(*holders: dict[str, Any]) -> list[dict[str, Any]]:
    """Every entry's own record, in the order in which they were observed."""
    records = [_own_record(name, entry) for holder in holders for name in LISTS for entry in holder.get(name) or ()]
    return [record for _, record in sorted(records, key=lambda pair: int(pair[0]))]


def _own_record(name: str, entry: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    own = dict(entry[KEY])
    detail = dict(own["detail"])
    if name == "tls_handshakes" and "chain" not in detail:
        detail["chain"] = [certificate["data"] for certificate in entry["peer_certificates"]]
    if name == "requests":
        response = entry["response"]
        if "headers" not in detail:
            detail["headers"] = response["headers_list"]
        if "body" not in detail:
            body = response["body"]
            detail["body"] = body["data"] if isinstance(body, dict) else b64encode(body.encode()).decode()
    return own.pop("place"), own | {"detail": detail}


def _test_keys(finished: JudgedMeasurement, round_: RoundRecord | None) -> dict[str, Any]:
    measurement, verdict = finished.measurement, finished.verdict
    placed = list(enumerate(measurement.observations))
    plain = to_plain(finished, round_)
    for record in (plain["measurement"], *plain["controls"]):
        del record["observations"]
    controls = [
        {KEY: record, **_lists(enumerate(control.observations), None)}
        for record, control in zip(plain.pop("controls"), finished.controls, strict=True)
    ]
    blocked_by = blocking(verdict)
    return WRITTEN["test_keys"] | {
        **_lists(((n, o) for n, o in placed if o.role == "main"), verdict.method),
        "control": _control(finished.controls[0]) if finished.controls else None,
        **_comparison(finished),
        "accessible": None if blocked_by is None else verdict.outcome == "reachable",
        "blocking": blocked_by,
        FOLLOW_UPS: _lists(((n, o) for n, o in placed if o.role != "main"), None),
        CONTROLS: controls,
        KEY: plain,
    }


def _lists(placed: Iterable[tuple[int, Observation]], method: str | None) -> dict[str, list[dict[str, Any]]]:
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
        # `_handshake` and `_exchange` remove from it what OONI has a place for.
        own: dict[str, Any] = msgspec.to_builtins(observation) | {"place": place}
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
    return (
        WRITTEN["query"]
        | known
        | {
            "answers": answers or None,
            "engine": engine,
            "hostname": observation.host,
            "query_type": dns.query_type,
            "resolver_address": where,
        }
    )


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
        "address": _known_endpoint(observation),
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
    address = _known_endpoint(observation)
    return ({} if address is None else {"address": address}) | {
        "network": "tcp",
        "alpn": "h2" if http.version == "HTTP/2" else "http/1.1",
        "request": WRITTEN["request"] | {"url": http.url},
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


def _known_endpoint(observation: Observation) -> str | None:
    return None if observation.address is None or observation.port is None else _endpoint(observation)


def _endpoint(observation: Observation) -> str:
    address = f"[{observation.address}]" if ":" in (observation.address or "") else observation.address
    return f"{address}:{observation.port}"


def _annotations(finished: JudgedMeasurement) -> dict[str, str]:
    """The verdict for readers of OONI's keys only; all values are text, as in OONI."""
    verdict, vantage = finished.verdict, finished.measurement.vantage
    values = {
        "outcome": verdict.outcome,
        "method": verdict.method,
        "trigger": verdict.trigger,
        "confidence": verdict.confidence,
        "rules": ",".join(verdict.rules),
        "rules_version": verdict.rules_version,
        "signals": _signals(verdict),
        "agreement": finished.agreement,
        "path": vantage.path,
        "service": finished.measurement.target.service,
    }
    return {f"reachprobe_{key}": value for key, value in values.items() if value is not None}


def _signals(verdict: Verdict) -> str:
    """The evidence as JSON, as many pieces as fit."""
    found = [piece for piece in verdict.evidence if isinstance(piece, Evidence)]
    texts = [msgspec.json.encode(found[:count]).decode() for count in range(len(found), -1, -1)]
    return next(text for text in texts if len(text) <= MAX_SIGNALS_TEXT or text == "[]")


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _own_version() -> str:
    try:
        return version("reachprobe")
    except PackageNotFoundError:
        return "0"


def _control(control: Measurement) -> dict[str, Any]:
    """A control measurement as OONI's test helper would report it."""
    main = [o for o in control.observations if o.role == "main"]
    return {
        "tcp_connect": {_endpoint(o): _status(o) for o in main if o.step == "tcp" and o.address and o.hop == 0},
        "tls_handshake": {
            _endpoint(o): _status(o) | {"server_name": o.detail.server_name or ""}
            for o in main
            if o.step == "tls" and o.address and o.hop == 0
        },
        "http_request": _control_http(control),
        "dns": _control_dns([o for o in main if o.step == "dns" and o.hop == 0]),
    }


def _status(observation: Observation) -> dict[str, Any]:
    return {"status": observation.failure is None, "failure": observation.failure}


def _control_http(control: Measurement) -> dict[str, Any]:
    answer = _final_answer(control)
    if answer is None:
        return WRITTEN["control_failed"] | {"failure": _final_failure(control)}
    return {
        "body_length": answer.length or 0,
        "failure": None,
        "title": answer.title or "",
        "headers": dict(reversed(answer.headers)),
        "status_code": answer.status or -1,
    }


def _control_dns(lookups: list[Observation]) -> dict[str, Any]:
    failed = failure_of(lookups, "main")
    addresses = dict.fromkeys(address for o in lookups if o.failure is None for address in o.detail.addresses)
    return {"failure": failed.failure if failed else None, "addrs": list(addresses)}


def _comparison(finished: JudgedMeasurement) -> dict[str, Any]:
    """`dns_consistency`, the `…_match` keys and the experiment's failures; None where nothing is known."""
    measurement = finished.measurement
    ours = _final_answer(measurement)
    theirs = _final_answer(finished.controls[0]) if finished.controls else None
    proportion = title_match = status_match = None
    if ours is not None and theirs is not None:
        status_match = ours.status == theirs.status
        title_match = ours.title == theirs.title if ours.title and theirs.title else None
        if ours.length and theirs.length:
            proportion = min(ours.length, theirs.length) / max(ours.length, theirs.length)
    lookup = failure_of([o for o in measurement.observations if o.step == "dns" and o.hop == 0], "main")
    return {
        "dns_consistency": _dns_consistency(finished),
        "dns_experiment_failure": lookup.failure if lookup else None,
        "http_experiment_failure": _final_failure(measurement),
        "body_length_match": proportion > ALIKE if proportion is not None else None,
        "body_proportion": proportion or 0.0,
        "status_code_match": status_match,
        "title_match": title_match,
    }


def _dns_consistency(finished: JudgedMeasurement) -> str | None:
    if literal(finished.measurement.target.host):
        return "consistent"
    if (finished.verdict.method or "").startswith("dns."):
        return "inconsistent"
    answers = answers_for(finished.measurement.observations, 0)
    if answers is None:
        return None
    return "consistent" if answers.confirmed else "inconsistent" if answers.contradicted else None


def _final_answer(measurement: Measurement) -> Http | None:
    """The answer at the end of the redirect chain."""
    end = ending(measurement.target, measurement.observations)
    answer = end.observation.detail if end.complete and end.observation else None
    return answer if isinstance(answer, Http) else None


def _final_failure(measurement: Measurement) -> str | None:
    end = ending(measurement.target, measurement.observations)
    return end.observation.failure if end.observation and not end.complete else None
