"""How a hub measures controls: the agent's steps on a network that checks each connect against a policy."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from probe.lookup import look_up
from probe.measure import measure
from probe.model import Attempt, FollowUp, Measurement, Target
from probe.net.network import ConnectPolicy, RestrictedNetwork, public_only
from probe.recorder import Log
from probe.steps import specs
from results.hub.control import Controls
from schedules.round.session import session_of

if TYPE_CHECKING:
    from schedules.config.schema import Config

PORTS = frozenset((80, 443, 5222, 5223, 8080, 8443))
"""Ports of known services; a hub must not serve as a port scanner."""


def controls(config: Config, may: ConnectPolicy | None = None) -> Controls:
    """The hub's controls. By default public addresses and known ports may be connected to, with allow_private all."""
    permitted = public_only(PORTS | _default_ports())
    allowed = may or ((lambda address, port: True) if config.network.allow_private else permitted)
    session = session_of(config, "direct")
    session = msgspec.structs.replace(session, network=RestrictedNetwork(session.network, allowed))

    async def observe(target: Target, addresses: tuple[str, ...]) -> Measurement:
        return await measure(target, msgspec.structs.replace(session, follow_up=_also_at(target, addresses)))

    async def resolve(host: str) -> tuple[str, ...]:
        log = Log("resolving", session.network)
        with closing(log):
            answers = await look_up(host, 0, "main", session.settings.resolvers, log, session)
        return tuple(address for answer in answers for address in answer.detail.addresses)

    return Controls(observe, resolve, allowed)


def _default_ports() -> frozenset[int]:
    return frozenset(port for spec in specs().values() for port in spec.schemes.values() if port is not None)


def _also_at(target: Target, addresses: tuple[str, ...]) -> FollowUp:
    """Also connects to the addresses that a vantage point saw, as far as the handshake."""

    def follow_up(measurement: Measurement) -> list[Attempt]:
        tried = {o.address for o in measurement.observations if o.step != "dns"}
        return [
            Attempt(
                role="again",
                hop=0,
                scheme="tls" if target.scheme in ("https", "tls") else "tcp",
                host=target.host,
                server_name=target.host,
                address=address,
                port=target.port,
            )
            for address in addresses
            if address not in tried
        ]

    return follow_up
