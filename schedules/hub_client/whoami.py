"""The network that a hub sees this vantage point in, remembered for each of this machine's networks."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from probe.http.api_client import NotAnswered
from probe.net.path import BadPath
from results.db.jsonl import BadRecord, decode
from schedules.hub_client.client import HubClient, HubRefused, token_for, way_of
from schedules.runtime.paths import write_atomically

if TYPE_CHECKING:
    from schedules.config.schema import Config
    from schedules.location.location import Locator

MAX_AGE_S = 86400.0
MAX_NETWORKS = 16
MAX_BYTES = 16 * 1024
TIMEOUT_S = 15.0


class WhoamiResponse(msgspec.Struct, frozen=True):
    asn: Annotated[int, Meta(ge=1, le=4294967295)] | None = None
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")] | None = None


class SeenNetwork(WhoamiResponse, frozen=True):
    """A response, and when it came (Unix time)."""

    at: float = 0.0


def file_of(database: Path) -> Path:
    return database.with_name(f"{database.name}.echoed")


def remembered(database: Path) -> dict[str, SeenNetwork]:
    """Hubs' responses by this machine's network key; empty where the file cannot be read."""
    try:
        with file_of(database).open("rb") as file:
            found: dict[str, SeenNetwork] = decode(file.read(MAX_BYTES), dict[str, SeenNetwork])
    except (OSError, BadRecord):
        return {}
    return found


def network_seen(database: Path, network_key: str) -> tuple[int | None, str | None]:
    """The ASN and country that a hub saw for the network with this key."""
    seen = remembered(database).get(network_key)
    return (seen.asn, seen.country) if seen is not None else (None, None)


async def refresh(config: Config, database: Path, locator: Locator, now: float) -> None:
    """Ask the configured hub where [asn] echo is set and the last response is older than MAX_AGE_S; ignore errors.

    By the direct path only: a hub would see another path's exit.
    """
    url = config.hub.url
    if not config.asn.echo or url is None or config.hub.path != "direct":
        return
    located = locator.locate(config).place("direct")
    key, known = located.network_key, remembered(database)
    if key is None or located.tunnel is not None or located.asn_source == "mmdb":
        return
    if key in known and 0 <= now - known[key].at < MAX_AGE_S:
        return
    try:
        hub = HubClient(url, way_of(config, TIMEOUT_S), token_for(database, url.rstrip("/")))
        response: WhoamiResponse = decode((await hub.read("/v1/whoami", MAX_BYTES)).body, WhoamiResponse)
    except (NotAnswered, HubRefused, BadRecord, BadPath):
        return
    if locator.locate(config).place("direct").network_key != key:
        return  # the hub may have seen the other network
    known |= {key: SeenNetwork(asn=response.asn, country=response.country, at=now)}
    latest = dict(sorted(known.items(), key=lambda one: one[1].at)[-MAX_NETWORKS:])
    with suppress(OSError):
        write_atomically(file_of(database), msgspec.json.encode(latest))
