"""What a register format yields, and what an import reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from results.registers.source import Source


class RegisterError(Exception):
    """A register that cannot be read; the message is one line that names the thing and the way out."""


class TruncatedRegister(RegisterError):
    """The file ends before it is whole. What was stored before stays."""


class BadRow(ValueError):
    """One row that cannot be read; it is counted, reported and skipped."""


class Url(NamedTuple):
    """A listed URL: as written, and what it is compared by."""

    text: str
    scheme: str
    host: str
    key: str


class Subnet(NamedTuple):
    """An address range: network address packed (4 or 16 bytes), prefix length in bits."""

    packed: bytes
    prefix: int


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of a register.

    `names`, `masks`, `urls` and `subnets` are what it blocks; `resolved` are addresses that stand beside a name and
    are not blocked as such. `key` is the same for the same entry in successive versions, whatever else changes.
    """

    key: str
    block_type: str  # url | domain | domain-mask | ip
    names: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    urls: tuple[Url, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    resolved: tuple[bytes, ...] = ()
    ref: str | None = None  # the register's own id
    authority: str | None = None
    decision_number: str | None = None
    decision_date: str | None = None
    entry_type: str | None = None
    urgency: str | None = None
    listed_on: str | None = None  # the inclusion date as the register gives it
    listed_at: int | None = None  # the inclusion instant, seconds since the epoch, UTC
    until: str | None = None  # the last day it is in force, where the register names one
    basis: str | None = None
    remarks: tuple[str, ...] = ()  # what was odd but could be read


class Raw(NamedTuple):
    """A row not yet parsed. `content` identifies it: equal content is the same row, and need not be parsed again."""

    line: int
    source: str
    content: bytes
    parse: Callable[[], Entry]


class Problem(NamedTuple):
    """A row that was skipped (`skipped`), or kept with something odd in it."""

    source: str
    line: int
    why: str
    skipped: bool = True


class Updated(NamedTuple):
    """The moment the register says this version is from."""

    at: datetime


class Format(msgspec.Struct, frozen=True):
    """A register format. `recognises` sees the first 64 KiB; `read` streams rows and raises RegisterError for a file
    that is not whole. `register` and `country` are whose it is, where only one register is written so."""

    name: str
    recognises: Callable[[bytes], bool]
    read: Callable[[Iterable[Source]], Iterator[Raw | Problem | Updated]]
    register: str | None = None
    country: str | None = None


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one import: rows = kept + skipped; `entries` are the distinct rows; `added` and `removed` are against
    the version before. `reasons` counts every problem; `problems` are the first of them."""

    register: str
    country: str
    format: str
    rows: int
    kept: int
    skipped: int
    entries: int
    added: int
    removed: int
    updated: str | None
    version: str
    reasons: dict[str, int]
    problems: tuple[Problem, ...]
