"""Censor actions and policies that only tests use; they extend schedules.demo.censor."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Collection, Mapping

from schedules.demo import listener
from schedules.demo.censor import Action, ConnectionInfo, Flow, Policy, answers, forward, passes, resets
from schedules.demo.listener import CHUNK_BYTES, Address
from schedules.demo.sites import response


async def closes(flow: Flow) -> None:
    """A FIN, where an answer was expected."""
    await listener.close_gracefully(flow.client)


def alerts(description: int = 40) -> Action:
    """A fatal TLS alert (RFC 8446, 6.2): 40 handshake_failure, 112 unrecognized_name."""

    return answers(bytes((0x15, 0x03, 0x03, 0x00, 0x02, 0x02, description)))


def freezes_after(size: int) -> Action:
    """Let `size` bytes come back to the client, then no more."""

    async def back(upstream: socket.socket, client: socket.socket, client_left: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        left = size
        while left and (data := await loop.sock_recv(upstream, min(CHUNK_BYTES, left))):
            await loop.sock_sendall(client, data)
            left -= len(data)
        await client_left.wait()

    return lambda flow: forward(flow, back)


def throttles_to(bytes_per_s: int) -> Action:
    """Let bytes come back to the client at this rate."""

    async def back(upstream: socket.socket, client: socket.socket, client_left: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        piece = max(1, bytes_per_s // 20)
        while data := await loop.sock_recv(upstream, piece):
            await loop.sock_sendall(client, data)
            await asyncio.sleep(len(data) / bytes_per_s)
        client.shutdown(socket.SHUT_WR)

    return lambda flow: forward(flow, back)


def on_first(matches: Callable[[bytes], bool], action: Action) -> Action:
    """Act where a connection's first bytes, a ClientHello or a request, are like this; let the others pass."""

    async def act(flow: Flow) -> None:
        await (action if matches(flow.first) else passes)(flow)

    return act


def strangles(wait_s: float, bytes_per_s: int) -> Action:
    """Let the first bytes wait, and what comes back trickle."""
    then = throttles_to(bytes_per_s)

    async def act(flow: Flow) -> None:
        await asyncio.sleep(wait_s)
        await then(flow)

    return act


def block_redirect(location: str = "http://warning.rt.ru/?id=13&st=0&rs=http%3A%2F%2Fnews.x.test%2F") -> Action:
    """A redirect to a provider's block host, as most Russian providers do."""
    return answers(response(302, Location=location))


def lingers(policy: Policy, address: str, seconds: float, clock: Callable[[], float] = time.monotonic) -> Policy:
    """Residual blocking: what was done to a name at `address` befalls every connection there for a while after."""
    last: tuple[float, Action] | None = None

    def decide(seen: ConnectionInfo) -> Action:
        nonlocal last
        action = policy(seen)
        if seen.destination[0] != address:
            return action
        if action is not passes:
            last = clock() + seconds, action
        return last[1] if last and clock() < last[0] else action

    return decide


def by_destination(actions: Mapping[str, Action], otherwise: Policy) -> Policy:
    """Act on the address whatever the name; other addresses are left to `otherwise`."""
    return lambda seen: actions[seen.destination[0]] if seen.destination[0] in actions else otherwise(seen)


def permits(names: Collection[str], addresses: Collection[str], otherwise: Action, *, both: bool = False) -> Policy:
    """An allow-list: what has a listed name or a listed address passes, or what has `both`."""
    enough = all if both else any

    def decide(seen: ConnectionInfo) -> Action:
        return passes if enough((seen.name in names, seen.destination[0] in addresses)) else otherwise

    return decide


def polices(action: Action, most: int, within_s: float, for_s: float, clock: Callable[[], float]) -> Action:
    """More connections within this time than so many: all new ones are acted on for a while."""
    met: list[float] = []
    until = 0.0

    async def act(flow: Flow) -> None:
        nonlocal until
        now = clock()
        met[:] = [*(then for then in met if now - then < within_s), now]
        if now >= until and len(met) > most:
            until = now + for_s
        await (action if now < until else passes)(flow)

    return act


def only_protocol(protocol: str, policy: Policy) -> Policy:
    """A censor that reads TLS alone, or HTTP alone."""
    return lambda seen: policy(seen) if seen.protocol == protocol else passes


def with_residue(policy: Policy, for_s: float, clock: Callable[[], float] = time.monotonic) -> Policy:
    """Once it has acted, the censor goes on so between the same two addresses for `for_s` seconds, name or not."""
    punished: dict[tuple[str, Address], tuple[float, Action]] = {}

    def choose(seen: ConnectionInfo) -> Action:
        pair = (seen.source, seen.destination)
        if (action := policy(seen)) is not passes:
            punished[pair] = (clock() + for_s, action)
            return action
        until, again = punished.get(pair, (0.0, passes))
        return again if clock() < until else passes

    return choose


def captive_portal(login_url: str) -> Policy:
    """Every request is sent to the login page, and TLS does not come through."""
    to_login = answers(response(302, Location=login_url))
    return lambda seen: to_login if seen.protocol == "http" else resets
