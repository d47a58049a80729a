"""Which network a hub sees this vantage in: asked beside rounds where the owner wants it, and known from then on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from probe.http.api_client import NotAnswered
from probe.net.path import BadPath
from results.db.jsonl import BadRecord, decode
from schedules.hub_client.client import HubClient, HubRefused, token_for, way_of

if TYPE_CHECKING:
    from schedules.config.schema import Config
    from schedules.location.location import Locator

FRESH_S = 86400.0
MOST = 16
"""Networks that are remembered, the latest of them."""
MAX_BYTES = 16 * 1024
TIMEOUT_S = 15.0


class Seen(msgspec.Struct, frozen=True):
    """What a hub answers. It is not believed further than that there can be such a network."""

    asn: Annotated[int, Meta(ge=1, le=4294967295)] | None = None
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")] | None = None


class Echo(Seen, frozen=True):
    """What it answered, and when (Unix time)."""

    at: float = 0.0


def file_of(database: Path) -> Path:
    return database.with_name(f"{database.name}.echoed")


def remembered(database: Path) -> dict[str, Echo]:
    """What hubs said, by this machine's own key of the network; nothing where it cannot be read."""
    try:
        with file_of(database).open("rb") as kept:
            found: dict[str, Echo] = decode(kept.read(MAX_BYTES), dict[str, Echo])
    except (OSError, BadRecord):
        return {}
    return found


def network_seen(database: Path, network_key: str) -> tuple[int | None, str | None]:
    """The ASN and country that a hub saw for the network of this key."""
    seen = remembered(database).get(network_key)
    return (seen.asn, seen.country) if seen is not None else (None, None)


async def refresh(config: Config, database: Path, here: Locator, now: float) -> None:
    """Ask the group's hub, where the owner wants that and the answer is a day old. What goes wrong is let be, and
    rounds are recorded as is declared.

    Only by the direct path: by another the hub would see that one's end.
    """
    url = config.hub.url
    if not config.asn.echo or url is None or config.hub.path != "direct":
        return
    located = here.locate(config).place("direct")
    key, known = located.network_key, remembered(database)
    if key is None or located.tunnel is not None or located.asn_source == "mmdb":
        return
    if key in known and 0 <= now - known[key].at < FRESH_S:
        return
    try:
        hub = HubClient(url, way_of(config, TIMEOUT_S), token_for(database, url.rstrip("/")))
        got = await hub.read("/v1/whoami", MAX_BYTES)
        said: Seen = decode(got.body, Seen)
    except (NotAnswered, HubRefused, BadRecord, BadPath):
        return
    if here.locate(config).place("direct").network_key == key:  # else it may be the other network that was seen
        _keep(database, known | {key: Echo(asn=said.asn, country=said.country, at=now)})


def _keep(database: Path, known: dict[str, Echo]) -> None:
    latest = sorted(known.items(), key=lambda one: one[1].at)[-MOST:]
    file = file_of(database)
    part = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        part.write_bytes(msgspec.json.encode(dict(latest)))
        part.replace(file)
    except OSError:
        part.unlink(missing_ok=True)
