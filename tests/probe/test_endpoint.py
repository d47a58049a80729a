"""Old and odd servers: what our own client refuses is told from what the server refuses, and tried once more."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa

from probe.measure import measure
from probe.model import Measurement
from probe.target import parse
from schedules.demo.authority import Authority
from schedules.demo.listener import Listeners, ServerStream, tcp_socket
from tests.lab import certificates
from tests.lab.blocking_server import serving
from tests.probe.loopback import LOOPBACK, at_most, course, server, session

OAKLEY_GROUP_2 = bytes.fromhex(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"
)
"""A prime of 1024 bits (RFC 2409 section 6.2)."""
DER = b"\x30\x81\x87\x02\x81\x81\x00" + OAKLEY_GROUP_2 + b"\x02\x01\x02"
DH_PARAMETERS = f"-----BEGIN DH PARAMETERS-----\n{base64.encodebytes(DER).decode()}-----END DH PARAMETERS-----\n"
HELLO = b"\x03\x03" + bytes(32) + b"\x00\xc0\x2f\x00"
"""A ServerHello without renegotiation_info (RFC 5746)."""
PASSED = [("tcp", None), ("tls", None), ("http", None)]
TWICE = [("tcp", None), ("tls", "ssl_failed_handshake"), *PASSED]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def measured(port: int, ca_file: object, **changed: object) -> Measurement:
    target = parse(f"https://{LOOPBACK}:{port}/", allow_private=True)
    return await at_most(30, measure(target, session(ca_file=str(ca_file), **changed)))


async def behind(authority: Authority, context: ssl.SSLContext) -> Measurement:
    with serving(context) as port:
        return await measured(port, authority.ca_file)


async def test_a_server_of_tls_1_0_is_read_at_the_second_try(authority: Authority) -> None:
    seen = await behind(authority, certificates.outdated(authority, LOOPBACK))
    assert course(seen) == TWICE
    first, second = (o.detail for o in seen.observations if o.step == "tls")
    assert (first.alert, first.refused, first.lenient) == (70, None, None)
    assert (second.version, second.verify_code, second.lenient) == ("TLSv1", 0, True)


async def test_a_cipher_that_browsers_still_offer_is_read_too(authority: Authority) -> None:
    seen = await behind(authority, certificates.one_cipher(authority, LOOPBACK))
    # Some distributions' Python offers it at once, python.org's leaves it out.
    offered = {cipher["name"] for cipher in ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).get_ciphers()}
    if "ECDHE-ECDSA-AES128-SHA" in offered:
        assert course(seen) == PASSED
    else:
        assert course(seen) == TWICE
        assert seen.observations[1].detail.alert == 40


async def test_a_small_diffie_hellman_key_is_our_own_refusal(tmp_path: Path) -> None:
    ca = trustme.CA(key_type=trustme.KeyType.RSA)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "dh.pem").write_text(DH_PARAMETERS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(LOOPBACK, key_type=trustme.KeyType.RSA).configure_cert(context)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0")
    context.load_dh_params(tmp_path / "dh.pem")
    with serving(context) as port:
        seen = await measured(port, tmp_path / "ca.pem")
    assert course(seen) == TWICE
    assert (seen.observations[1].detail.refused, seen.observations[1].detail.alert) == ("dh_key_too_small", None)


async def test_a_weak_key_in_a_valid_certificate_is_our_own_refusal(authority: Authority) -> None:
    authority._leaf_key = rsa.generate_private_key(65537, 1024)  # type: ignore[assignment]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(authority.pem(LOOPBACK))
    seen = await behind(authority, context)
    assert course(seen) == [("tcp", None), ("tls", "ssl_invalid_certificate"), *PASSED]
    assert (seen.observations[1].detail.refused, seen.observations[1].error_code) == ("ee_key_too_small", 66)


async def test_legacy_renegotiation_is_our_own_refusal(here: Listeners, authority: Authority) -> None:
    async def legacy(stream: ServerStream) -> None:
        await stream.reader.read(4096)
        message = b"\x02" + len(HELLO).to_bytes(3, "big") + HELLO
        await stream.send(b"\x16\x03\x03" + len(message).to_bytes(2, "big") + message)
        await stream.gone()

    seen = await measured(server(here, legacy)[1], authority.ca_file, timeout_s=0.5)
    assert [failure for _, failure in course(seen)] == [None, "ssl_failed_handshake", None, "generic_timeout_error"]
    refused = [o.detail.refused for o in seen.observations if o.step == "tls"]
    assert refused == ["unsafe_legacy_renegotiation_disabled", None]


@pytest.mark.parametrize("alert", [10, 47, 80, 112])
async def test_other_alerts_are_not_tried_again(here: Listeners, authority: Authority, alert: int) -> None:
    async def alerts(stream: ServerStream) -> None:
        await stream.reader.read(4096)
        await stream.send(bytes((0x15, 3, 3, 0, 2, 2, alert)))
        await stream.gone()

    seen = await measured(server(here, alerts)[1], authority.ca_file)
    assert course(seen) == TWICE[:2]
    assert (seen.observations[1].detail.alert, seen.observations[1].detail.refused) == (alert, None)


@pytest.mark.parametrize("junk", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n", bytes(100)])
async def test_what_is_no_tls_is_no_refusal_of_ours(here: Listeners, authority: Authority, junk: bytes) -> None:
    async def answers(stream: ServerStream) -> None:
        await stream.reader.read(4096)
        await stream.send(junk)
        await stream.gone()

    seen = await measured(server(here, answers)[1], authority.ca_file)
    assert course(seen) == TWICE[:2]
    assert seen.observations[1].detail.refused is None


@pytest.mark.parametrize("protocol", ["http/1.1", "h2"])
async def test_a_client_certificate_is_demanded_behind_a_handshake_of_tls_1_3(
    authority: Authority, protocol: str
) -> None:
    context = certificates.demands_certificate(authority, LOOPBACK, version=ssl.TLSVersion.TLSv1_3)
    context.set_alpn_protocols([protocol])
    seen = await behind(authority, context)
    assert course(seen) == [*PASSED[:2], ("http", "ssl_failed_handshake")]
    assert seen.observations[-1].error_code == 116


async def test_a_client_certificate_is_demanded_within_a_handshake_of_tls_1_2(authority: Authority) -> None:
    context = certificates.demands_certificate(authority, LOOPBACK, version=ssl.TLSVersion.TLSv1_2)
    seen = await behind(authority, context)
    failed = next(o for o in seen.observations if o.step == "tls")
    assert (failed.failure, failed.detail.client_certificate) == ("ssl_failed_handshake", True)
    assert failed.detail.alert in (40, 42)
    assert failed.detail.refused is None


async def test_a_server_that_wants_http_1_1_gets_it(here: Listeners, authority: Authority) -> None:
    """HTTP_1_1_REQUIRED (RFC 9113 section 7), which some servers answer to every request over HTTP/2."""

    async def serve(stream: ServerStream) -> None:
        if stream.writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            await stream.reader.readuntil(b"\r\n\r\n")
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            return
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        while data := await stream.reader.read(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    connection.reset_stream(event.stream_id or 1, error_code=13)
            await stream.send(connection.data_to_send())

    context = authority.context(LOOPBACK)
    context.set_alpn_protocols(["h2", "http/1.1"])
    _, port = here.serve_stream(tcp_socket(LOOPBACK), serve, context)
    seen = await measured(port, authority.ca_file)
    assert course(seen) == [*PASSED[:2], ("http", "http_request_failed"), *PASSED]
    assert seen.observations[-1].detail.body == b"ok"
