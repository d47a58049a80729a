"""DNS resolvers as the configuration names them, and the system's own (getaddrinfo)."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from contextlib import suppress
from functools import lru_cache
from gettext import gettext as _
from ipaddress import ip_network
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

import msgspec

from probe import data_files
from probe.net.address_policy import literal

PORTS = {"udp": 53, "tcp": 53, "tls": 853, "https": 443}
MAX_SYSTEM_NAMESERVERS = 3
RESOLV_CONF = Path("/etc/resolv.conf")


class BadResolver(ValueError):
    """A resolver that cannot be used; the message names it and the remedy."""


class DnsResolver(msgspec.Struct, frozen=True, kw_only=True):
    """One resolver. `text` is how records name it; `address` is None for getaddrinfo, which has no address to ask."""

    text: str
    transport: Literal["udp", "tcp", "tls", "https", "getaddrinfo"]
    address: str | None = None
    port: int = 0
    server_name: str | None = None
    request_path: str = "/dns-query"


GETADDRINFO = DnsResolver(text="getaddrinfo", transport="getaddrinfo")


def parse(text: str) -> tuple[DnsResolver, ...]:
    """The resolvers of a configuration entry, to be tried in order.

    `system` (resolv.conf, otherwise getaddrinfo), `udp://ADDR[:PORT]`, `tcp://…`, `tls://…` (RFC 7858) or
    `https://HOST/PATH` (RFC 8484); a host name needs its address pinned behind `#`.
    """
    if text == "system":
        return _system(_stamp())
    if text == GETADDRINFO.text:
        return (GETADDRINFO,)
    return _written(text)


@lru_cache(maxsize=64)
def _written(text: str) -> tuple[DnsResolver, ...]:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise BadResolver(_("resolver {text!r}: {error}").format(text=text, error=error)) from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise BadResolver(
            _("resolver {text!r}: use system, udp://ADDR, tcp://ADDR, tls://ADDR or https://ADDR/dns-query").format(
                text=text
            )
        )
    address = parts.fragment or parts.hostname
    if literal(address) is None:
        raise BadResolver(
            _("resolver {text!r}: add its IP address, as in {resolver}#192.0.2.1").format(
                text=text, resolver=text.split("#")[0]
            )
        )
    return (
        DnsResolver(
            text=text,
            transport=cast(Literal["udp", "tcp", "tls", "https"], parts.scheme),
            address=address,
            port=port or PORTS[parts.scheme],
            server_name=parts.hostname,
            request_path=parts.path or "/dns-query",
        ),
    )


def _stamp() -> tuple[int, ...]:
    """Changes whenever resolv.conf does."""
    try:
        now = RESOLV_CONF.stat()
    except OSError:
        return ()
    return now.st_mtime_ns, now.st_size, now.st_ino, now.st_dev


@lru_cache(maxsize=1)
def _system(_: tuple[int, ...]) -> tuple[DnsResolver, ...]:
    import dns.exception
    import dns.resolver

    try:
        nameservers = dns.resolver.Resolver(str(RESOLV_CONF)).nameservers
    except (dns.exception.DNSException, OSError, ValueError):
        return (GETADDRINFO,)
    usable = [str(server) for server in nameservers if literal(str(server).split("%")[0])][:MAX_SYSTEM_NAMESERVERS]
    return tuple(DnsResolver(text="system", transport="udp", address=a, port=53) for a in usable) or (GETADDRINFO,)


@lru_cache(maxsize=256)
def filter_at(address: str | None, server_name: str | None) -> str | None:
    """The public filter that a resolver is known for (filtering_resolvers.toml), by address or name; else None."""
    name, found = server_name or "", literal(address or "")
    for filtering, known in data_files("probe.net")["filtering_resolvers"].items():
        if any(name == own or name.endswith(f".{own}") for own in known.get("names", ())):
            return str(filtering)
        if found is None or address in known.get("unfiltered", ()):
            continue
        if any(found == literal(own) for own in known.get("addresses", ())):
            return str(filtering)
        if any(found in ip_network(own) for own in known.get("networks", ())):
            return str(filtering)
    return None


MAX_LOOKUPS = 64


class SystemResolver:
    """getaddrinfo in threads of its own, at most MAX_LOOKUPS; abandoned lookups count until the system gives up.

    In the event loop's few threads silent names would delay others, and Python waits for those threads at exit.
    """

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(MAX_LOOKUPS)

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of `host` in both families; socket.gaierror if there are none."""
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[str, ...]] = loop.create_future()

        def look_up() -> None:
            found: tuple[str, ...] = ()
            error: Exception | None = None
            try:
                entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
                found = tuple(dict.fromkeys(str(entry[4][0]) for entry in entries))
            except (OSError, ValueError) as caught:
                error = caught
            with suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(ended, found, error)

        def ended(found: tuple[str, ...], error: Exception | None) -> None:
            self._slots.release()
            if answer.cancelled():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(found)

        try:
            threading.Thread(target=look_up, name=f"getaddrinfo {host}", daemon=True).start()
        except RuntimeError as error:
            self._slots.release()
            raise OSError(errno.EAGAIN, "no thread is left to look a name up") from error
        return await answer
