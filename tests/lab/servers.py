"""The servers inside the lab: `servers.py internet FOLDER` and `servers.py gateway FOLDER`.

Built of the demo's own parts, on the real ports. The internet's side writes its authority to FOLDER/demo-authority.pem.
Says `ready` when everything listens, and runs until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from schedules.demo import censor, sites
from schedules.demo.authority import Authority
from schedules.demo.listening import Listeners
from schedules.demo.resolver import Behaviour, Resolver, addresses, nxdomain
from schedules.demo.sites import serve_site
from schedules.demo.socks_server import serve_socks

SOCKS = "198.51.100.99"
HONEST_RESOLVERS = {"198.51.100.53": "plain", "198.51.100.54": "doh", "198.51.100.55": "dot"}
STUB = "198.51.100.66"
SITES = {
    "canary.x.test": "198.51.100.20",
    "innocent.x.test": "198.51.100.21",
    "honest.x.test": "198.51.100.22",
    "wechat.x.test": "198.51.100.23",
    "line.x.test": "198.51.100.24",
    "linkedin.x.test": "198.51.100.25",
    "bbm.x.test": "198.51.100.26",
    "news.x.test": "198.51.100.27",
    "big.x.test": "198.51.100.28",
    "neighbour.x.test": "198.51.100.29",
}
"""Every site has the same last number in IPv6, 2001:db8:2::N."""
PAGES = {"canary.x.test": sites.no_content(), "big.x.test": sites.trickle(256 * 1024, every_s=0, piece=1400)}
"""The large page comes in small TLS records: of one cut in the middle of a 16 KiB record nothing could be read."""
LIES: dict[str, Behaviour] = {"linkedin.x.test": addresses(STUB), "bbm.x.test": nxdomain}


def ipv6_of(address: str) -> str:
    return f"2001:db8:2::{address.rsplit('.', 1)[1]}"


def zone() -> dict[str, Behaviour]:
    return {name: addresses(address, ipv6_of(address)) for name, address in SITES.items()}


def internet(here: Listeners, folder: Path) -> None:
    """Honest resolvers, every site on 80 and 443 in both families, a stub server, and the control's SOCKS server."""
    authority = Authority(folder)
    honest = Resolver(zone())
    plain, doh, dot = HONEST_RESOLVERS
    for port, protocol, host in ((53, "plain", plain), (443, "doh", doh), (853, "dot", dot)):
        if protocol == "plain":
            honest.listen(here, host, port)
        elif protocol == "doh":
            honest.listen_doh(here, host, authority.context(host), port)
        else:
            honest.listen_dot(here, host, authority.context(host), port)
    for name, address in SITES.items():
        responder = PAGES.get(name) or sites.page(name)
        context = authority.context(name)
        for host in (address, ipv6_of(address)):
            serve_site(here, host, responder, port=80)
            serve_site(here, host, responder, context, 443)
    stub = Authority(folder, "Stub Authority").context("warning.x.test")
    serve_site(here, STUB, sites.answers(censor.block_answer()), port=80)
    serve_site(here, STUB, sites.answers(censor.block_answer()), stub, 443)
    serve_socks(here, SOCKS, honest.addresses_of, {}, port=1080)


def gateway(here: Listeners, _: Path) -> None:
    """The lying resolver on 5353 and the block page on 8080, for the gateway's redirects."""
    Resolver(zone() | LIES).listen(here, "0.0.0.0", 5353)
    serve_site(here, "0.0.0.0", sites.answers(censor.block_answer()), port=8080)


async def main(role: str, folder: Path) -> None:
    async with Listeners() as here:
        {"internet": internet, "gateway": gateway}[role](here, folder)
        print("ready", flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
