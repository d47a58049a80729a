"""What OONI derives from a measurement and its control: the `control` object, and the keys that compare the two."""

from __future__ import annotations

from typing import Any

from probe.model import Http, Measurement, Observation
from probe.net.address_policy import literal
from results.judge.failure_point import ending
from results.judge.input import answers_for, failure_of
from results.judge.judged import JudgedMeasurement

ALIKE = 0.7
"""ts-017: bodies match where the shorter has more than this share of the longer one's length."""


def control_of(finished: JudgedMeasurement) -> dict[str, Any] | None:
    """The first control as OONI's test helper would tell it; None where there is none."""
    if not finished.controls:
        return None
    control = finished.controls[0]
    main = [o for o in control.observations if o.role == "main"]
    return {
        "tcp_connect": {_endpoint(o): _status(o) for o in main if o.step == "tcp" and o.address and o.hop == 0},
        "tls_handshake": {
            _endpoint(o): _status(o) | {"server_name": o.detail.server_name or ""}
            for o in main
            if o.step == "tls" and o.address and o.hop == 0
        },
        "http_request": _http(control),
        "dns": _dns(main),
    }


def compared(finished: JudgedMeasurement) -> dict[str, Any]:
    """`dns_consistency`, the `…_match` keys and the experiment's failures; None where there is nothing to say."""
    measurement = finished.measurement
    end = ending(measurement.target, measurement.observations)
    ours = _answered(measurement)
    theirs = _answered(finished.controls[0]) if finished.controls else None
    both = ours is not None and theirs is not None
    proportion = _proportion(ours, theirs)
    titles = (ours.title, theirs.title) if ours is not None and theirs is not None else (None, None)
    asked = [o for o in measurement.observations if o.step == "dns" and o.hop == 0]
    lookup = failure_of(asked, "main")
    return {
        "dns_consistency": _consistency(finished),
        "dns_experiment_failure": lookup.failure if lookup else None,
        "http_experiment_failure": end.observation.failure if end.observation and not end.complete else None,
        "body_length_match": proportion > ALIKE if proportion is not None else None,
        "body_proportion": proportion or 0.0,
        "headers_match": None,
        "status_code_match": ours.status == theirs.status if both and ours and theirs else None,
        "title_match": titles[0] == titles[1] if all(titles) else None,
    }


def _consistency(finished: JudgedMeasurement) -> str | None:
    measurement, verdict = finished.measurement, finished.verdict
    if literal(measurement.target.host):
        return "consistent"
    if (verdict.method or "").startswith("dns."):
        return "inconsistent"
    answers = answers_for(measurement.observations, 0)
    if answers is None:
        return None
    return "consistent" if answers.confirmed else "inconsistent" if answers.contradicted else None


def _answered(measurement: Measurement) -> Http | None:
    """The answer that the course ended with."""
    end = ending(measurement.target, measurement.observations)
    answer = end.observation.detail if end.complete and end.observation else None
    return answer if isinstance(answer, Http) else None


def _proportion(ours: Http | None, theirs: Http | None) -> float | None:
    if ours is None or theirs is None or not ours.length or not theirs.length:
        return None
    return min(ours.length, theirs.length) / max(ours.length, theirs.length)


def _http(control: Measurement) -> dict[str, Any]:
    answer, end = _answered(control), ending(control.target, control.observations)
    failure = end.observation.failure if end.observation is not None and not end.complete else None
    if answer is None:
        return {"body_length": -1, "failure": failure, "title": "", "headers": {}, "status_code": -1}
    return {
        "body_length": answer.length or 0,
        "failure": None,
        "title": answer.title or "",
        "headers": dict(reversed(answer.headers)),
        "status_code": answer.status or -1,
    }


def _dns(main: list[Observation]) -> dict[str, Any]:
    asked = [o for o in main if o.step == "dns" and o.hop == 0]
    failed = failure_of(asked, "main")
    addresses = dict.fromkeys(address for o in asked if o.failure is None for address in o.detail.addresses)
    return {"failure": failed.failure if failed else None, "addrs": list(addresses)}


def _status(observation: Observation) -> dict[str, Any]:
    return {"status": observation.failure is None, "failure": observation.failure}


def _endpoint(observation: Observation) -> str:
    address = f"[{observation.address}]" if ":" in (observation.address or "") else observation.address
    return f"{address}:{observation.port}"
