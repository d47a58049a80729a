"""Requests to a hub: enrolment, tokens, uploads, control measurements, and the network that it sees us in.

Responses are validated before use.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from gettext import gettext as _
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta

from probe.http.api_client import ApiResponse, ApiRoute, NotAnswered, get, post, server_of
from probe.measure import ControlSource
from probe.model import Measurement, Target
from probe.net import path as paths
from probe.net.network import RealNetwork
from probe.net.path import BadPath
from probe.text import printable
from results.db.connect import open_read_only
from results.db.json_codec import measurement_from_plain
from results.db.jsonl import BadRecord, decode
from results.judge.control_steps import public_addresses
from schedules.config.schema import Config
from schedules.location.location import Locator
from schedules.runtime.paths import write_atomically

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


MAX_RESPONSE_BYTES = 8 * 1024 * 1024
TIMEOUT_S, CONTROL_TIMEOUT_S = 60.0, 60.0
COMPRESSION_LEVEL = 6
MAX_CONCURRENT_CONTROLS = 8
MAX_CONTROL_WAIT_S = 5.0
CONTROL_PATH = "hub"
"""The path name that a verdict shows for a hub's control measurement."""
MAX_SEEN_AGE_S, MAX_SEEN_NETWORKS, MAX_SEEN_BYTES, WHOAMI_TIMEOUT_S = 86400.0, 16, 16 * 1024, 15.0
RETRY_STATUSES = (408, 429, 500, 502, 503, 504)


class HubRefused(ValueError):
    """The hub rejected a request or sent an invalid response; the message says why."""


class HubBusy(NotAnswered):
    """A temporary refusal; `wait_s` is the hub's Retry-After, if any."""

    def __init__(self, why: str, wait_s: float | None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class NotEnrolled(HubRefused):
    """The hub answered 401."""


class Credentials(msgspec.Struct, frozen=True):
    """The response to enrolling and to renewing a token."""

    token: str
    name: str = ""


class RecordStatus(msgspec.Struct, frozen=True):
    line: int
    status: Literal["stored", "known", "refused"]
    why: str | None = None


class UploadResponse(msgspec.Struct, frozen=True):
    answers: tuple[RecordStatus, ...]


class ErrorResponse(msgspec.Struct, frozen=True):
    error: str


class ControlResponse(msgspec.Struct, frozen=True):
    measurement: Any


class HubClient:
    """One hub. `secret` is a token, or the hub's reading password.

    Every method raises NotAnswered, HubBusy included, or HubRefused.
    """

    def __init__(self, url: str, way: ApiRoute, secret: str | None = None) -> None:
        self.url, self._way = url, way
        authorization = (("Authorization", f"Bearer {secret}"),) if secret is not None else ()
        self._headers = (*authorization, ("Connection", "close"))

    async def enrol(self, invitation: str) -> Credentials:
        """Use an invitation up."""
        given: Credentials = await self.ask("/v1/enrol", {"invitation": invitation}, Credentials)
        if not given.name:
            raise HubRefused(_("{url}: no name in the response").format(url=self.url))
        return given

    async def renew(self) -> str:
        """Another token for this vantage."""
        given: Credentials = await self.ask("/v1/token", {}, Credentials)
        return given.token

    async def send(self, lines: Sequence[bytes]) -> dict[int, str | None]:
        """Upload records: by number from 1, None for one the hub has now, or why it was refused."""
        packed = zstd.compress(b"\n".join(lines), COMPRESSION_LEVEL)
        headers = (("Content-Type", "application/x-ndjson"), ("Content-Encoding", "zstd"))
        response: UploadResponse = await self._post("/v1/measurements", packed, headers, UploadResponse)
        return {
            one.line: printable(one.why or _("no reason given")) if one.status == "refused" else None
            for one in response.answers
            if 1 <= one.line <= len(lines)
        }

    async def ask(self, path: str, question: Any, kind: Any) -> Any:
        """POST a JSON body; the response decoded as `kind`."""
        return await self._post(path, msgspec.json.encode(question), (("Content-Type", "application/json"),), kind)

    async def read(self, path: str, max_bytes: int) -> ApiResponse:
        """GET `path`."""
        return self.checked(await self.get(path, (("Accept-Encoding", "gzip"),), max_bytes))

    async def get(self, path: str, headers: tuple[tuple[str, str], ...], max_bytes: int) -> ApiResponse:
        """GET `path`, whatever the status."""
        return await get(self.url, path, (*self._headers, *headers), self._way, max_bytes=max_bytes)

    def checked(self, response: ApiResponse) -> ApiResponse:
        """The response where its status is 200; else HubRefused or HubBusy."""
        if response.status == 200:
            return response
        why = f"{self.url}: {_reason(response)}"
        if response.status == 401:
            raise NotEnrolled(why)
        if response.status in RETRY_STATUSES:
            wait = response.header("retry-after") or ""
            raise HubBusy(why, float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 7 else None)
        raise HubRefused(why)

    async def _post(self, path: str, content: bytes, headers: tuple[tuple[str, str], ...], kind: Any) -> Any:
        response = await post(
            self.url, path, content, (*headers, *self._headers), self._way, max_bytes=MAX_RESPONSE_BYTES
        )
        try:
            return decode(self.checked(response).body, kind)
        except BadRecord as error:
            says = _("{url}: unexpected response, not a reachprobe hub: {error}")
            raise HubRefused(says.format(url=self.url, error=error)) from error


def _reason(response: ApiResponse) -> str:
    try:
        refusal: ErrorResponse = decode(response.body, ErrorResponse)
    except BadRecord:
        return _("answered {status}").format(status=response.status)
    return _("answered {status}, {error}").format(status=response.status, error=printable(refusal.error, 120))


def way_of(config: Config, timeout_s: float = TIMEOUT_S) -> ApiRoute:
    """How hubs are reached. BadPath where the configured path does not exist."""
    return ApiRoute(
        network=RealNetwork(config.path_named(config.hub.path)),
        ca_file=config.network.ca_file,
        pins=config.hub.pins,
        gate=config.network.gate,
        timeout_s=timeout_s,
    )


def usable_way(config: Config, timeout_s: float = TIMEOUT_S) -> ApiRoute:
    """The same; BadPath also where this machine cannot use the path now."""
    paths.usable(config.path_named(config.hub.path))
    return way_of(config, timeout_s)


def token_for(database: Path, url: str) -> str | None:
    """This vantage's token for the hub at `url`; None where it is not enrolled there."""
    if not database.exists():
        return None
    try:
        with closing(open_read_only(database)) as connection:
            row = connection.execute("SELECT token FROM hubs WHERE url IN (?, ?)", [url, f"{url}/"]).fetchone()
    except sqlite3.Error:
        return None
    return str(row[0]) if row is not None else None


def control_source(
    config: Config,
    enrolled: Sequence[tuple[str, str]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> ControlSource:
    """Control measurements by the first hub (URL, token) that answers; one that failed is skipped afterwards.

    A hub that is busy for a moment is asked once more.
    """
    failed: set[str] = set()
    slots = asyncio.Semaphore(MAX_CONCURRENT_CONTROLS)

    async def asked(url: str, token: str, measurement: Measurement) -> Measurement:
        try:
            return await _control(config, url, token, measurement)
        except HubBusy as error:
            if error.wait_s is None or error.wait_s > MAX_CONTROL_WAIT_S:
                raise
            await sleep(error.wait_s)
        return await _control(config, url, token, measurement)

    async def source(measurement: Measurement) -> Sequence[Measurement]:
        for url, token in enrolled:
            if url in failed:
                continue
            try:
                async with slots:
                    if url not in failed:
                        return (await asked(url, token, measurement),)
            except (HubBusy, BadRecord):
                continue
            except (NotAnswered, HubRefused, BadPath):
                failed.add(url)
        return ()

    return source


async def _control(config: Config, url: str, token: str, measurement: Measurement) -> Measurement:
    """The hub's measurement of the same target, under an id of its own: a hub may give the same one to several."""
    hub = HubClient(url, usable_way(config, min(CONTROL_TIMEOUT_S, 6 * config.network.timeout_s)), token)
    control = measurement_from_plain((await _asked(hub, measurement)).measurement)
    if _endpoint(control.target) != _endpoint(measurement.target):
        raise BadRecord("a control measurement of another target")
    name = RealNetwork(paths.Path()).token()
    return msgspec.structs.replace(
        control,
        id=name,
        target=measurement.target,
        vantage=msgspec.structs.replace(control.vantage, name=server_of(url).host, path=CONTROL_PATH),
        observations=tuple(
            msgspec.structs.replace(one, id=f"{name}.{place}") for place, one in enumerate(control.observations, 1)
        ),
        control_of=measurement.id,
        repeats=None,
    )


async def _asked(hub: HubClient, measurement: Measurement) -> ControlResponse:
    """The response to the target with the addresses at which it failed; without these where the hub refuses them."""
    asked = {"target": measurement.target.text}
    addresses = public_addresses(measurement)
    if addresses:
        try:
            response: ControlResponse = await hub.ask("/v1/control", {**asked, "addresses": addresses}, ControlResponse)
        except NotEnrolled:
            raise
        except HubRefused:
            pass
        else:
            return response
    return cast(ControlResponse, await hub.ask("/v1/control", asked, ControlResponse))


def _endpoint(target: Target) -> tuple[object, ...]:
    return target.scheme, target.host, target.port, target.request_path


class WhoamiResponse(msgspec.Struct, frozen=True):
    asn: Annotated[int, Meta(ge=1, le=4294967295)] | None = None
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")] | None = None


class SeenNetwork(WhoamiResponse, frozen=True):
    """A response, and when it came (Unix time)."""

    at: float = 0.0


def seen_file(database: Path) -> Path:
    return database.with_name(f"{database.name}.echoed")


def remembered(database: Path) -> dict[str, SeenNetwork]:
    """Hubs' responses by this machine's network key; empty where the file cannot be read."""
    try:
        with seen_file(database).open("rb") as file:
            found: dict[str, SeenNetwork] = decode(file.read(MAX_SEEN_BYTES), dict[str, SeenNetwork])
    except (OSError, BadRecord):
        return {}
    return found


def network_seen(database: Path, network_key: str) -> tuple[int | None, str | None]:
    """The ASN and country that a hub saw for the network with this key."""
    seen = remembered(database).get(network_key)
    return (seen.asn, seen.country) if seen is not None else (None, None)


async def refresh(config: Config, database: Path, locator: Locator, now: float) -> None:
    """Ask the configured hub where [asn] echo is set and the last response is older than MAX_SEEN_AGE_S; ignore errors.

    By the direct path only: a hub would see another path's exit.
    """
    url = config.hub.url
    if not config.asn.echo or url is None or config.hub.path != "direct":
        return
    located = locator.locate(config).place("direct")
    key, known = located.network_key, remembered(database)
    if key is None or located.tunnel is not None or located.asn_source == "mmdb":
        return
    if key in known and 0 <= now - known[key].at < MAX_SEEN_AGE_S:
        return
    try:
        hub = HubClient(url, way_of(config, WHOAMI_TIMEOUT_S), token_for(database, url.rstrip("/")))
        response: WhoamiResponse = decode((await hub.read("/v1/whoami", MAX_SEEN_BYTES)).body, WhoamiResponse)
    except (NotAnswered, HubRefused, BadRecord, BadPath):
        return
    if locator.locate(config).place("direct").network_key != key:
        return  # the hub may have seen the other network
    known |= {key: SeenNetwork(asn=response.asn, country=response.country, at=now)}
    latest = dict(sorted(known.items(), key=lambda one: one[1].at)[-MAX_SEEN_NETWORKS:])
    with suppress(OSError):
        write_atomically(seen_file(database), msgspec.json.encode(latest))
