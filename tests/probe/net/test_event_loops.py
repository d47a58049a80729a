"""Both event loops see the same, and a measurement can be cancelled at any point under either."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from probe.measure import measure
from probe.target import parse
from schedules.demo import censor, resolver
from schedules.demo.listener import can_bind, leave_unanswered
from tests.lab import censor_actions, dns_behaviours, site_answers
from tests.lab.network import LabNetwork
from tests.probe.loopback import QUICK_S, course, session_in

RUNNERS = [asyncio.run, uvloop.run]
Run = Callable[[Coroutine[Any, Any, Any]], Any]
CENSORED: dict[str, tuple[dict[str, Any], tuple[str, str | None]]] = {
    "reset": ({"censored": censor.resets}, ("tls", "connection_reset")),
    "dropped": ({"censored": censor.drops}, ("tls", "generic_timeout_error")),
    "closed": ({"censored": censor_actions.closes}, ("tls", "eof_error")),
    "unanswered": ({"connect": "unanswered"}, ("tcp", "generic_timeout_error")),
    "refused": ({"connect": "refused"}, ("tcp", "connection_refused")),
    "stalled": ({"responder": site_answers.stalls_after(100)}, ("http", "generic_timeout_error")),
    "honest": ({}, ("http", None)),
}  # fmt: skip


@pytest.mark.parametrize("run", RUNNERS, ids=["asyncio", "uvloop"])
def test_every_event_loop_sees_the_same(run: Run) -> None:
    async def situation() -> dict[str, tuple[str, str | None]]:
        async with LabNetwork() as net:
            made = {name: net.add_site(f"{name}.x.test", **how) for name, (how, _) in CENSORED.items()}
            measured = await asyncio.gather(
                *(measure(parse(site.url), session_in(net, timeout_s=QUICK_S)) for site in made.values())
            )
            await asyncio.sleep(0)
        return {name: course(m)[-1] for name, m in zip(made, measured, strict=True)}

    assert run(situation()) == {name: last for name, (_, last) in CENSORED.items()}


@pytest.mark.parametrize("run", RUNNERS, ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("kind", ["silent resolver", "dropped", "unanswered", "stalled", "half open"])
def test_a_measurement_can_be_cancelled_anywhere_and_leaves_nothing(run: Run, kind: str) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "silent resolver": {"lie": dns_behaviours.silence}, "dropped": {"censored": censor.drops},
        "unanswered": {"connect": "unanswered"}, "half open": {},
        "stalled": {"responder": site_answers.stalls_after(100)},
    }  # fmt: skip

    async def situation() -> int:
        async with LabNetwork() as net:
            site = net.add_site("site.x.test", **kinds[kind])
            if kind == "half open":  # one address has finished its handshake while the other still waits for an answer
                net.honest_zone[site.name] = resolver.addresses(site.address, "::1")
                if can_bind("::1"):
                    leave_unanswered(net.listeners, "::1", site.port)
            wanted = session_in(net, families=("ipv4", "ipv6"))
            task = asyncio.create_task(measure(parse(site.url, allow_private=True), wanted))
            await asyncio.sleep(0.15)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return len(wanted.limits._slots)

    assert run(situation()) == 0
