"""Redaction: whatever is around it, no spelling of an own address or name is left in a record."""

from __future__ import annotations

import hashlib
import re

import msgspec

from probe.model import Dns, Http, Measurement, Observation, Tls, Vantage
from probe.redact.scrub import scrub
from probe.target import parse

INSTRUMENT = ("probe.redact", "probe.net.address_policy")
OWN = ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "02:00:5e:10:00:01", "volunteers-laptop")
SPELLINGS = (
    "93.184.216.34", "93-184-216-34", "093.184.216.034", "34.216.184.93", "1572395042", "5db8d822", "0x5DB8D822",
    "::ffff:93.184.216.34", "::ffff:5db8:d822", "2606:2800:220:1:248:1893:25c8:1946",
    "2606:2800:0220:0001:0248:1893:25c8:1946", "2606:2800:220:1::7", "2606%3a2800%3a220%3a1%3a248%3a1893%3a25c8%3a1946",
    "02:00:5e:10:00:01", "02-00-5E-10-00-01", "02005e100001", "volunteers-laptop", "Volunteers-Laptop",
)  # fmt: skip
BESIDE = " /?=&\"'<>()[],;|\n\t"
"""Beside these no spelling is part of something longer."""
HOST = "www.site.example"


def check(data: bytes) -> None:
    if len(data) < 3:
        return
    spelling = SPELLINGS[data[0] % len(SPELLINGS)]
    mark = BESIDE[data[1] % len(BESIDE)]
    at = data[2] % (len(data) - 2)
    around = data[3:]
    own = f"{mark}{spelling}{mark}".encode()
    body = around[:at] + own + around[at:]
    text = body.decode("utf-8", "replace")
    measured = _measurement(text, body)
    clean = scrub(measured, frozenset(OWN))
    assert scrub(clean, frozenset(OWN)) == clean
    assert len(_http(clean).body or b"") == len(body)
    assert _http(clean).body_sha256 == hashlib.sha256(_http(clean).body or b"").hexdigest()
    left = msgspec.json.encode(clean).decode("utf-8", "replace") + (_http(clean).body or b"").decode("latin-1")
    looked_for = re.compile(f"(?<![0-9a-z_.:%-]){re.escape(spelling)}(?![0-9a-z_.:-])", re.IGNORECASE)
    assert looked_for.search(left) is None, left[:500]


def _http(measurement: Measurement) -> Http:
    found: Http = measurement.observations[0].detail
    return found


def _measurement(text: str, body: bytes) -> Measurement:
    answer = Http(
        url=f"http://{HOST}/{text}",
        status=200,
        headers=(("X-Seen", text), (text, "x")),
        location=text,
        body=body,
        body_sha256=hashlib.sha256(body).hexdigest(),
        length=len(body),
        title=text,
    )
    details = (
        ("http", answer),
        ("dns", Dns(resolver=text, query_type="A")),
        ("tls", Tls(server_name=text, chain=(body,), fingerprint=hashlib.sha256(body).hexdigest())),
    )
    observations = tuple(
        Observation(
            id=f"m.{number}",
            step=step,
            role="main",
            hop=0,
            started_at="2026-11-20T15:37:00Z",
            offset_s=0.0,
            duration_s=0.1,
            host=HOST,
            error=text,
            detail=detail,
        )
        for number, (step, detail) in enumerate(details)
    )
    return Measurement(
        id="mmmm",
        target=parse(f"http://{HOST}/"),
        vantage=Vantage(name="home"),
        started_at="2026-11-20T15:37:00Z",
        runtime_s=0.1,
        observations=observations,
    )


SEEDS = tuple(
    bytes([number, number * 3, number * 5]) + text
    for number, text in enumerate(
        4
        * [
            b"Your IP is ",
            "ваш адрес: ".encode("cp1251"),
            b"?ip%3d&x=%3A",
            b":::: 198.51.100.1 1.2.3.4.5",
            b"\xff\xfe\0a",
        ]
    )
)
