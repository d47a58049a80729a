"""Records for the store's tests, made by hand."""

from __future__ import annotations

import hashlib
from typing import Any

from probe.model import Answer, Dns, Http, Measurement, Observation, Target, Tcp, Tls, Vantage
from results.judge.judged import JudgedMeasurement
from results.judge.verdict import Context, Verdict

HOME = Vantage(name="home-fibre", country="RU", asn=12389)
BODY = b"<html><title>Hello</title>" + b"x" * 20_000
CHAIN = (b"leaf" * 300, b"issuer" * 200)


def target(text: str = "https://www.example.com/", **changes: Any) -> Target:
    host = text.split("/")[2]
    return Target(**{"text": text, "scheme": "https", "host": host, "port": 443, "request_path": "/", **changes})


def observation(measurement_id: str, number: int, step: str, detail: Any, **changes: Any) -> Observation:
    given = {
        "id": f"{measurement_id}.{number}",
        "step": step,
        "role": "main",
        "hop": 0,
        "started_at": "2026-11-24T18:00:00.123Z",
        "offset_s": 0.012345,
        "duration_s": 0.043211,
        "host": "www.example.com",
        "address": "192.0.2.1",
        "port": 443,
        "detail": detail,
    }
    return Observation(**{**given, **changes})


def measurement(measurement_id: str = "2kq7mmmmmmmmmmmm", **changes: Any) -> Measurement:
    answers = (Answer(type="CNAME", value="edge.example.net", ttl=60), Answer(type="A", value="192.0.2.1", ttl=60))
    tls = Tls(
        server_name="www.example.com",
        version="TLSv1.3",
        cipher="TLS_AES_256_GCM_SHA384",
        alpn="h2",
        verify_code=0,
        chain=CHAIN,
        fingerprint=hashlib.sha256(CHAIN[0]).hexdigest(),
    )
    http = Http(
        url="https://www.example.com/",
        status=200,
        version="HTTP/2",
        headers=(("server", "nginx"), ("content-type", "text/html")),
        body=BODY,
        body_sha256=hashlib.sha256(BODY).hexdigest(),
        length=len(BODY),
        truncated=False,
        title="Hello",
    )
    steps = (
        observation(measurement_id, 1, "dns", Dns(resolver="system", query_type="A", rcode=0, answers=answers)),
        observation(measurement_id, 2, "dns", Dns(resolver="system", query_type="AAAA", rcode=0, authenticated=False)),
        observation(measurement_id, 3, "tcp", Tcp(family="ipv4")),
        observation(measurement_id, 4, "tls", tls),
        observation(measurement_id, 5, "http", http),
    )
    given = {
        "id": measurement_id,
        "target": target(),
        "vantage": HOME,
        "started_at": "2026-11-24T18:00:00.000Z",
        "runtime_s": 0.41,
        "observations": steps,
    }
    return Measurement(**{**given, **changes})


def verdict(outcome: Any = "reachable", **changes: Any) -> Verdict:
    given = {
        "outcome": outcome,
        "rules": ("tls.valid",),
        "evidence": ("It answered in full over TLS valid for the name.",),
        "rules_version": "1",
    }
    return Verdict(**{**given, **changes})


def finished(measurement_id: str = "2kq7mmmmmmmmmmmm", outcome: Any = "reachable", **changes: Any) -> JudgedMeasurement:
    given = {
        "measurement": measurement(measurement_id),
        "context": Context(country="RU"),
        "verdict": verdict(outcome),
        "agreement": "undecided",
    }
    return JudgedMeasurement(**{**given, **changes})
