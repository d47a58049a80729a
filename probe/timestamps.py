"""Times and days as text: RFC 3339 in UTC out, RFC 3339 and ISO 8601 in."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def rfc3339(moment: datetime, unit: str = "milliseconds") -> str:
    """`2017-05-04T12:00:00.000Z`, cut to `unit`, which is named as in `datetime.isoformat`."""
    return moment.astimezone(UTC).isoformat(timespec=unit).replace("+00:00", "Z")


@lru_cache(maxsize=4096)
def rfc3339_of_epoch(seconds: float, unit: str = "seconds") -> str:
    """The same of seconds since 1970. ValueError or OverflowError outside the years 1 to 9999."""
    return rfc3339(datetime.fromtimestamp(seconds, UTC), unit)


def parse_rfc3339(text: str) -> datetime:
    """The UTC time of an RFC 3339 date-time, fractions cut to microseconds. ValueError for anything else."""
    if not RFC3339.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not an RFC 3339 time")
    return parse_time(text)


def parse_time(text: str, *, needs_zone: bool = False) -> datetime:
    """The UTC time of an ISO 8601 date or time; UTC where it names no zone. ValueError for anything else."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        if needs_zone:
            raise ValueError(f"{text[:40]!r} has no time zone")
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text[:40]!r} is outside the years 1 to 9999") from error


def parse_date(text: str) -> date:
    """The day of `YYYY-MM-DD`. ValueError for anything else."""
    if not DATE.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a date")
    return date.fromisoformat(text)


def epoch(text: str, *, needs_zone: bool = False) -> float:
    """Seconds since 1970 of what `parse_time` reads."""
    return parse_time(text, needs_zone=needs_zone).timestamp()


def http_date(text: str) -> datetime | None:
    """A date of an HTTP header (RFC 9110 section 5.6.7) in UTC; None for one that cannot be read or cannot be."""
    try:
        read = parsedate_to_datetime(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def seconds_of(length: str) -> float:
    """The seconds of a length of time such as `6h`."""
    return float(length[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[length[-1]]
