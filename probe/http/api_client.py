"""One request to a server of ours, by a path, to a certificate that verifies or is pinned; bounded in time and size."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection
from urllib.parse import urlsplit

import msgspec

from probe.failure import failure_of
from probe.http.exchange import Exchange, Request, exchange
from probe.net.address_policy import literal
from probe.net.network import Network
from probe.net.streams import Stream, TlsStream
from probe.net.tls_context import client_context
from probe.target import authority

MOST_ADDRESSES = 3


class NotAnswered(OSError):
    """No answer came of a request; the message says why, in one line that names the server and no secret."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is reached and known. With `pins`, the SHA-256 of public keys in hex, no authority is asked."""

    network: Network
    ca_file: str | None = None
    pins: Collection[str] = ()
    timeout_s: float = 30.0


class Server(msgspec.Struct, frozen=True):
    """Where a URL leads."""

    scheme: str
    host: str
    port: int
    path: str


def server_of(url: str) -> Server:
    """A URL's server. ValueError where it is none that is asked: https, or http on this machine's own loopback."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    address = literal(host)
    secure = parts.scheme == "https"
    if not secure and not (parts.scheme == "http" and (host == "localhost" or (address and address.is_loopback))):
        raise ValueError(f"{url!r}: give an https:// URL")
    if not host or parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"{url!r}: give a plain URL of a server, without user, query or fragment")
    return Server(parts.scheme, host, port or (443 if secure else 80), parts.path.rstrip("/"))


async def post(
    url: str, path: str, content: bytes, headers: tuple[tuple[str, str], ...], way: Way, *, max_bytes: int
) -> Answered:
    """Send `content` to `path` under the server at `url`. Follows no redirect. NotAnswered where no answer came."""
    return await _ask("POST", url, path, content, headers, way, max_bytes)


async def get(url: str, path: str, headers: tuple[tuple[str, str], ...], way: Way, *, max_bytes: int) -> Answered:
    """What is at `path` (and query) under the server at `url`, as `post`."""
    return await _ask("GET", url, path, b"", headers, way, max_bytes)


async def _ask(  # noqa: PLR0913
    method: str,
    url: str,
    path: str,
    content: bytes,
    headers: tuple[tuple[str, str], ...],
    way: Way,
    max_bytes: int,
) -> Answered:
    server = server_of(url)
    named = authority(server.scheme, server.host, server.port)
    asked = Request(
        scheme=server.scheme,
        authority=named,
        path=server.path + path,
        headers=headers,
        method=method,
        content=content,
    )
    try:
        async with asyncio.timeout(way.timeout_s):
            stream = await _open(server, way)
            try:
                got = Exchange()
                await exchange(stream, asked, got, http2=False, idle_timeout_s=way.timeout_s, max_body_bytes=max_bytes)
            finally:
                stream.close()
    except (OSError, TimeoutError, EOFError, ValueError) as error:
        why = str(error) if isinstance(error, NotAnswered) else failure_of(error).word
        raise NotAnswered(f"{named}: {why}") from error
    if got.truncated or got.status is None:
        raise NotAnswered(f"{named}: more than {max_bytes} bytes")
    return Answered(status=got.status, headers=got.headers, body=got.body)


async def _open(server: Server, way: Way) -> Stream:
    """A stream to the first of the server's addresses that can be connected to."""
    network = way.network
    where: tuple[str, ...] = (server.host,)
    if literal(server.host) is None and not network.remote_names:
        where = (await network.lookups.getaddrinfo(server.host))[:MOST_ADDRESSES]
    for place, address in enumerate(where, 1):
        try:
            stream = await network.connect(address, server.port, way.timeout_s / len(where))
            break
        except (OSError, TimeoutError):
            if place == len(where):
                raise
    else:
        raise NotAnswered("it has no address")
    return await _secured(stream, server, way) if server.scheme == "https" else stream


async def _secured(stream: Stream, server: Server, way: Way) -> Stream:
    context = client_context(way.ca_file, verify=not way.pins, alpn=("http/1.1",))
    secured = TlsStream(stream, context, server.host)
    try:
        await secured.handshake()
        if way.pins and public_key(secured.chain()[0]) not in way.pins:
            raise NotAnswered("its certificate has not the public key that is pinned")
    except BaseException:
        secured.close()
        raise
    return secured


def public_key(certificate: bytes) -> str:
    """The SHA-256, in hex, of a DER certificate's public key (its SubjectPublicKeyInfo): what is pinned."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_der_x509_certificate(certificate).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
