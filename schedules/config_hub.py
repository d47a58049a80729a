"""The configuration of the hub that results are sent to."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from schedules.config_words import Table

Pin = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class HubTable(Table, frozen=True, kw_only=True):
    url: str | None = None
    """Where results are sent, once `reachprobe init --hub` has enrolled this vantage there."""
    path: str = "direct"
    """By which path hubs are reached."""
    pins: Annotated[tuple[Pin, ...], Meta(max_length=8)] = ()
    """SHA-256 of public keys; a hub's certificate must have one of them, and then no authority is asked."""
