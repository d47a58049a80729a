"""A censored network on loopback, put together from the parts beside this file.

The vantage asks the lying resolver and reaches every site through a middlebox; the control's SOCKS server asks the
honest one and leaves from an address that the middlebox lets pass. `CensoredNetwork()` is the demo's network;
`CensoredNetwork(populate=None)` is an empty one, to which a test adds its own sites, lies and policies.
"""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from ssl import SSLContext
from tempfile import TemporaryDirectory
from typing import Literal

from schedules.demo.authority import Authority
from schedules.demo.blackhole import leave_unanswered
from schedules.demo.censor import Action, Policy, Seen, by_name, serve_middlebox
from schedules.demo.listener import LOCALHOST, Address, Listeners, address_of, can_bind, tcp_socket
from schedules.demo.resolver import Behaviour, Resolver, addresses
from schedules.demo.sites import Responder, no_content, page, serve_site
from schedules.demo.socks_server import serve_socks
from schedules.demo.targets import DemoTarget, demo_sites

LYING, TRUSTED_DOH, TRUSTED_DOT, CONTROL = "127.77.0.53", "127.77.0.54", "127.77.0.55", "127.77.0.99"
INNOCENT_NAME = "innocent.x.test"
Connect = Literal["answered", "refused", "unanswered"]


@dataclass(frozen=True)
class Site:
    """One site: its URL (with the port), where the vantage reaches it, and where it really is (None if nowhere)."""

    name: str
    url: str
    address: str
    port: int
    origin: Address | None

    @property
    def service(self) -> str:
        """The name of the service made for this site in the configuration."""
        return self.name.removesuffix(".x.test")


class CensoredNetwork:
    """`async with CensoredNetwork() as net:` starts everything; leaving it stops everything.

    To be changed at any time: `policy` (what the middlebox does), `censored` (name -> action, read by the default
    policy), `honest_zone` and `lies` (name -> DNS behaviour), `exempt` (source addresses that the middlebox spares).
    """

    def __init__(
        self, populate: Callable[[CensoredNetwork], Awaitable[None]] | None = demo_sites, timeout_s: float = 2.0
    ) -> None:
        self._populate = populate
        self._timeout_s = timeout_s
        self._stack = AsyncExitStack()
        self._sites_made = 0
        self._own_addresses = can_bind(LYING)
        self.here = Listeners()
        self.sites: dict[str, Site] = {}
        self.targets: list[DemoTarget] = []
        self.listed: dict[str, date] = {}
        self.honest_zone: dict[str, Behaviour] = {}
        self.lies: dict[str, Behaviour] = {}
        self.honest = Resolver(self.honest_zone)
        self.lying = Resolver(ChainMap(self.lies, self.honest_zone))
        self.censored: dict[str, Action] = {}
        self.policy: Policy = by_name(self.censored)
        self.exempt: set[str] = set()
        self.routes: dict[Address, Address] = {}

    async def __aenter__(self) -> CensoredNetwork:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        self.folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="reachprobe-demo-")))
        await self._stack.enter_async_context(self.here)
        self.authority = Authority(self.folder)
        self.interceptor = Authority(self.folder, "Interceptor Authority")
        self.system_resolver = self.lying.listen(self.here, self.host(LYING))
        doh, dot = self.host(TRUSTED_DOH), self.host(TRUSTED_DOT)
        self.trusted_plain = self.honest.listen(self.here, doh)
        self.doh = self.honest.listen_doh(self.here, doh, self.authority.context(doh, "doh.x.test"))
        self.dot = self.honest.listen_dot(self.here, dot, self.authority.context(dot, "dot.x.test"))
        source = CONTROL if self._own_addresses else None
        if source:
            self.exempt.add(source)
        self.socks = serve_socks(self.here, self.host(CONTROL), self._honest_addresses, self.routes, source)
        self.canary = self.add_site("canary.x.test", no_content(), tls=False)
        self.canary_tls = self.add_site("canary-tls.x.test", no_content())
        self.domestic_canary = self.add_site("domestic-canary.x.test", no_content(), tls=False)
        self.innocent = self.add_site(INNOCENT_NAME)
        if self._populate:
            await self._populate(self)

    def host(self, address: str) -> str:
        """This address, or 127.0.0.1 where the loopback has no other: then ports alone tell servers apart."""
        return address if self._own_addresses or ":" in address else LOCALHOST

    @property
    def own_addresses(self) -> bool:
        """Does every server have an address of its own? Without, one name cannot be forged to another's address."""
        return self._own_addresses

    def add_site(  # noqa: PLR0913
        self,
        name: str,
        responder: Responder | None = None,
        *,
        tls: bool = True,
        context: SSLContext | None = None,
        censored: Action | None = None,
        lie: Behaviour | None = None,
        connect: Connect = "answered",
        dead: bool = False,
        at: tuple[str, ...] = (),
        path: str = "/",
    ) -> Site:
        """A site behind the middlebox, in the honest zone under `name`.

        `context` replaces its good certificate. `censored` is what the middlebox does on its name, anywhere; `lie`
        what the vantage's resolver says of it; `connect` what becomes of a TCP connect from the vantage. A `dead` site
        refuses everybody. `at` are its addresses (also "::1"), all with one port; by default a new one of its own.
        """
        hosts = tuple(self.host(address) for address in at) or (self._next_address(),)
        if tls and context is None:
            context = self.authority.context(name)
        site_responder = responder or page(name)
        origin = None if dead else serve_site(self.here, hosts[0], site_responder, context if tls else None)
        public = self._front(hosts[0], 0, origin, connect)
        for host in hosts[1:]:
            self._front(host, public[1], origin, connect)
        self.honest_zone[name] = addresses(*hosts)
        if lie is not None:
            self.lies[name] = lie
        if censored is not None:
            self.censored[name] = censored
        url = f"{'https' if tls else 'http'}://{name}:{public[1]}{path}"
        self.sites[name] = Site(name, url, hosts[0], public[1], origin)
        return self.sites[name]

    def add_stub(self, address: str, port: int, responder: Responder, context: SSLContext | None = None) -> Address:
        """A provider's stub server, for forged answers to point at; the port must be that of the forged site's URL."""
        return serve_site(self.here, self.host(address), responder, context, port)

    def add_interceptor(self, responder: Responder) -> Address:
        """Another authority's server that has a certificate for every name; `diverts` leads there."""
        return serve_site(self.here, self._next_address(), responder, self.interceptor.for_any_name())

    def _front(self, host: str, port: int, origin: Address | None, connect: Connect) -> Address:
        if origin is None or connect == "refused":
            public = address_of(self.here.hold(tcp_socket(host, port, listening=False)))
        elif connect == "unanswered":
            public = leave_unanswered(self.here, host, port)
        else:
            public = serve_middlebox(self.here, host, origin, self._decide, self.exempt, port)
        if origin is not None and (connect != "answered" or not self._own_addresses):
            self.routes[public] = origin
        return public

    def _decide(self, seen: Seen) -> Action:
        return self.policy(seen)

    def _next_address(self) -> str:
        self._sites_made += 1
        return self.host(f"127.77.{1 + self._sites_made // 250}.{1 + self._sites_made % 250}")

    def _honest_addresses(self, name: str) -> list[str]:
        return self.honest.addresses_of(name)

    def register_csv(self) -> bytes:
        """The `listed` names as a register in the zapret format (windows-1251), of this very moment."""
        lines = [f"Updated: {self.authority.now:%Y-%m-%d %H:%M:%S} +0000"]
        for number, (name, since) in enumerate(self.listed.items(), 1):
            lines.append(f"{self.sites[name].address};{name};;Роскомнадзор;{number}-Restricting;{since}")
        return ("\n".join(lines) + "\n").encode("cp1251")

    def config_toml(self) -> str:
        """The configuration with which the main job measures this network; writes the register it names."""
        register = self.folder / "register.csv"
        register.write_bytes(self.register_csv())
        services = "".join(
            f'\n[[service]]\nname = "{site.service}"\nrequired = ["{site.url}"]\noptional = []\n'
            for site in (self.sites[target.name] for target in self.targets)
        )
        return f"""[vantage]
name = "demo"
country = "RU"
asn = 64496

[network]
resolvers = ["udp://{_joined(self.system_resolver)}"]
trusted_resolvers = ["https://{_joined(self.doh)}/dns-query", "tls://{_joined(self.dot)}"]
canaries = ["{self.canary.url}generate_204", "{self.canary_tls.url}generate_204"]
domestic_canaries = ["{self.domestic_canary.url}generate_204"]
no_resolver = ""
innocent_name = "{INNOCENT_NAME}"
ab_address = "{self.innocent.address}:{self.innocent.port}"
ca_file = {json.dumps(str(self.authority.ca_file))}
allow_private = true
timeout_s = {self._timeout_s:g}

[control]
path = "control"

[[path]]
name = "control"
proxy = "socks5://{_joined(self.socks)}"

[[register]]
name = "demo"
country = "RU"
format = "zapret-csv"
source = {json.dumps(str(register))}
{services}"""


def _joined(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
