"""The demo's censored network on loopback, and the sites that `reachprobe demo` measures.

The vantage point uses a lying resolver and reaches every site through a middlebox. The control's SOCKS server uses the
honest resolver and a source address that the middlebox lets pass.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import ChainMap
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from ssl import SSLContext
from string import Template
from tempfile import TemporaryDirectory
from typing import Literal

from probe.temporary_files import system_prefix
from schedules.demo import censor, sites
from schedules.demo.authority import Authority
from schedules.demo.censor import Action, ConnectionInfo, Policy, by_name, serve_middlebox, serve_socks
from schedules.demo.listener import LOCALHOST, Address, Listeners, address_of, can_bind, leave_unanswered, tcp_socket
from schedules.demo.resolver import Behaviour, DemoResolver, addresses, nxdomain
from schedules.demo.sites import Responder, no_content, page, serve_site

LYING, TRUSTED_DOH, TRUSTED_DOT, CONTROL = "127.77.0.53", "127.77.0.54", "127.77.0.55", "127.77.0.99"
INNOCENT_NAME = "innocent.x.test"
Connect = Literal["answered", "refused", "unanswered", "dead"]
"""What a TCP connect from the vantage point meets; `dead` refuses everybody."""
STUB = "127.77.0.66"
LISTED = {
    "wechat.x.test": date(2017, 5, 4),
    "linkedin.x.test": date(2016, 11, 17),
    "line.x.test": date(2017, 4, 28),
    "bbm.x.test": date(2017, 4, 28),
    "open-but-listed.x.test": date(2017, 5, 10),
}


@dataclass(frozen=True)
class Site:
    """One site: its URL with port, its public address, and the address of its server (None if it has none)."""

    name: str
    url: str
    address: str
    port: int
    origin: Address | None

    @property
    def service(self) -> str:
        """Name of the site's service in the configuration."""
        return self.name.removesuffix(".x.test")


class CensoredNetwork:
    """Servers, resolvers, a middlebox and a control on loopback, started and stopped by `async with`.

    May be changed at any time: `policy` of the middlebox, `censored` (name -> action, read by the default policy),
    `honest_zone` and `lies` (name -> DNS behaviour), `exempt` (source addresses that the middlebox lets pass).
    """

    def __init__(
        self, populate: Callable[[CensoredNetwork], Awaitable[None]] | None = None, timeout_s: float = 2.0
    ) -> None:
        self._populate = populate
        self._timeout_s = timeout_s
        self._stack = AsyncExitStack()
        self._site_count = 0
        self._own_addresses = can_bind(LYING)
        self.listeners = Listeners()
        self.sites: dict[str, Site] = {}
        self.targets: list[Site] = []
        self.listed: dict[str, date] = {}
        self.honest_zone: dict[str, Behaviour] = {}
        self.lies: dict[str, Behaviour] = {}
        self.honest = DemoResolver(self.honest_zone)
        self.lying = DemoResolver(ChainMap(self.lies, self.honest_zone))
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
        self.folder = Path(self._stack.enter_context(TemporaryDirectory(prefix=system_prefix())))
        await self._stack.enter_async_context(self.listeners)
        self.authority = Authority(self.folder)
        self.interceptor = Authority(self.folder, "Interceptor Authority")
        self.system_resolver = self.lying.listen(self.listeners, self.host(LYING))
        doh, dot = self.host(TRUSTED_DOH), self.host(TRUSTED_DOT)
        self.trusted_plain = self.honest.listen(self.listeners, doh)
        self.doh = self.honest.listen_doh(self.listeners, doh, self.authority.context(doh, "doh.x.test"))
        self.dot = self.honest.listen_dot(self.listeners, dot, self.authority.context(dot, "dot.x.test"))
        source = CONTROL if self._own_addresses else None
        if source:
            self.exempt.add(source)
        self.socks = serve_socks(self.listeners, self.host(CONTROL), self._honest_addresses, self.routes, source)
        self.canary = self.add_site("canary.x.test", no_content(), tls=False)
        self.canary_tls = self.add_site("canary-tls.x.test", no_content())
        self.domestic_canary = self.add_site("domestic-canary.x.test", no_content(), tls=False)
        self.innocent = self.add_site(INNOCENT_NAME)
        if self._populate:
            await self._populate(self)

    def host(self, address: str) -> str:
        """This address, or 127.0.0.1 where loopback has a single address and servers differ by port."""
        return address if self._own_addresses or ":" in address else LOCALHOST

    @property
    def own_addresses(self) -> bool:
        """Whether every server has its own address, which forged DNS answers need."""
        return self._own_addresses

    def add_site(
        self,
        name: str,
        responder: Responder | None = None,
        *,
        tls: bool | SSLContext = True,
        censored: Action | None = None,
        lie: Behaviour | None = None,
        connect: Connect = "answered",
    ) -> Site:
        """Add a site behind the middlebox, in the honest zone under `name`.

        `tls`: whether to use TLS, or the context to use. `censored`: what the middlebox does to this name. `lie`: how
        the vantage point's resolver answers for it.
        """
        hosts = self._site_hosts()
        if tls is True:
            tls = self.authority.context(name)
        origin = (
            None if connect == "dead" else serve_site(self.listeners, hosts[0], responder or page(name), tls or None)
        )
        public = self._front(hosts[0], 0, origin, connect)
        for host in hosts[1:]:
            self._front(host, public[1], origin, connect)
        self.honest_zone[name] = addresses(*hosts)
        if lie is not None:
            self.lies[name] = lie
        if censored is not None:
            self.censored[name] = censored
        url = f"{'https' if tls else 'http'}://{name}:{public[1]}/"
        self.sites[name] = Site(name, url, hosts[0], public[1], origin)
        return self.sites[name]

    def add_stub(self, address: str, port: int, responder: Responder, context: SSLContext | None = None) -> Address:
        """Serve a provider's stub page for forged DNS answers, on the port of the forged site."""
        return serve_site(self.listeners, self.host(address), responder, context, port)

    def add_interceptor(self, responder: Responder, context: SSLContext) -> Address:
        """Serve with another authority's certificate; the action `diverts` leads there."""
        return serve_site(self.listeners, self._site_hosts()[0], responder, context)

    def _front(self, host: str, port: int, origin: Address | None, connect: Connect) -> Address:
        if origin is None or connect == "refused":
            public = address_of(self.listeners.hold(tcp_socket(host, port, listening=False)))
        elif connect == "unanswered":
            public = leave_unanswered(self.listeners, host, port)
        else:
            public = serve_middlebox(self.listeners, host, origin, self._decide, self.exempt, port)
        if origin is not None and (connect != "answered" or not self._own_addresses):
            self.routes[public] = origin
        return public

    def _decide(self, seen: ConnectionInfo) -> Action:
        return self.policy(seen)

    def _site_hosts(self) -> tuple[str, ...]:
        """The addresses of the next site."""
        self._site_count += 1
        return (self.host(f"127.77.{1 + self._site_count // 250}.{1 + self._site_count % 250}"),)

    def _honest_addresses(self, name: str) -> list[str]:
        return self.honest.addresses_of(name)

    def register_csv(self) -> bytes:
        """The `listed` names as a register in zapret format (windows-1251), updated now."""
        lines = [f"Updated: {self.authority.now:%Y-%m-%d %H:%M:%S} +0000"]
        for number, (name, since) in enumerate(self.listed.items(), 1):
            lines.append(f"{self.sites[name].address};{name};;Роскомнадзор;{number}-Restricting;{since}")
        return ("\n".join(lines) + "\n").encode("cp1251")

    def config_toml(self) -> str:
        """The configuration for measuring this network; writes the register that it names."""
        register = self.folder / "register.csv"
        register.write_bytes(self.register_csv())
        services = "".join(
            f'\n[[service]]\nname = "{site.service}"\nrequired = ["{site.url}"]\noptional = []\n'
            for site in self.targets
        )
        return Template((files("schedules.demo") / "config.toml.template").read_text("utf-8")).substitute(
            resolver=_host_port(self.system_resolver),
            doh=_host_port(self.doh),
            dot=_host_port(self.dot),
            canary=self.canary.url,
            canary_tls=self.canary_tls.url,
            domestic_canary=self.domestic_canary.url,
            innocent_name=INNOCENT_NAME,
            innocent=f"{self.innocent.address}:{self.innocent.port}",
            ca_file=json.dumps(str(self.authority.ca_file)),
            timeout_s=f"{self._timeout_s:g}",
            socks=_host_port(self.socks),
            register=json.dumps(str(register)),
            services=services,
        )


def _host_port(address: Address) -> str:
    return f"{address[0]}:{address[1]}"


async def demo_sites(net: CensoredNetwork) -> None:
    """Add the demo's thirteen sites (twelve if loopback has a single address)."""

    add = net.add_site
    net.targets.append(add("wechat.x.test", censored=censor.resets))
    if net.own_addresses:
        linkedin = add("linkedin.x.test", lie=addresses(STUB))
        blocked = sites.answers(censor.block_answer())
        net.add_stub(STUB, linkedin.port, blocked, net.interceptor.context("warning.x.test", self_signed=True))
        net.targets.append(linkedin)
    interceptor = net.add_interceptor(sites.page("Intercepted"), net.interceptor.context("mitm.x.test"))
    net.targets += [
        add("line.x.test", censored=censor.drops),
        add("bbm.x.test", lie=nxdomain),
        add("open-but-listed.x.test"),
        add("news.x.test", tls=False, censored=censor.block_page()),
        add("mitm.x.test", censored=censor.diverts(interceptor)),
        add("frozen.x.test", connect="unanswered"),
        add("honest.x.test"),
        add("big.x.test", sites.page("A large page", kib=2048)),
        add("challenge.x.test", sites.challenge()),
        add("dead.x.test", connect="dead"),
        add("expired.x.test", tls=net.authority.expired("expired.x.test")),
    ]
    net.listed |= {name: since for name, since in LISTED.items() if name in net.sites}


@contextmanager
def run_in_thread() -> Iterator[CensoredNetwork]:
    """Run the demo's network in a thread with its own loop; raises what fails at the start."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="censored-network", daemon=True)
    thread.start()
    network = CensoredNetwork(demo_sites)
    try:
        asyncio.run_coroutine_threadsafe(network.__aenter__(), loop).result()
        try:
            yield network
        finally:
            asyncio.run_coroutine_threadsafe(network.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
