"""What the demo measures, and what it should find: one site for each thing that may become of a service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from schedules.demo import censor, sites
from schedules.demo.resolver import addresses, nxdomain

if TYPE_CHECKING:
    from schedules.demo.network import CensoredNetwork, Site

STUB = "127.77.0.66"
LISTED = {
    "wechat.x.test": date(2017, 5, 4),
    "linkedin.x.test": date(2016, 11, 17),
    "line.x.test": date(2017, 4, 28),
    "bbm.x.test": date(2017, 4, 28),
    "open-but-listed.x.test": date(2017, 5, 10),
}


@dataclass(frozen=True)
class DemoTarget:
    """A target with what the program should say of it; None where the demo promises nothing."""

    name: str
    url: str
    outcome: str
    agreement: str
    method: str | None = None
    trigger: str | None = None
    confidence: str | None = None


async def demo_sites(net: CensoredNetwork) -> None:
    """Fill a network with the demo's thirteen sites (twelve where the loopback has one address)."""

    def expect(site: Site, outcome: str, agreement: str, *how: str | None) -> None:
        net.targets.append(DemoTarget(site.name, site.url, outcome, agreement, *how))

    wechat = net.add_site("wechat.x.test", censored=censor.resets)
    expect(wechat, "blocked", "enforced", "tls.reset", "name", "confirmed")
    if net.own_addresses:
        linkedin = net.add_site("linkedin.x.test", lie=addresses(STUB))
        blocked = sites.answers(censor.block_answer())
        net.add_stub(STUB, linkedin.port, blocked, net.interceptor.context("warning.x.test", self_signed=True))
        expect(linkedin, "blocked", "enforced", "dns.forged", None, "confirmed")
    line = net.add_site("line.x.test", censored=censor.drops)
    expect(line, "blocked", "enforced", "tls.timeout")
    expect(net.add_site("bbm.x.test", lie=nxdomain), "blocked", "enforced", "dns.nxdomain")
    expect(net.add_site("open-but-listed.x.test"), "reachable", "unenforced")
    net.listed |= {name: since for name, since in LISTED.items() if name in net.sites}

    news = net.add_site("news.x.test", tls=False, censored=censor.block_page())
    expect(news, "blocked", "unlisted-block", "http.blockpage", None, "confirmed")
    interceptor = net.add_interceptor(sites.page("Intercepted"))
    mitm = net.add_site("mitm.x.test", censored=censor.diverts(interceptor))
    expect(mitm, "blocked", "unlisted-block", "tls.mitm", None, "probable")
    frozen = net.add_site("frozen.x.test", connect="unanswered")
    expect(frozen, "blocked", "unlisted-block", "tcp.timeout", None, "probable")

    expect(net.add_site("honest.x.test"), "reachable", "open")
    expect(net.add_site("big.x.test", sites.page("A large page", kib=2048)), "reachable", "open")
    expect(net.add_site("challenge.x.test", sites.challenge()), "denied", "undecided")
    expect(net.add_site("dead.x.test", dead=True), "down", "undecided")
    expired = net.add_site("expired.x.test", context=net.authority.expired("expired.x.test"))
    expect(expired, "down", "undecided")
