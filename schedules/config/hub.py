"""The configuration of the hub that results are sent to."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from schedules.config.types import Table

Pin = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]

Password = Annotated[str, Meta(pattern="^scrypt:[0-9a-f]{32}:[0-9a-f]{64}$")]


class HubTable(Table, frozen=True, kw_only=True):
    url: str | None = None
    """Where results are sent, once `reachprobe init --hub` has enrolled this vantage there."""
    path: str = "direct"
    """By which path hubs are reached."""
    pins: Annotated[tuple[Pin, ...], Meta(max_length=8)] = ()
    """SHA-256 of public keys; a hub's certificate must have one of them, and then no authority is asked."""
    reading: Literal["public", "password", "members"] | None = None
    """Who may read what this hub holds; where nothing is said, everybody on this machine's loopback, else members."""
    reading_password: Password | None = None
    """For `reading = "password"`: what `reachprobe hub password` prints."""
    operator_password: Password | None = None
    """For `/metrics` of this hub, likewise."""
    store: str | None = None
    """The URL of a warehouse that what this hub has is loaded into as well, by a process beside it."""
    pages: Literal["own", "store"] = "own"
    """Whom the pages ask that count over many vantages: this hub's database, or the `store` that several hubs share."""
    targets: str | None = None
    """A file of targets that this hub shares with its vantages at `/v1/targets`."""
