"""Networks that censor QUIC, on loopback: by the name in the first datagram, by address, and all of it."""

from __future__ import annotations

from schedules.demo.network import CONTROL
from tests.lab.quic_censor import names
from tests.live.rounds import Network, Plan
from tests.situation import Expected

REACHABLE = Expected("reachable", confidence="confirmed")
BESIDE = Expected("reachable", confidence="confirmed", evidence=("the host also offers QUIC, which fails",))
BY_NAME = Expected("blocked", "quic.timeout", "name", "confirmed")
BY_ADDRESS = Expected("blocked", "quic.timeout", None, "possible", changed="One control is no proof of an address.")
OF_ALL = Expected("blocked", "quic.timeout", confidence="probable", evidence=("lets any QUIC through; it fails at",))


def some(plan: Plan) -> None:
    """One name and one address over QUIC; TCP passes, so the pages stand."""
    named = plan.site_over_quic("named", BY_NAME, page=BESIDE)
    there = plan.site_over_quic("dropped", BY_ADDRESS, page=BESIDE)
    plan.site_over_quic("open", REACHABLE, page=REACHABLE)
    without = plan.site("without", REACHABLE)
    plan.expect("no-quic", f"quic://{without.name}:{without.port}", Expected("down"))
    by_name = names(named.name)
    plan.drops_quic = lambda seen: by_name(seen) or seen.destination[0] == there.address


def everything(plan: Plan) -> None:
    """No datagram but the control's comes through."""
    plan.site_over_quic("open", OF_ALL, page=BESIDE)
    plan.drops_quic = lambda _: True


def everything_unseen(plan: Plan) -> None:
    """The same where no control carries datagrams: a company's firewall does that, and nobody is blocked by it."""
    plan.site_over_quic("open", Expected("inconclusive"), page=BESIDE)
    plan.drops_quic = lambda _: True


def with_quic(config: str) -> str:
    return config.replace("[network]\n", "[network]\nquic = true\n")


def with_vpn(config: str) -> str:
    """The control is a path that carries datagrams."""
    vpn = f'[control]\npath = "vpn"\n\n[[path]]\nname = "vpn"\nbind = "{CONTROL}"\n'
    return with_quic(config).replace('[control]\npath = "control"\n', vpn)


NETWORKS = (
    Network("QUIC by name and by address", some, config=with_vpn),
    Network("QUIC dropped for everybody", everything, config=with_vpn),
    Network("QUIC dropped and no control carries datagrams", everything_unseen, config=with_quic),
)
