"""Rows of a register as a format yields them, and the report of an import."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

import msgspec

EXACT, MASK, URL_LISTS_HOST, URL_ONLY = 1, 2, 3, 4
"""How an entry lists a name, strongest first."""


class RegisterError(Exception):
    """A register that cannot be read; the message is one line that names the thing and the way out."""


class TruncatedRegister(RegisterError):
    """A file that ends before it is complete; what was stored before stays."""


class BadRow(ValueError):
    """One row that cannot be read; it is counted, reported and skipped."""


class Url(NamedTuple):
    """A listed URL as written, and the key it is compared by."""

    text: str
    scheme: str
    host: str
    key: str


class Subnet(NamedTuple):
    """An address range: packed network address (4 or 16 bytes) and prefix length in bits."""

    packed: bytes
    prefix: int


class RegisterEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of a register.

    `names`, `masks`, `urls` and `subnets` are blocked; the addresses in `resolved` only accompany a name. `key` is the
    same for the same entry in successive versions, whatever else changes.
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
    listed_at: int | None = None  # the inclusion time, seconds since 1970
    until: str | None = None  # the last day it is in force, where the register names one
    basis: str | None = None
    remarks: tuple[str, ...] = ()  # oddities that did not prevent reading


class RawRow(NamedTuple):
    """A row not yet parsed; equal `content` is the same row and need not be parsed again."""

    line: int
    source: str
    content: bytes
    parse: Callable[[], RegisterEntry]


class RowProblem(NamedTuple):
    """A row that was skipped (`skipped`), or read with something odd in it."""

    source: str
    line: int
    why: str
    skipped: bool = True


class VersionTime(NamedTuple):
    """The time that the register states for this version."""

    at: datetime


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one import: rows = kept + skipped, `entries` are distinct rows, changes are against the version before.

    `reasons` counts every problem; `problems` are the first of them.
    """

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
    problems: tuple[RowProblem, ...]
