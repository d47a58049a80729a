"""When a list says that it is from: a day in its rows, a zone's serial, or a comment at its head."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from probe.timestamps import http_date, parse_date

FIRST_YEAR, LAST_YEAR = 1990, 2100
FIRST_UNIX_SERIAL, FIRST_DATE_SERIAL = 1_000_000_000, 1_990_010_100
"""Ten digits are seconds since 1970 from 2001 to 2033, and `YYYYMMDDnn` from 1990 on."""
_LABEL = re.compile(
    r"\W*(?:last[ -]?(?:modified|updated?|changed?)|updated|modified|generated|date|published)(?:\s+(?:on|at))?\b"
    r"\s*:?\s*",
    re.IGNORECASE,
)
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(Z|[+-]\d\d:?\d\d)?)?(?![\d-])")
_WRITTEN = re.compile(r"(\d{1,2})[ -]([A-Z][a-z]{2})[a-z]*[ -](\d{4})(?: (\d\d:\d\d(?::\d\d)?))?", re.ASCII)


def of_day(text: str | None) -> datetime | None:
    """The midnight (UTC) at which a day `YYYY-MM-DD` begins, or None."""
    try:
        day = parse_date(text) if text else None
    except ValueError:
        return None
    return _sane(datetime(day.year, day.month, day.day, tzinfo=UTC)) if day else None


def of_serial(text: str) -> datetime | None:
    """The moment in a zone's serial: `YYYYMMDDnn`, or seconds since 1970; None for a mere counter."""
    if not re.fullmatch(r"[0-9]{10}", text):
        return None
    if int(text) >= FIRST_DATE_SERIAL:
        return of_day(f"{text[:4]}-{text[4:6]}-{text[6:8]}")
    return datetime.fromtimestamp(int(text), UTC) if int(text) >= FIRST_UNIX_SERIAL else None


def of_comment(text: str) -> datetime | None:
    """The moment that a comment such as `# Last updated: 2019-03-02` names; UTC where it names no zone."""
    label = _LABEL.match(text[:200])
    if label is None:
        return None
    rest = text[label.end() : label.end() + 60]
    for found in _readings(rest):
        if found is not None:
            return _sane(found if found.tzinfo else found.replace(tzinfo=UTC))
    return None


def _readings(text: str) -> Iterator[datetime | None]:
    if match := _ISO.match(text):
        day, time, zone = match.groups(default="")
        yield _moment(f"{day}T{time or '00:00'}{zone}", "iso")
    if match := _WRITTEN.match(text):
        day, month, year, time = match.groups(default="")
        yield _moment(f"{day} {month} {year} {(time or '00:00')[:5]}{(time or '')[5:] or ':00'}", "%d %b %Y %H:%M:%S")
    yield http_date(text)


def _moment(text: str, form: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None


def _sane(moment: datetime) -> datetime | None:
    return moment.astimezone(UTC) if FIRST_YEAR <= moment.year < LAST_YEAR else None
