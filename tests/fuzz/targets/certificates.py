"""Certificates that strangers present: a hub's pinned key, the end in the metrics, the record of a QUIC handshake."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from probe.http.api_client import NotAnswered, public_key
from probe.steps.quic import Client, Quic
from results.db.read import NewestMeasurement
from schedules.metrics.metrics import _not_after
from tests.fuzz.targets import can_be_stored

INSTRUMENT = ("probe.http.api_client", "probe.steps.quic", "schedules.metrics.metrics")
VERSION = b"\xa0\x03\x02\x01\x02"


def check(data: bytes) -> None:
    try:
        assert len(public_key(data)) == 64
    except NotAnswered:
        pass
    end = _not_after(_presented(data))
    assert end is None or isinstance(end, float)
    try:
        leaf = x509.load_der_x509_certificate(data)
    except Exception:
        return
    connection = SimpleNamespace(tls=SimpleNamespace(_peer_certificate=leaf, _peer_certificate_chain=[leaf]))
    recorded = Client(cast(Any, connection)).describe(Quic(server_name="a.example"), verify=True, error=EOFError())
    assert len(recorded.chain) == 2
    can_be_stored(recorded)


def _presented(certificate: bytes) -> NewestMeasurement:
    return NewestMeasurement(
        target="https://a.example/",
        service=None,
        at="2026-11-24T18:00:00Z",
        runtime_s=0.1,
        outcome="reachable",
        method=None,
        steps_s={},
        status=200,
        certificate=certificate,
    )


@cache
def _leaves() -> tuple[bytes, ...]:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    made = (authority.issue_cert("a.example", "*.b.example"), authority.issue_cert("192.0.2.1"))
    return tuple(
        x509.load_pem_x509_certificate(one.cert_chain_pems[0].bytes()).public_bytes(Encoding.DER) for one in made
    )


SEEDS = (*_leaves(), _leaves()[0].replace(VERSION, VERSION[:4] + b"\x04", 1), b"0\x82\x01\x00", b"")
