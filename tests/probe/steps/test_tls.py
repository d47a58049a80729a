"""One TLS handshake, with good servers, bad ones, and censors in between."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable

import pytest
import trustme
from cryptography import x509

from probe.model import Observation
from probe.net.streams import MAX_HANDSHAKE_BYTES
from probe.steps import tcp, tls
from schedules.demo.authority import Authority
from schedules.demo.listener import Address, Listeners, ServerStream, tcp_socket
from tests.lab import certificates
from tests.probe.loopback import (
    LOOPBACK,
    NAME,
    QUICK_S,
    Handler,
    about,
    at_most,
    forever,
    new_log,
    server,
    settings,
)


@pytest.fixture
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def handshake(
    address: Address, authority: Authority | None = None, name: str = NAME, host: str = NAME, **changed: object
) -> Observation:
    log, whom = new_log(), about(address, host)
    wanted = settings(**({"ca_file": str(authority.ca_file)} if authority else {}) | changed)
    _, stream = await tcp.connect(log, whom, wanted)
    assert stream is not None
    seen, secured = await tls.handshake(log, whom, stream, name, wanted)
    assert (secured is None) == (seen.failure is not None)
    if secured is not None:
        secured.close()
    return seen


def tls_server(here: Listeners, context: ssl.SSLContext) -> Address:
    return here.serve_stream(tcp_socket(LOOPBACK), forever, context)


async def test_a_certificate_valid_for_the_name(here: Listeners, authority: Authority) -> None:
    seen = await handshake(tls_server(here, authority.context(NAME)), authority)
    detail = seen.detail
    assert (seen.failure, detail.verify_code, detail.server_name, detail.alpn) == (None, 0, NAME, "http/1.1")
    assert (detail.version, detail.alert) == ("TLSv1.3", None)
    assert detail.fingerprint == hashlib.sha256(detail.chain[0]).hexdigest()


async def test_tls_1_2_is_spoken_too(here: Listeners, authority: Authority) -> None:
    context = authority.context(NAME)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    seen = await handshake(tls_server(here, context), authority)
    assert (seen.failure, seen.detail.version) == (None, "TLSv1.2")


@pytest.mark.parametrize(
    ("make", "failure", "code"),
    [
        (lambda a: a.expired(NAME), "ssl_invalid_certificate", 10),
        (lambda a: certificates.not_yet_valid(a, NAME), "ssl_invalid_certificate", 9),
        (lambda a: a.context("other.x.test"), "ssl_invalid_hostname", 62),
        (lambda a: a.context(NAME, self_signed=True), "ssl_unknown_authority", 18),
    ],
)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_bad_certificate_is_named_by_its_code_and_kept(
    here: Listeners,
    authority: Authority,
    make: Callable[[Authority], ssl.SSLContext],
    failure: str,
    code: int,
    version: ssl.TLSVersion,
) -> None:
    context = make(authority)
    context.maximum_version = version
    seen = await handshake(tls_server(here, context), authority)
    assert (seen.failure, seen.error_code, seen.detail.verify_code) == (failure, code, code)
    assert x509.load_der_x509_certificate(seen.detail.chain[0]).subject.rfc4514_string() in (
        f"CN={NAME}", "CN=other.x.test",
    )  # fmt: skip
    assert seen.detail.fingerprint is not None


async def test_an_authority_that_nobody_trusts(here: Listeners, authority: Authority) -> None:
    seen = await handshake(tls_server(here, authority.context(NAME)))
    assert (seen.failure, seen.detail.verify_code, len(seen.detail.chain)) == ("ssl_unknown_authority", 20, 1)


async def test_a_name_in_the_common_name_alone_does_not_count(
    here: Listeners, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cn")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.x.test", common_name=NAME).configure_cert(context)
    address = tls_server(here, context)
    seen = await handshake(address, ca_file=str(folder / "ca.pem"))
    assert (seen.failure, seen.detail.verify_code) == ("ssl_invalid_hostname", 62)


async def test_an_intermediate_that_was_sent_is_kept(here: Listeners, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("chain")
    root = trustme.CA()
    root.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    root.create_child_ca().issue_cert(NAME).configure_cert(context)
    seen = await handshake(tls_server(here, context), ca_file=str(folder / "ca.pem"))
    assert (seen.failure, len(seen.detail.chain)) == (None, 2)


async def test_an_address_is_verified_as_one_and_sends_no_name(here: Listeners, authority: Authority) -> None:
    seen = await handshake(tls_server(here, authority.context(LOOPBACK)), authority, LOOPBACK, LOOPBACK)
    assert (seen.failure, seen.detail.server_name, seen.detail.verify_code) == (None, None, 0)
    seen = await handshake(tls_server(here, authority.context(NAME)), authority, LOOPBACK, LOOPBACK)
    assert (seen.failure, seen.error_code) == ("ssl_invalid_hostname", 64)


async def test_an_innocent_name_is_sent_but_not_verified(here: Listeners, authority: Authority) -> None:
    seen = await handshake(tls_server(here, authority.context(NAME)), authority, "innocent.x.test")
    assert (seen.failure, seen.detail.server_name, seen.detail.verify_code) == (None, "innocent.x.test", None)
    assert len(seen.detail.chain) == 1
    assert seen.host == NAME


async def hello_then(act: Callable[[ServerStream], Awaitable[None]], stream: ServerStream) -> None:
    assert (await stream.reader.read(4096))[:1] == b"\x16"
    await act(stream)


async def resets(stream: ServerStream) -> None:
    stream.reset()


async def closes(stream: ServerStream) -> None:
    stream.writer.close()


def says(data: bytes) -> Handler:
    async def act(stream: ServerStream) -> None:
        await stream.send(data)
        await stream.gone()

    return act


def fatal(alert: int) -> bytes:
    return bytes((0x15, 3, 3, 0, 2, 2, alert))


@pytest.mark.parametrize(
    ("act", "failure"),
    [
        (resets, "connection_reset"), (closes, "eof_error"), (forever, "generic_timeout_error"),
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "ssl_failed_handshake"), (says(bytes(100)), "ssl_failed_handshake"),
        (says(b"\x16\x03\x03\xff\xff" + bytes(70000)), "ssl_failed_handshake"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n"), "ssl_failed_handshake"),
    ],
)  # fmt: skip
async def test_what_answers_the_client_hello_has_a_name(here: Listeners, act: Handler, failure: str) -> None:
    seen = await handshake(server(here, lambda stream: hello_then(act, stream)), timeout_s=QUICK_S)
    assert (seen.failure, seen.detail.chain, seen.detail.version, seen.detail.verify_code) == (failure, (), None, None)


@pytest.mark.parametrize("number", [40, 112, 80])
async def test_an_alert_in_the_clear_is_kept_by_number(here: Listeners, number: int) -> None:
    seen = await handshake(server(here, lambda stream: hello_then(says(fatal(number)), stream)))
    assert (seen.failure, seen.detail.alert, seen.error_code) == ("ssl_failed_handshake", number, number)


async def test_an_alert_in_two_pieces_is_kept_too(here: Listeners) -> None:
    async def in_pieces(stream: ServerStream) -> None:
        for octet in fatal(112):
            await stream.send(bytes([octet]))
            await asyncio.sleep(0)
        await stream.gone()

    seen = await handshake(server(here, lambda stream: hello_then(in_pieces, stream)))
    assert (seen.failure, seen.detail.alert) == ("ssl_failed_handshake", 112)


async def test_a_handshake_without_end_is_ended(here: Listeners) -> None:
    sent = 0

    async def endless(stream: ServerStream) -> None:
        nonlocal sent
        while sent < 50 * MAX_HANDSHAKE_BYTES:
            await stream.send(b"\x14\x03\x03\x00\x01\x01" * 10000)  # change_cipher_spec, which TLS 1.3 ignores
            sent += 60000

    seen = await at_most(60, handshake(server(here, lambda stream: hello_then(endless, stream)), timeout_s=20))
    assert seen.failure in ("ssl_failed_handshake", "connection_reset")
    assert sent < 50 * MAX_HANDSHAKE_BYTES


async def test_a_certificate_with_a_hostile_name_is_kept_as_it_came(here: Listeners, authority: Authority) -> None:
    context = authority.context("\x1b[2J<script>")
    seen = await handshake(tls_server(here, context), authority)
    assert seen.failure == "ssl_invalid_hostname"
    assert b"<script>" in seen.detail.chain[0]
    assert seen.error is not None
    assert seen.error.isprintable()
