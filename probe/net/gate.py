"""What may be contacted: the one gate before every connection that the configuration did not name itself."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable

import msgspec

from probe.failure import PrivateAddress
from probe.net.address_policy import is_public, is_public_host


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """Public addresses that are not this machine's own, and ordinary names; with `allow_private` everything.

    `hosts` may be private: those that the configuration names as such.
    """

    allow_private: bool = False
    hosts: frozenset[str] = frozenset()

    def opened_for(self, host: str) -> Gate:
        """This gate for a URL of the configuration; a host that is itself written as a private one may be private."""
        if is_public_host(host):
            return self
        return msgspec.structs.replace(self, hosts=self.hosts | {host.lower()})

    def permits(self, address: str, host: str | None = None) -> bool:
        """Whether `address`, to which `host` resolved, may be connected to; asked before each connect."""
        if self.allow_private or (host or address).lower() in self.hosts:
            return True
        return is_public(address) and not is_own(address)

    def check(self, address: str) -> None:
        """PrivateAddress unless `address` may be connected to."""
        if not self.permits(address):
            raise PrivateAddress(f"{address} is not a public address, or is this machine's own")

    def check_name(self, host: str) -> None:
        """PrivateAddress unless `host` may be handed to a proxy, which resolves it."""
        if not (self.allow_private or host.lower() in self.hosts or is_public_host(host)):
            raise PrivateAddress(f"{host} is not a public host")

    def passed(self, host: str, addresses: Iterable[str]) -> tuple[str, ...]:
        """The addresses of `host` that may be connected to; PrivateAddress if there are some and none may be."""
        found = tuple(addresses)
        passed = tuple(address for address in found if self.permits(address, host))
        if found and not passed:
            raise PrivateAddress(f"{host} leads to a private address; [network] private_hosts can allow that")
        return passed


def is_own(address: str) -> bool:
    """Whether a socket can be bound to it, which makes it an address of this machine."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((address, 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True
