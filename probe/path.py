"""How packets leave: direct, bound to an interface or source address, or through a SOCKS5 or HTTP proxy."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from probe.failure import ProxyRefused, ProxyUnusable
from probe.stream import Stream, receive_exactly, receive_until

PROXY_PORTS = {"socks5": 1080, "socks5h": 1080, "http": 3128}
MAX_CONNECT_ANSWER = 16 * 1024


class BadPath(ValueError):
    """A path that cannot be used; the message names it and says what would do."""


class Path(msgspec.Struct, frozen=True):
    """`bind` is an interface name or a source address; `proxy` is socks5://HOST:PORT or http://HOST:PORT."""

    name: str = "direct"
    bind: str | None = None
    proxy: str | None = None


class Proxy(msgspec.Struct, frozen=True):
    """A proxy as its URL names it. It resolves names itself, so nothing of the target is looked up here."""

    kind: str
    host: str
    port: int

    async def tunnel(self, stream: Stream, host: str, port: int) -> None:
        """Ask the proxy, over a stream to it, to connect to host:port. ProxyRefused says that it tried and failed."""
        if self.kind == "http":
            await _http_connect(stream, host, port)
        else:
            await _socks5(stream, host, port)


def proxy_of(path: Path) -> Proxy | None:
    """The proxy a path leads through, None for a direct or bound one. BadPath for a URL that is not a proxy's."""
    if path.proxy is None:
        return None
    try:
        parts = urlsplit(path.proxy)
        port = parts.port
    except ValueError as error:
        raise BadPath(f"path {path.name}: {path.proxy!r} is not a proxy URL: {error}") from error
    if parts.scheme not in PROXY_PORTS or not parts.hostname:
        raise BadPath(f"path {path.name}: {path.proxy!r} is not socks5://HOST:PORT or http://HOST:PORT")
    if parts.username or parts.password:
        raise BadPath(f"path {path.name}: a proxy that wants a password is not supported")
    return Proxy("http" if parts.scheme == "http" else "socks5", parts.hostname, port or PROXY_PORTS[parts.scheme])


async def _socks5(stream: Stream, host: str, port: int) -> None:
    """RFC 1928, without authentication; a name is handed over as it is."""
    from socksio import socks5

    connection = socks5.SOCKS5Connection()
    connection.send(socks5.SOCKS5AuthMethodsRequest([socks5.SOCKS5AuthMethod.NO_AUTH_REQUIRED]))
    await stream.send(connection.data_to_send())
    greeting = await receive_exactly(stream, 2)
    if greeting != b"\x05\x00":
        raise ProxyUnusable("the proxy does not offer SOCKS5 without a password")
    connection.receive_data(greeting)
    connection.send(socks5.SOCKS5CommandRequest.from_address(socks5.SOCKS5Command.CONNECT, (host, port)))
    await stream.send(connection.data_to_send())
    head = await receive_exactly(stream, 4)
    if head[0] != 5:
        raise ProxyUnusable("the proxy's answer is not SOCKS5")
    if head[1] != 0:
        raise ProxyRefused(head[1], f"SOCKS5 reply {head[1]}")
    length = {1: 4, 4: 16}.get(head[3]) or (await receive_exactly(stream, 1))[0]
    await receive_exactly(stream, length + 2)


async def _http_connect(stream: Stream, host: str, port: int) -> None:
    """RFC 9110 section 9.3.6. A 502, 503 or 504 is the proxy's word that the target did not answer it."""
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    await stream.send(f"CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode("ascii"))
    head = await receive_until(stream, b"\r\n\r\n", MAX_CONNECT_ANSWER)
    status = head.split(b"\r\n", 1)[0].split(b" ")
    if len(status) < 2 or not status[0].startswith(b"HTTP/1.") or not status[1].isdigit():
        raise ProxyUnusable("the proxy's answer to CONNECT is not HTTP")
    code = int(status[1])
    if code in (502, 503, 504):
        raise ProxyRefused(6 if code == 504 else 4, f"CONNECT answered {code}")
    if not 200 <= code < 300:
        raise ProxyUnusable(f"the proxy refused CONNECT with {code}")
