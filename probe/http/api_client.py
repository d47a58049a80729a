"""One request to a hub, via a path, with a verified or pinned certificate; limited in time and size."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection
from gettext import gettext as _
from urllib.parse import urlsplit

import msgspec

from probe.failure import PrivateAddress, failure_of
from probe.http.exchange import HttpRequest, exchange
from probe.http.wire import HttpResponse
from probe.net.address_policy import Gate, literal
from probe.net.network import Network
from probe.net.streams import ByteStream, TlsStream, client_context
from probe.target import authority

MAX_ADDRESSES = 3
Headers = tuple[tuple[str, str], ...]


class NotAnswered(OSError):
    """No response; the message is one line that names the server and no secret."""


class ApiResponse(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


class ApiRoute(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is reached and authenticated; `pins` are SHA-256 hashes of public keys in hex."""

    network: Network
    ca_file: str | None = None
    pins: Collection[str] = ()
    gate: Gate = Gate()
    timeout_s: float = 30.0


class Server(msgspec.Struct, frozen=True):
    """The parts of a server's URL."""

    scheme: str
    host: str
    port: int
    path: str


def server_of(url: str) -> Server:
    """Parse a server's URL; ValueError unless it is https, or http on loopback."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    address = literal(host)
    secure = parts.scheme == "https"
    if not secure and not (parts.scheme == "http" and (host == "localhost" or (address and address.is_loopback))):
        raise ValueError(_("{url!r}: give an https:// URL").format(url=url))
    if not host or parts.username is not None or parts.query or parts.fragment:
        raise ValueError(_("{url!r}: give a server's URL without user name, query or fragment").format(url=url))
    return Server(parts.scheme, host, port or (443 if secure else 80), parts.path.rstrip("/"))


async def post(url: str, path: str, content: bytes, headers: Headers, way: ApiRoute, *, max_bytes: int) -> ApiResponse:
    """POST `content` to `path` under the server at `url`; follows no redirect. NotAnswered if no answer came."""
    request = HttpRequest(scheme="", authority="", path=path, headers=headers, method="POST", content=content)
    return await _send(url, request, way, max_bytes)


async def get(url: str, path: str, headers: Headers, way: ApiRoute, *, max_bytes: int) -> ApiResponse:
    """GET `path` (and query) under the server at `url`, as `post`."""
    return await _send(url, HttpRequest(scheme="", authority="", path=path, headers=headers), way, max_bytes)


async def _send(url: str, request: HttpRequest, way: ApiRoute, max_bytes: int) -> ApiResponse:
    """Send `request`, whose path is relative to `url`, to the server there."""
    server = server_of(url)
    named = authority(server.scheme, server.host, server.port)
    request = msgspec.structs.replace(request, scheme=server.scheme, authority=named, path=server.path + request.path)
    try:
        async with asyncio.timeout(way.timeout_s):
            stream = await _open(server, way)
            try:
                got = HttpResponse()
                await exchange(
                    stream, request, got, http2=False, idle_timeout_s=way.timeout_s, max_body_bytes=max_bytes
                )
            finally:
                stream.close()
    except (OSError, TimeoutError, EOFError, ValueError) as error:
        why = str(error) if isinstance(error, (NotAnswered, PrivateAddress)) else failure_of(error).word
        raise NotAnswered(f"{named}: {why}") from error
    if got.truncated or got.status is None:
        raise NotAnswered(_("{named}: more than {limit} bytes").format(named=named, limit=max_bytes))
    return ApiResponse(status=got.status, headers=got.headers, body=got.body)


async def _open(server: Server, way: ApiRoute) -> ByteStream:
    """A stream to the first address that accepts a connection."""
    network = way.network
    where: tuple[str, ...] = (server.host,)
    if literal(server.host) is None and not network.remote_names:
        found = await network.lookups.getaddrinfo(server.host)
        where = way.gate.opened_for(server.host).passed(server.host, found)[:MAX_ADDRESSES]
    for place, address in enumerate(where, 1):
        try:
            stream = await network.connect(address, server.port, way.timeout_s / len(where))
            break
        except (OSError, TimeoutError):
            if place == len(where):
                raise
    else:
        raise NotAnswered(_("the name has no address"))
    return await _secured(stream, server, way) if server.scheme == "https" else stream


async def _secured(stream: ByteStream, server: Server, way: ApiRoute) -> ByteStream:
    context = client_context(way.ca_file, verify=not way.pins, alpn=("http/1.1",))
    secured = TlsStream(stream, context, server.host)
    try:
        await secured.handshake()
        if way.pins and public_key(secured.chain()[0]) not in way.pins:
            raise NotAnswered(_("the certificate does not have the pinned public key"))
    except BaseException:
        secured.close()
        raise
    return secured


def public_key(certificate: bytes) -> str:
    """The SHA-256, in hex, of a DER certificate's public key (its SubjectPublicKeyInfo): what is pinned.

    Raises NotAnswered for a certificate that cannot be read.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
        data = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception as error:
        # cryptography's errors about versions and algorithms have no base class in common.
        raise NotAnswered(_("the certificate cannot be read")) from error
    return hashlib.sha256(data).hexdigest()
