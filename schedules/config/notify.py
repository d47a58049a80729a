"""The configuration of who is told what, and of what is counted for a monitoring system."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from schedules.config.types import Every, Name, Table, seconds_of

What = Literal["changes", "open", "listed"]
CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"


class NotifyTable(Table, frozen=True, kw_only=True):
    name: Name
    urls: Annotated[
        tuple[Annotated[str, Meta(max_length=2000, pattern=r"^[a-zA-Z0-9]+://")], ...], Meta(min_length=1, max_length=8)
    ]
    """As apprise writes them. They hold passwords, and are printed nowhere."""
    what: Annotated[tuple[What, ...], Meta(min_length=1)] = ("changes", "open", "listed")
    quiet_hours: Annotated[str, Meta(pattern=f"^{CLOCK}-{CLOCK}$")] | None = None
    """On this machine's clock."""
    digest: Every | None = None
    """Told together, at most once in so long."""

    @property
    def digest_s(self) -> float:
        return seconds_of(self.digest) if self.digest is not None else 0.0


class MetricsTable(Table, frozen=True, kw_only=True):
    textfile: Annotated[str, Meta(pattern=r"\.prom$")] | None = None
    """Written after each round, for node_exporter's textfile collector."""
    listen: str | None = None
    """Where the agent answers GET /metrics: an address of this machine's loopback."""
