"""A hub as a control: asked for the target alone; what it answers is held to the schema before it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from probe.control import ControlSource
from probe.http.api_client import NotAnswered, server_of
from probe.model import Measurement, Target, Vantage
from probe.net.network import RealNetwork
from probe.net.path import BadPath, Path, usable
from results.db.json_codec import measurement_from_plain
from results.db.jsonl import BadRecord
from schedules.hub_client import client
from schedules.hub_client.client import HubRefused, Later

if TYPE_CHECKING:
    from schedules.config.schema import Config

AT_ONCE = 8
LONGEST_S = 60.0
PATH = "hub"
"""What a verdict calls it."""


class Measured(msgspec.Struct, frozen=True):
    measurement: Any


def by_hubs(config: Config, known: Sequence[tuple[str, str]]) -> ControlSource:
    """The first of these hubs, URL and token, that answers. One that cannot be reached is not asked again in the same
    round: a round goes on as if there were none."""
    gone: set[str] = set()
    places = asyncio.Semaphore(AT_ONCE)

    async def source(measurement: Measurement) -> Sequence[Measurement]:
        for url, token in known:
            if url in gone:
                continue
            try:
                async with places:
                    if url not in gone:
                        return (await ask_hub(config, url, token, measurement),)
            except Later:
                continue  # it is there, and too busy for this one
            except (NotAnswered, HubRefused, BadPath):
                gone.add(url)
            except BadRecord:
                continue
        return ()

    return source


async def ask_hub(config: Config, url: str, token: str, measurement: Measurement) -> Measurement:
    """What the hub sees of the measurement's target, as a control of it. It gets an id of its own here, for a hub gives
    the same to several, and is called as the hub's host. NotAnswered, HubRefused, or BadRecord."""
    usable(config.path_named(config.hub.path))
    way = client.way_of(config, min(LONGEST_S, 6 * config.network.timeout_s))
    answered: Measured = await client.ask(url, "/v1/control", {"target": measurement.target.text}, token, way, Measured)
    seen = measurement_from_plain(answered.measurement)
    wanted = measurement.target
    if _endpoint(seen.target) != _endpoint(wanted):
        raise BadRecord("a control of something else")
    name = RealNetwork(Path()).token()
    there = seen.vantage
    vantage = Vantage(
        name=server_of(url).host, country=there.country, asn=there.asn, network_name=there.network_name, path=PATH
    )
    observations = tuple(
        msgspec.structs.replace(one, id=f"{name}.{place}") for place, one in enumerate(seen.observations, 1)
    )
    return msgspec.structs.replace(
        seen,
        id=name,
        target=wanted,
        vantage=vantage,
        observations=observations,
        control_of=measurement.id,
        repeats=None,
    )


def _endpoint(target: Target) -> tuple[object, ...]:
    """What is measured, however it was written."""
    return target.scheme, target.host, target.port, target.request_path
