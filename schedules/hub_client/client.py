"""Talks to a hub: enrols there, renews the token, sends what was measured. What a hub answers is not believed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from probe.http.api_client import Answered, NotAnswered, Way, get, post
from probe.net.network import RealNetwork
from results.db.jsonl import BadRecord, decode, printable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from schedules.config.schema import Config

MAX_ANSWER = 8 * 1024 * 1024
TIMEOUT_S = 60.0
LEVEL = 6


class HubRefused(ValueError):
    """A hub that does not do what it was asked to; the message says why."""


class Later(NotAnswered):
    """It is busy, or has heard too much of this vantage: come back in `wait_s` seconds, where it says so."""

    def __init__(self, why: str, wait_s: float | None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class Unknown(HubRefused):
    """It does not know this vantage, or no longer."""


class Given(msgspec.Struct, frozen=True):
    """What enrolling or renewing gives."""

    token: str
    name: str = ""


class One(msgspec.Struct, frozen=True):
    line: int
    status: Literal["stored", "known", "refused"]
    why: str | None = None


class All(msgspec.Struct, frozen=True):
    answers: tuple[One, ...]


class Refusal(msgspec.Struct, frozen=True):
    error: str


def way_of(config: Config, timeout_s: float = TIMEOUT_S) -> Way:
    """How hubs are reached. BadPath where there is no such way now."""
    return Way(
        network=RealNetwork(config.path_named(config.hub.path)),
        ca_file=config.network.ca_file,
        pins=config.hub.pins,
        timeout_s=timeout_s,
    )


async def enrol(url: str, invitation: str, way: Way) -> Given:
    """Use an invitation up. HubRefused, or NotAnswered."""
    given: Given = await ask(url, "/v1/enrol", {"invitation": invitation}, None, way, Given)
    if not given.name:
        raise HubRefused(f"{url}: gave no name")
    return given


async def renew(url: str, token: str, way: Way) -> str:
    given: Given = await ask(url, "/v1/token", {}, token, way, Given)
    return given.token


async def send(url: str, token: str, lines: Sequence[bytes], way: Way) -> dict[int, str | None]:
    """Send records: which of them, counted from 1, the hub has now (None), and which it would not have, and why."""
    packed = zstd.compress(b"\n".join(lines), LEVEL)
    headers = (("Content-Type", "application/x-ndjson"), ("Content-Encoding", "zstd"))
    got = await _post(url, "/v1/measurements", packed, headers, token, way)
    answers: All = _read(url, got, All)
    return {
        one.line: printable(one.why or "no reason was given") if one.status == "refused" else None
        for one in answers.answers
        if 1 <= one.line <= len(lines)
    }


async def ask(url: str, path: str, question: Any, token: str | None, way: Way, kind: Any) -> Any:
    """Ask a small question; the answer as a `kind`."""
    content = msgspec.json.encode(question)
    return _read(url, await _post(url, path, content, (("Content-Type", "application/json"),), token, way), kind)


async def _post(
    url: str, path: str, content: bytes, headers: tuple[tuple[str, str], ...], token: str | None, way: Way
) -> Answered:
    got = await post(url, path, content, (*headers, *always(token)), way, max_bytes=MAX_ANSWER)
    return good(url, got)


async def read(url: str, path: str, secret: str | None, way: Way, max_bytes: int) -> Answered:
    """What stands at `path` for whoever has this token or password. HubRefused, or NotAnswered."""
    headers = (*always(secret), ("Accept-Encoding", "gzip"))
    return good(url, await get(url, path, headers, way, max_bytes=max_bytes))


def always(secret: str | None) -> tuple[tuple[str, str], ...]:
    """Headers of every request of somebody with this token or password."""
    bearer = (("Authorization", f"Bearer {secret}"),) if secret is not None else ()
    return (*bearer, ("Connection", "close"))


def good(url: str, got: Answered) -> Answered:
    """The answer, where it is one. HubRefused, or Later, for a refusal."""
    if got.status == 200:
        return got
    why = f"{url}: {_why(got)}"
    if got.status == 401:
        raise Unknown(why)
    if got.status in (408, 429, 500, 502, 503, 504):
        said = got.header("retry-after") or ""
        raise Later(why, float(said) if said.isascii() and said.isdigit() and len(said) < 7 else None)
    raise HubRefused(why)


def _why(got: Answered) -> str:
    try:
        said: Refusal = decode(got.body, Refusal)
    except BadRecord:
        return f"answered {got.status}"
    return f"answered {got.status}, {printable(said.error, 120)}"


def _read(url: str, got: Answered, kind: Any) -> Any:
    try:
        return decode(got.body, kind)
    except BadRecord as error:
        raise HubRefused(f"{url}: its answer is no hub's: {error}") from error
