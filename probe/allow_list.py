"""Whether a network permits only a list of names or addresses, by its reference sites; and presets of domestic ones."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec

from probe.measure import measure
from probe.model import AllowList, Attempt, Measurement, Observation
from probe.net.resolver import parse
from probe.recorder import Log, StepContext
from probe.session import Session
from probe.steps import specs, tcp

SECURE = 443
WINDOW_S = 1.0
"""How long to wait for a connection that should never be accepted."""


@cache
def domestic_sites(country: str | None) -> tuple[str, ...]:
    """The preset domestic reference sites of a country; the first of every country where it is unknown."""
    import tomllib

    found: dict[str, Any] = tomllib.loads(files("probe").joinpath("domestic_sites.toml").read_text("utf-8"))
    if country is None:
        return tuple(one["sites"][0] for one in found.values())
    return tuple(found.get(country, {}).get("sites", ()))


async def allow_list_of(
    measured: Sequence[Measurement], working: Sequence[Measurement], session: Session
) -> tuple[tuple[Measurement, ...], AllowList | None]:
    """A listed and an unlisted name at each other's address, once the unlisted one has failed again at its own.

    Where a made-up name passes there, the network blocks a list instead, which has our foreign reference sites.
    """
    strange = f"{session.network.token()}.example.net"
    listed = next((o for m in working for o in m.observations if o.step == "tls" and o.failure is None), None)
    unlisted = next((m for m in measured if m not in working and _cut_off(m) is not None), None)
    if listed is None or unlisted is None:
        return (), None

    def crossed(again: Measurement) -> Sequence[Attempt]:
        failed = _cut_off(again)
        if failed is None or any(o.role == "listed" for o in again.observations):
            return ()
        return (
            _handshake("listed", listed.host, failed),
            _handshake("made_up", strange, failed),
            _handshake("elsewhere", again.target.host, listed),
        )

    tested = await measure(unlisted.target, msgspec.structs.replace(session, follow_up=crossed))
    failed = _cut_off(tested)
    last = {o.role: o for o in tested.observations if o.role in ("listed", "made_up", "elsewhere")}
    if failed is None or len(last) < 3 or any(o.step != "tls" for o in last.values()) or _presented(last["made_up"]):
        return (tested,), None
    by_name, by_address = _presented(last["listed"]), _presented(last["elsewhere"])
    if not by_name and await _connects_anywhere(session):
        return (tested,), None
    by: dict[tuple[bool, bool], Literal["name", "address", "either", "both"]] = {
        (True, False): "name",
        (False, True): "address",
        (True, True): "either",
        (False, False): "both",
    }
    found = AllowList(
        by=by[by_name, by_address],
        listed=listed.host,
        unlisted=failed.host,
        listed_place=_place(listed),
        unlisted_place=_place(failed),
    )
    return (tested,), found


def _handshake(role: Literal["listed", "made_up", "elsewhere"], name: str, at: Observation) -> Attempt:
    port = at.port or SECURE
    return Attempt(role=role, hop=0, scheme="tls", host=name, server_name=name, address=at.address, port=port)


def _cut_off(site: Measurement) -> Observation | None:
    """The handshake that was lost or cut off once connected; None where one passed, or another step failed."""
    handshakes = [o for o in site.observations if o.role == "main" and o.step == "tls"]
    if any(_presented(o) for o in handshakes):
        return None
    methods = {method.name for method in specs()["tls"].methods if method.by_name}
    return next((o for o in handshakes if specs()["tls"].failures.get(o.failure or "") in methods and o.address), None)


def _presented(handshake: Observation) -> bool:
    return handshake.failure is None or bool(handshake.detail.chain)


def _place(step: Observation) -> str:
    where = step.address or step.host
    return f"[{where}]:{step.port}" if ":" in where else f"{where}:{step.port}"


async def _connects_anywhere(session: Session) -> bool:
    """Whether an address without a server may accept a connection too, so that one which passes proves nothing."""
    if not session.settings.no_resolver:
        return True
    (silent,) = parse(f"udp://{session.settings.no_resolver}")
    about = StepContext(role="made_up", hop=0, host=str(silent.address), address=silent.address, port=SECURE)
    wait = min(WINDOW_S, session.settings.timeout_s)
    settings = msgspec.structs.replace(session.settings, timeout_s=wait, allow_private=True)
    with closing(Log(session.network.token(), session.network)) as log:
        _, stream = await tcp.connect(log, about, settings)
    if stream is not None:
        stream.close()
    return stream is not None
