"""Looks up the ASN and country of an address in local databases in MaxMind's format."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from gettext import gettext as _
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schedules.config.toml import ConfigError

if TYPE_CHECKING:
    from maxminddb import Reader

ASN = re.compile(r"(?:AS)?([1-9][0-9]{0,9})")
COUNTRY = re.compile("[A-Z]{2}")
MAX_ASN = 2**32 - 1


class AsnDatabases:
    """Several files, of which the first with an answer counts. Raises ConfigError for an unreadable one."""

    def __init__(self, files: Iterable[str]) -> None:
        self._readers = [opened(file, version_of(file)) for file in files]

    def lookup(self, address: str) -> tuple[int | None, str | None]:
        """The ASN and country of an address, each None if no file has it."""
        found = [self._record(reader, address) for reader in self._readers]
        return next(filter(None, map(asn_of, found)), None), next(filter(None, map(country_of, found)), None)

    def _record(self, reader: Reader, address: str) -> Any:
        try:
            return reader.get(address)
        except (ValueError, OSError, RuntimeError, LookupError, TypeError):
            return None  # an IPv4-only database, or a damaged one


def version_of(file: str) -> int | None:
    """A number that changes whenever the file does."""
    try:
        return Path(file).stat().st_mtime_ns
    except OSError:
        return None


@lru_cache(maxsize=4)
def opened(file: str, version: int | None) -> Reader:
    """The reader of a file, cached until its version changes."""
    try:
        import maxminddb
    except ImportError as error:
        raise ConfigError(_("[asn] {path}: needs an extra: pip install 'reachprobe[asn]'").format(path=file)) from error
    try:
        # The pure Python reader: fast enough, and a damaged file cannot crash it.
        return maxminddb.open_database(file, maxminddb.MODE_MMAP)
    except (OSError, ValueError, RuntimeError, LookupError, TypeError) as error:
        says = _("[asn] {path}: cannot be read as an MMDB file: {error}")
        raise ConfigError(says.format(path=file, error=error)) from error


def asn_of(record: Any) -> int | None:
    """`autonomous_system_number` (MaxMind, DB-IP) or `asn` (IPinfo)."""
    if not isinstance(record, dict):
        return None
    written = ASN.fullmatch(str(record.get("autonomous_system_number", record.get("asn", ""))))
    number = int(written[1]) if written else 0
    return number if 0 < number <= MAX_ASN else None


def country_of(record: Any) -> str | None:
    """`country.iso_code` (MaxMind, DB-IP), or `country_code` or `country` (others)."""
    if not isinstance(record, dict):
        return None
    country = record.get("country")
    code = country.get("iso_code") if isinstance(country, dict) else record.get("country_code", country)
    return code if isinstance(code, str) and COUNTRY.fullmatch(code) else None
