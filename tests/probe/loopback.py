"""Short ways to measure on loopback, for the tests beside this file."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from probe.failure import UNKNOWN
from probe.model import FollowUp, Measurement, Observation, Vantage
from probe.net.concurrency import AddressLimits
from probe.net.network import RealNetwork
from probe.net.path import Path
from probe.recorder import Log, StepContext
from probe.session import Session, Settings, no_follow_up
from schedules.demo.listener import Address, Listeners, ServerStream, tcp_socket
from tests.lab.network import LabNetwork

T = TypeVar("T")
LOOPBACK = "127.0.0.1"
NAME = "site.x.test"
QUICK_S = 0.8
"""How long a step waits where nothing will come."""
PATIENT_S = 5.0
"""How long a step may wait where an answer is sure to come."""

Handler = Callable[[ServerStream], Awaitable[None]]


def settings(**changed: Any) -> Settings:
    wanted: dict[str, Any] = {"allow_private": True, "timeout_s": PATIENT_S, "families": ("ipv4",)}
    return Settings(**(wanted | changed))


def session(
    follow_up: FollowUp | None = None, path: Path | None = None, per_address: int = 2, **changed: Any
) -> Session:
    return Session(
        network=RealNetwork(path or Path()),
        settings=settings(**changed),
        vantage=Vantage(name="test"),
        limits=AddressLimits(per_address),
        follow_up=follow_up or no_follow_up,
    )


def session_in(net: LabNetwork, **changed: Any) -> Session:
    """The means of a vantage behind the censor of `net`."""
    host, port = net.system_resolver
    doh, dot = (f"{a}:{p}" for a, p in (net.doh, net.dot))
    there: dict[str, Any] = {
        "resolvers": (f"udp://{host}:{port}",),
        "trusted_resolvers": (f"https://{doh}/dns-query", f"tls://{dot}"),
        "ca_file": str(net.authority.ca_file),
    }
    return session(**(there | changed))


def about(address: Address, host: str = NAME) -> StepContext:
    return StepContext(role="main", hop=0, host=host, address=address[0], port=address[1])


def new_log() -> Log:
    return Log("m", RealNetwork(Path()))


def server(here: Listeners, handler: Handler) -> Address:
    """A plain TCP server whose connections `handler` serves."""
    return here.serve_stream(tcp_socket(LOOPBACK), handler)


def course(measured: Measurement, *roles: str) -> list[tuple[str, str | None]]:
    """Step and failure of each observation, of the ordinary course or of the roles given."""
    return [(o.step, o.failure) for o in measured.observations if o.role in (roles or ("main",))]


def is_unknown(failure: str | None) -> bool:
    """Whether a failure says nothing about the target."""
    return failure is not None and failure.startswith(UNKNOWN)


def only(measured: Measurement, step: str) -> Observation:
    (found,) = [o for o in measured.observations if o.step == step]
    return found


async def forever(stream: ServerStream) -> None:
    """Say nothing until the client has left."""
    await stream.gone()


async def at_most(seconds: float, work: Awaitable[T]) -> T:
    """A bound against hanging, far above what the work takes: no measure of time."""
    async with asyncio.timeout(seconds):
        return await work
