"""What the configuration's tables are made of: names, countries, times."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
Country = Annotated[str, Meta(pattern="^[A-Z]{2}$")]
Asn = Annotated[int, Meta(ge=1, le=4294967295)]
Every = Annotated[str, Meta(pattern="^[1-9][0-9]{0,5}[smhd]$")]
Count = Annotated[int, Meta(ge=1, le=10_000)]


def seconds_of(every: str) -> float:
    """`6h` in seconds."""
    return float(every[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[every[-1]]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all tables share: frozen, every key named, no key unknown."""
