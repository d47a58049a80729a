"""The configuration's tables about what is left alone, and about whose network this is."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from schedules.config.types import Country, Name, Table


class AsnTable(Table, frozen=True, kw_only=True):
    mmdb: str | None = None
    """A database on this machine that tells an address's network: MaxMind's format."""
    country_mmdb: str | None = None
    """Another, for the country, where the first does not tell it."""
    echo: bool = False
    """Whether the group's hub is asked which network it sees this vantage in."""


class CareTable(Table, frozen=True, kw_only=True):
    leave_out: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    """Citizen Lab's category codes."""
    leave_out_listed: Annotated[tuple[Name, ...], Meta(max_length=64)] = ()
    """Authorities and articles, as a register writes them."""
    vpn_services_in: Annotated[tuple[Country, ...], Meta(max_length=64)] = ()
    """Countries where VPN services are measured although using one may be an offence there."""
    data_cap_mb: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    """How much may be sent and received in a month."""

    @property
    def cap_bytes(self) -> int | None:
        return None if self.data_cap_mb is None else self.data_cap_mb * 1_000_000
