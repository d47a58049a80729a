"""One TLS handshake over a connected stream, verified inside the handshake; the certificate is kept in any case."""

from __future__ import annotations

import hashlib
import ssl
from typing import TYPE_CHECKING

import msgspec

from probe.failure import CERTIFICATE_FAILURES, alert_of, own_refusal
from probe.model import Observation, Tls
from probe.net.address_policy import literal
from probe.net.deadline import Deadline
from probe.recorder import Log, StepContext
from probe.session import Settings
from probe.steps import MethodSpec, StepSpec

if TYPE_CHECKING:
    from probe.net.streams import ByteStream, TlsStream

ALPN = ("h2", "http/1.1")
DOT_PORT, DOT_ALPN = 853, ("dot",)
"""RFC 7858; a server that speaks nothing else may refuse other protocols."""
VALID = 0
NOTHING_IN_COMMON = (40, 70, 71, 120)
"""Alerts of a server that accepts nothing of what we offer: handshake_failure, protocol_version,
insufficient_security and no_application_protocol, as of a mail server."""
HANDSHAKE_BYTES = 2600
"""Both hellos with key shares, Finished and tickets, without certificates."""

SPEC = StepSpec(
    name="tls",
    order=30,
    detail=Tls,
    begins="stream",
    schemes={"tls": 443},
    answer="handshake",
    failures={
        "generic_timeout_error": "tls.timeout",
        "connection_reset": "tls.reset",
        "connection_aborted": "tls.reset",
        "eof_error": "tls.eof",
        "ssl_failed_handshake": "tls.alert",
        **dict.fromkeys(CERTIFICATE_FAILURES, "tls.mitm"),
    },
    methods=(
        MethodSpec("tls.timeout", by_name=True, is_silence=True),
        MethodSpec("tls.reset", by_name=True),
        MethodSpec("tls.eof", by_name=True),
        MethodSpec("tls.alert"),
        MethodSpec("tls.mitm"),
    ),
    traffic_bytes=lambda detail: HANDSHAKE_BYTES + sum(map(len, detail.chain)),
)


async def handshake(
    log: Log, about: StepContext, stream: ByteStream, server_name: str, settings: Settings, *, lenient: bool = False
) -> tuple[Observation, TlsStream | None]:
    """Handshake with `server_name` as SNI and as the name to verify; unverified where it is not `about.host`.

    The stream is closed, and None given, where that failed. A `lenient` handshake allows what is outdated.
    """
    from probe.net.streams import TlsStream, client_context

    verify = server_name == about.host
    pending = log.begin(SPEC, about)
    alpn = () if lenient else DOT_ALPN if about.port == DOT_PORT else ALPN
    context = client_context(settings.ca_file, verify=verify, alpn=alpn, lenient=lenient)
    secured = TlsStream(stream, context, server_name)
    error: BaseException | None = None
    try:
        async with Deadline(settings.timeout_s):
            await secured.handshake()
    except (OSError, TimeoutError, EOFError, ValueError) as caught:
        error = caught
        secured.close()
    except BaseException:
        secured.close()
        raise
    detail = _detail(secured, server_name, verify, error)
    if lenient:
        detail = msgspec.structs.replace(detail, lenient=True)
    return pending.end(detail, error, code=detail.alert), None if error else secured


def may_be_outdated(failed: Observation) -> bool:
    """Whether a handshake may have failed only because we allow less than browsers do."""
    detail = failed.detail
    return failed.failure is not None and (detail.refused is not None or detail.alert in NOTHING_IN_COMMON)


def _detail(secured: TlsStream, server_name: str, verify: bool, error: BaseException | None) -> Tls:
    chain = secured.chain()
    cipher = secured.tls.cipher() if error is None else None
    verify_code = error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else None
    return Tls(
        server_name=None if literal(server_name) else server_name,
        version=secured.tls.version() if error is None else None,
        cipher=cipher[0] if cipher else None,
        alpn=secured.tls.selected_alpn_protocol() if error is None else None,
        verify_code=VALID if verify and error is None else verify_code,
        alert=secured.alert if secured.alert is not None else alert_of(error),
        refused=own_refusal(error) if error is not None and secured.alert is None else None,
        client_certificate=True if error is not None and secured.asks_certificate() else None,
        chain=chain,
        fingerprint=hashlib.sha256(chain[0]).hexdigest() if chain else None,
    )
