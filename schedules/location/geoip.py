"""Reads an address's network and country from databases in MaxMind's format on this machine; asks nobody."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schedules.config.toml import ConfigError

if TYPE_CHECKING:
    from maxminddb import Reader

ASN = re.compile(r"(?:AS)?([1-9][0-9]{0,9})")
COUNTRY = re.compile("[A-Z]{2}")
LARGEST_ASN = 2**32 - 1


class Databases:
    """Several files: of each thing the first that tells it is believed. ConfigError for one that cannot be read."""

    def __init__(self, files: Iterable[str]) -> None:
        self._readers = [opened(file, version_of(file)) for file in files]

    def told(self, address: str) -> tuple[int | None, str | None]:
        """The ASN and country of an address, each None where no file tells it."""
        found = [self._record(reader, address) for reader in self._readers]
        return next(filter(None, map(asn_of, found)), None), next(filter(None, map(country_of, found)), None)

    def _record(self, reader: Reader, address: str) -> Any:
        try:
            return reader.get(address)
        except (ValueError, OSError, RuntimeError, LookupError, TypeError):
            return None  # a database of IPv4 alone, or a damaged part of one


def version_of(file: str) -> int | None:
    """What changes whenever the file does."""
    try:
        return Path(file).stat().st_mtime_ns
    except OSError:
        return None


@lru_cache(maxsize=4)
def opened(file: str, version: int | None) -> Reader:
    """One reader for each `version`, so that an agent takes over a newer file and opens none twice."""
    try:
        import maxminddb
    except ImportError as error:
        raise ConfigError(f"[asn] {file}: needs the extra asn: pip install 'reachprobe[asn]'") from error
    try:
        # Python's own reader: there are few look-ups, and no damaged file can bring it down.
        return maxminddb.open_database(file, maxminddb.MODE_MMAP)
    except (OSError, ValueError, RuntimeError, LookupError, TypeError) as error:
        raise ConfigError(f"[asn] {file}: cannot be read as an MMDB file: {error}") from error


def asn_of(record: Any) -> int | None:
    """`autonomous_system_number` as MaxMind and DB-IP write it, or `asn` as IPinfo does."""
    if not isinstance(record, dict):
        return None
    written = ASN.fullmatch(str(record.get("autonomous_system_number", record.get("asn", ""))))
    number = int(written[1]) if written else 0
    return number if 0 < number <= LARGEST_ASN else None


def country_of(record: Any) -> str | None:
    """`country.iso_code` as MaxMind and DB-IP write it, or `country_code` or `country` as others do."""
    if not isinstance(record, dict):
        return None
    country = record.get("country")
    code = country.get("iso_code") if isinstance(country, dict) else record.get("country_code", country)
    return code if isinstance(code, str) and COUNTRY.fullmatch(code) else None
