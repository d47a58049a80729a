"""The servers inside the lab: `servers.py internet FOLDER` and `servers.py gateway FOLDER`.

Sites are nginx's and names unbound's, where those are installed; else both are made of the demo's parts. The
internet's side writes its authority to FOLDER/demo-authority.pem. Says `ready` when everything listens, and runs
until it is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterable
from pathlib import Path

from schedules.demo import censor, listener, sites
from schedules.demo import resolver as names
from schedules.demo.authority import Authority
from schedules.demo.censor import serve_socks
from schedules.demo.listener import Address, Listeners
from schedules.demo.resolver import Behaviour, DemoResolver, addresses
from schedules.demo.sites import serve_site
from tests.lab import certificates, dns_behaviours, real, site_answers
from tests.lab.any_name import for_any_name
from tests.lab.hello import ech_record
from tests.lab.quic_censor import names as listed
from tests.lab.quic_censor import serve_quic_middlebox
from tests.lab.quic_site import serve_quic_site
from tests.lab.sites import (
    BIG_KIB,
    DOH_BY_NAME,
    DOT_BY_NAME,
    ECH_SITE,
    FRANK_PORT,
    HEAVY_KIB,
    HEAVY_RATE,
    HONEST_RESOLVERS,
    KNOWN,
    LISTED_FOR_QUIC,
    LOCAL_PORT,
    LOCAL_TLS_PORT,
    OTHER_SOCKS,
    OVER_QUIC,
    OWN_SERVER,
    OWN_VIEW,
    REFUSES,
    SERVED,
    SILENT,
    SITES,
    SLOW_KIB,
    SOCKS,
    STUB,
    UNSIGNED,
    Site,
    quic_port,
)

ILL_PORT = 5399
CUT_BYTES = 16_384
LYING_PORT, BLOCK_PAGE_PORT, PORTAL_PORT, INTERCEPTOR_PORT = 5353, 8080, 8081, 8443
LIES: dict[str, Behaviour] = {
    "linkedin.x.test": addresses(STUB),
    "bbm.x.test": names.nxdomain,
    "dns-refused.x.test": dns_behaviours.refused,
    "dns-empty.x.test": dns_behaviours.empty,
    "dns-silent.x.test": dns_behaviours.silence,
    real.ILL: dns_behaviours.servfail,
}
NOTICE_HOST = "internetpositif.id"
FRANK: dict[str, Behaviour] = {
    "ede-blocked.x.test": dns_behaviours.with_error(15, names.nxdomain),
    "ede-censored.x.test": dns_behaviours.with_error(16, dns_behaviours.refused),
    "ede-filtered.x.test": dns_behaviours.with_error(17, dns_behaviours.empty),
    "ede-bogus.x.test": dns_behaviours.with_error(6, dns_behaviours.servfail),
    "ede-prohibited.x.test": dns_behaviours.with_error(18, dns_behaviours.refused),
    "alias.x.test": dns_behaviours.cname(NOTICE_HOST, to=(STUB,)),
    "removed.x.test": names.nxdomain,
}


def zone() -> dict[str, Behaviour]:
    public = (site for site in KNOWN if site.kind != "inside")
    known = {site.name: dns_behaviours.servfail if site.kind == "broken" else _at(site) for site in public}
    sealed = dns_behaviours.with_https_record(ech_record(), known[ECH_SITE])
    _, doh, dot = HONEST_RESOLVERS
    return known | {ECH_SITE: sealed, DOH_BY_NAME: addresses(doh), DOT_BY_NAME: addresses(dot)}


OWN_ANSWERS: dict[str, Behaviour] = {
    "intranet.x.test": addresses(SITES["intranet.x.test"]),
    "two-views.x.test": addresses(SITES["intranet.x.test"]),
    "two-nodes.x.test": addresses(SILENT),
    "moved-silent.x.test": addresses(SILENT),
    "moved-refused.x.test": addresses(REFUSES),
    "sick-node.x.test": addresses(SITES["stalled.x.test"]),
}


def for_one_country(here: Listeners, authority: Authority) -> None:
    """Backends for one country: another page, a page that refuses, a server that knows no name."""
    if not real.has("nginx"):
        strict = certificates.only_for(authority, "no-name.x.test")
        serve_site(here, SITES["abroad-hello-alert.x.test"], sites.page("No"), strict, LOCAL_TLS_PORT)
    local = sites.answers(sites.response(200, sites.html("Добро пожаловать", kib=9), Server="edge", Vary="*"))
    own = authority.context("abroad-backend.x.test")
    serve_site(here, SITES["abroad-backend.x.test"], local, own, LOCAL_TLS_PORT)
    serve_site(here, SITES["abroad-page.x.test"], local, port=LOCAL_PORT)
    serve_site(here, SITES["abroad-geoblock.x.test"], site_answers.geoblock(), port=LOCAL_PORT)


def _at(site: Site) -> Behaviour:
    return addresses(*site.addresses)


def internet(here: Listeners, folder: Path) -> list[Address]:
    """Honest resolvers, every site on 80 and 443 in both families, a stub server, and the control's SOCKS server."""
    authority = Authority(folder)
    awaited: list[Address] = []
    honest = DemoResolver(zone())
    plain, doh, dot = HONEST_RESOLVERS
    if real.has("unbound"):
        DemoResolver({site.name: _at(site) for site in KNOWN if site.kind == "broken"}).listen(here, UNSIGNED, 53)
        real.start("unbound", "-c", str(real.unbound_conf(folder, authority)))
        awaited += [(plain, 53), (doh, 443), (dot, 853)]
    else:
        honest.listen(here, plain, 53)
        honest.listen_doh(here, doh, authority.context(doh, DOH_BY_NAME), 443)
        honest.listen_dot(here, dot, authority.context(dot, DOT_BY_NAME), 853)
    if real.has("nginx"):
        real.start("nginx", "-c", str(real.nginx_conf(folder, authority)))
        awaited += [(site.address, 443) for site in SERVED]
    else:
        for site in SERVED:
            _serve(here, site, authority)
    for site in (site for site in KNOWN if site.kind in OWN_SERVER):
        _serve(here, site, authority)
    for site in OVER_QUIC:
        page = sites.html(site.name, kib=BIG_KIB if site.kind == "h3-deep" else 0)
        for host in (site.address, site.ipv6):
            serve_quic_site(here, host, authority.pem(site.name), page, 443)
    stub = Authority(folder, "Stub Authority").context("warning.x.test")
    serve_site(here, STUB, sites.answers(censor.block_answer()), port=80)
    serve_site(here, STUB, sites.answers(censor.block_answer()), stub, 443)
    serve_socks(here, SOCKS, honest.addresses_of, {}, port=1080)
    serve_socks(here, OTHER_SOCKS, honest.addresses_of, {}, OTHER_SOCKS, port=1080)
    DemoResolver(zone() | OWN_ANSWERS).listen(here, OWN_VIEW, 53)
    for_one_country(here, authority)
    return awaited


def _serve(here: Listeners, site: Site, authority: Authority) -> None:
    """A site of ours, where there is no nginx."""
    responder = {
        "canary": sites.no_content(),
        "big": site_answers.trickle(BIG_KIB * 1024, every_s=0, piece=1400),
        "deep": sites.page(site.name, kib=BIG_KIB),
        "slow": site_answers.trickle(SLOW_KIB * 1024, every_s=0.25, piece=1024),
        "closes": site_answers.closes,
        "challenge": sites.challenge(),
        "geoblock": site_answers.geoblock(),
        "heavy": sites.page(site.name, kib=HEAVY_KIB),
        "heavy-slow": site_answers.trickle(HEAVY_KIB * 1024, every_s=0.25, piece=HEAVY_RATE * 256),
        "h3": sites.answers(sites.response(200, sites.html(site.name), Alt_Svc='h3=":443"')),
        "h3-deep": sites.answers(sites.response(200, sites.html(site.name, kib=BIG_KIB), Alt_Svc='h3=":443"')),
        "clipped": site_answers.ends_after(CUT_BYTES, BIG_KIB * 1024),
        "stalled": site_answers.stalls_after(CUT_BYTES, BIG_KIB * 1024),
    }.get(site.kind, sites.page(site.name))
    named = "another.x.test" if site.kind == "misnamed" else site.name
    shown = (named, "sick-node.x.test") if site.kind == "stalled" else (named,)
    context = authority.expired(named) if site.kind == "expired" else authority.context(*shown)
    for host in (site.address, site.ipv6):
        serve_site(here, host, responder, port=80)
        serve_site(here, host, responder, context, 443)


def gateway(here: Listeners, folder: Path) -> list[Address]:
    """What the gateway's redirects lead to: a lying resolver, a block page, a portal, an interceptor of TLS,
    a reader of QUIC before every site that speaks it."""
    awaited: list[Address] = []
    if real.has("unbound"):
        DemoResolver({}, dns_behaviours.servfail).listen(here, "127.0.0.1", ILL_PORT)
        real.start("unbound", "-c", str(real.lying_conf(folder, LYING_PORT, ILL_PORT)))
        awaited.append(("127.0.0.1", LYING_PORT))
    else:
        DemoResolver(zone() | LIES).listen(here, "0.0.0.0", LYING_PORT)
    DemoResolver(zone() | FRANK).listen(here, "0.0.0.0", FRANK_PORT)
    serve_site(here, "::", sites.answers(censor.block_answer()), port=BLOCK_PAGE_PORT)
    serve_site(here, "::", site_answers.login_page(), port=PORTAL_PORT)
    for site in OVER_QUIC:
        serve_quic_middlebox(here, "::", (site.address, 443), listed(LISTED_FOR_QUIC), port=quic_port(site))
    interceptor = for_any_name(Authority(folder, "Interceptor Authority"))
    serve_site(here, "::", sites.page("Intercepted"), interceptor, INTERCEPTOR_PORT)
    return awaited


async def listening(awaited: Iterable[Address]) -> None:
    """Wait until servers that are not ours accept connections."""
    for address in awaited:
        for _ in range(100):
            with contextlib.suppress(OSError):
                (await listener.connect_to(address)).close()
                break
            await asyncio.sleep(0.1)
        else:
            raise SystemExit(f"nothing listens at {address}")


async def main(role: str, folder: Path) -> None:
    async with Listeners() as here:
        await listening({"internet": internet, "gateway": gateway}[role](here, folder))
        print("ready", flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
