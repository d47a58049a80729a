"""One TLS context for each trust setting: a fresh one with the CA bundle costs 50 ms, so they are shared."""

from __future__ import annotations

import ssl
from functools import lru_cache

import certifi


class BadTrust(OSError):
    """A ca_file that cannot be used."""


@lru_cache(maxsize=16)
def client_context(ca_file: str | None, *, verify: bool, alpn: tuple[str, ...]) -> ssl.SSLContext:
    """A client context that trusts certifi's bundle and `ca_file`, verifying inside the handshake where `verify`.

    Names count only in subjectAltName (RFC 9525 section 6.3). BadTrust where `ca_file` cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(list(alpn))
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    context.load_verify_locations(certifi.where())
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise BadTrust(f"ca_file {ca_file}: {error.strerror or error}; give a PEM file of certificates") from error
    return context
