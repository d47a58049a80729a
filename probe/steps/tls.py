"""One TLS handshake over a connected stream, verified inside the handshake; the certificate is kept in any case."""

from __future__ import annotations

import asyncio
import hashlib
import ssl

from probe.model import Observation, Tls
from probe.net.address_policy import literal
from probe.net.streams import Stream, TlsStream
from probe.net.tls_context import client_context
from probe.recorder import Attempted, Log
from probe.settings import Settings

NAME = "tls"
DETAIL = Tls
ALPN = ("h2", "http/1.1")
VALID = 0


async def handshake(
    log: Log, about: Attempted, stream: Stream, server_name: str, settings: Settings
) -> tuple[Observation, TlsStream | None]:
    """Handshake with `server_name` as SNI and as the name to verify; unverified where it is not `about.host`.

    The stream is closed, and None given, where that failed.
    """
    verify = server_name == about.host
    pending = log.begin(NAME, about)
    secured = TlsStream(stream, client_context(settings.ca_file, verify=verify, alpn=ALPN), server_name)
    error: BaseException | None = None
    try:
        async with asyncio.timeout(settings.timeout_s):
            await secured.handshake()
    except (OSError, TimeoutError, EOFError, ValueError) as caught:
        error = caught
        secured.close()
    except BaseException:
        secured.close()
        raise
    detail = _detail(secured, server_name, verify, error)
    return pending.end(detail, error, code=detail.alert), None if error else secured


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
        alert=secured.alert,
        chain=chain,
        fingerprint=hashlib.sha256(chain[0]).hexdigest() if chain else None,
    )
