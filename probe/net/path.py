"""How packets leave: direct, bound to an interface or source address, or through a SOCKS5 or HTTP proxy."""

from __future__ import annotations

import errno
import socket
from gettext import gettext as _
from urllib.parse import urlsplit

import msgspec

from probe.failure import SOCKS_FAILURES, ProxyRefused, ProxyUnusable
from probe.net.address_policy import literal
from probe.net.streams import ByteStream, receive_exactly, receive_until
from probe.text import system_reason

PROXY_PORTS = {"socks5": 1080, "socks5h": 1080, "http": 3128}
MAX_CONNECT_ANSWER = 16 * 1024
SO_BINDTODEVICE = getattr(socket, "SO_BINDTODEVICE", 25)


class BadPath(ValueError):
    """A path that cannot be used; the message names it and says what would do."""


class Path(msgspec.Struct, frozen=True):
    """`bind` is an interface name or a source address; `proxy` is socks5://HOST:PORT or http://HOST:PORT.

    `remote_names`: a proxy is handed names, and looks them up at its far end; else they are looked up here.
    """

    name: str = "direct"
    bind: str | None = None
    proxy: str | None = None
    remote_names: bool = True


class Proxy(msgspec.Struct, frozen=True):
    """A proxy as its URL names it. It resolves names itself, so nothing of the target is looked up here."""

    kind: str
    host: str
    port: int

    async def greet(self, stream: ByteStream) -> None:
        """See that there is a proxy at the other end of a stream to it; ProxyUnusable where there is none."""
        if self.kind == "socks5":
            await _socks5_greet(stream)

    async def tunnel(self, stream: ByteStream, host: str, port: int) -> None:
        """Ask the greeted proxy to connect to host:port. ProxyRefused says that it tried and failed."""
        if self.kind == "http":
            await _http_connect(stream, host, port)
        else:
            await _socks5_connect(stream, host, port)


def proxy_of(path: Path) -> Proxy | None:
    """The proxy a path leads through, None for a direct or bound one. BadPath for a URL that is not a proxy's."""
    if path.proxy is None:
        return None
    try:
        parts = urlsplit(path.proxy)
        port = parts.port
    except ValueError as error:
        raise BadPath(
            _("path {name}: {proxy!r} is not a proxy URL: {error}").format(
                name=path.name, proxy=path.proxy, error=error
            )
        ) from error
    if parts.scheme not in PROXY_PORTS or not parts.hostname:
        raise BadPath(
            _("path {name}: {proxy!r} is not socks5://HOST:PORT or http://HOST:PORT").format(
                name=path.name, proxy=path.proxy
            )
        )
    if parts.username or parts.password:
        raise BadPath(_("path {name}: proxies with a password are not supported").format(name=path.name))
    return Proxy("http" if parts.scheme == "http" else "socks5", parts.hostname, port or PROXY_PORTS[parts.scheme])


def usable(path: Path) -> None:
    """Raise BadPath where this machine has no such way for packets to leave. Sends nothing."""
    if path.bind is None:
        return
    address = literal(path.bind)
    family = socket.AF_INET6 if address is not None and address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            bind(sock, path.bind)
        except OSError as error:
            why = _why_not(error).format(where=path.bind, reason=system_reason(error))
            raise BadPath(_("path {name}: {why}").format(name=path.name, why=why)) from error


def bind(sock: socket.socket, where: str) -> None:
    """Have a socket's packets leave by an interface, or from a source address; OSError where that cannot be."""
    if literal(where) is None:
        sock.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, where.encode() + b"\0")
    elif (":" in where) is not (sock.family == socket.AF_INET6):
        raise OSError(errno.EAFNOSUPPORT, "the path is bound to an address of the other family")
    else:
        sock.bind((where, 0))


def _why_not(error: OSError) -> str:
    match error.errno:
        case errno.ENODEV:
            return _("there is no interface {where}; is the VPN up?")
        case errno.EADDRNOTAVAIL:
            return _("{where} is not an address of this machine; is the VPN up?")
        case errno.EPERM | errno.EACCES:
            return _("no permission to bind to the interface {where}; bind to its address, or run with CAP_NET_RAW")
        case _:
            return _("cannot be bound to {where}: {reason}")


async def _socks5_greet(stream: ByteStream) -> None:
    """RFC 1928 section 3, offering to come without authentication."""
    await stream.send(b"\x05\x01\x00")
    if await receive_exactly(stream, 2) != b"\x05\x00":
        raise ProxyUnusable("the proxy does not offer SOCKS5 without a password")


async def _socks5_connect(stream: ByteStream, host: str, port: int) -> None:
    """RFC 1928 section 4; a name is handed over as it is."""
    address = literal(host)
    name = host.encode("ascii")
    kind = b"\x03" + bytes([len(name)]) + name
    if address is not None:
        kind = (b"\x01" if address.version == 4 else b"\x04") + address.packed
    await stream.send(b"\x05\x01\x00" + kind + port.to_bytes(2, "big"))
    version, reply, _, bound = await receive_exactly(stream, 4)
    if version != 5:
        raise ProxyUnusable("the proxy's answer is not SOCKS5")
    if reply in SOCKS_FAILURES:
        raise ProxyRefused(reply, f"SOCKS5 reply {reply}")
    if reply != 0:
        raise ProxyUnusable(f"SOCKS5 reply {reply}, which says nothing of the target")
    length = {1: 4, 4: 16}.get(bound) or (await receive_exactly(stream, 1))[0]
    await receive_exactly(stream, length + 2)


async def _http_connect(stream: ByteStream, host: str, port: int) -> None:
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
