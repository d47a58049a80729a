"""What a reader asks for: read out of an address, every part of it bounded, and what makes no sense passed over."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from urllib.parse import quote, urlencode

import msgspec
from starlette.requests import Request

from probe.timestamps import parse_date
from results.aggregate.questions import Period
from results.compare.record import bounded
from results.hub.web.phrases import PageWords, language_of

DAYS = 7
"""What is shown where nobody asks for another time."""
COUNTRY = re.compile(r"[A-Z]{2}")
LONGEST = 200


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """`since` and `until` are UTC days, both counted; None is open."""

    language: str
    is_chosen: bool
    """Whether the language stands in the address, and so has to stand in those that lead on."""
    path: str
    since: str | None
    until: str | None
    target: str | None = None
    """The one whose page it is."""
    country: str | None = None
    takes_gzip: bool = False
    is_own: bool = False
    """Whether this page shows this hub's own database where others show the store of several hubs."""
    find: str = ""
    """What a service or target has in its name."""

    @property
    def period(self) -> Period:
        return Period(since=self.since, until=_after(self.until) if self.until else None)

    @property
    def words(self) -> PageWords:
        return PageWords(self.language)

    @property
    def action(self) -> str:
        """Where a form of this page leads."""
        return quote(self.path)

    def to(self, path: str, **query: str | None) -> str:
        """An address of ours, in the language that was chosen."""
        given = {name: value for name, value in query.items() if value is not None}
        if self.is_chosen and "lang" not in given:
            given["lang"] = self.language
        return f"{quote(path)}?{urlencode(given)}" if given else quote(path)

    def again(self, path: str | None = None, **changed: str | None) -> str:
        """This address, or another, with the same choice but for what is changed."""
        query = {
            "is": self.target if path is None else None,
            "since": self.since or "",
            "until": self.until or "",
            "country": self.country,
            "find": self.find or None,
        }
        return self.to(path or self.path, **{**query, **changed})

    def export(self, form: str, **filters: str | None) -> str:
        """Where the measurements themselves of this time and country can be had."""
        period = self.period
        given = {"format": form, "since": period.since, "until": period.until, "country": self.country, **filters}
        return "/v1/export?" + urlencode({name: value for name, value in given.items() if value is not None})

    def shows(self, country: str | None, *names: str | None) -> bool:
        """Whether a row of this country and these names is asked for."""
        if self.country is not None and country != self.country:
            return False
        return not self.find or any(self.find in name.casefold() for name in names if name)


def asked(request: Request, now: datetime, days: int = DAYS, is_own: bool = False) -> Asked:
    """What this request asks for; a period of so many days where it says nothing of one."""
    query = request.query_params
    chosen = query.get("lang")
    language = language_of(chosen, request.headers.get("accept-language", ""))
    country = query.get("country", "").upper()
    return Asked(
        language=language,
        is_chosen=chosen == language,
        is_own=is_own,
        takes_gzip="gzip" in request.headers.get("accept-encoding", "").lower(),
        target=query.get("is"),
        path=request.scope["path"].removesuffix(".csv"),
        since=_day(query.get("since"), (now - timedelta(days=days)).date()),
        until=_day(query.get("until"), None),
        country=country if COUNTRY.fullmatch(country) else None,
        find=bounded(query.get("find", "").strip().casefold(), LONGEST),
    )


def _day(text: str | None, default: date | None) -> str | None:
    """A day as given; None for an empty one; the default for none, and for what is no day."""
    if text == "":
        return None
    try:
        return parse_date(text or "").isoformat()
    except ValueError:
        return default.isoformat() if default else None


def _after(day: str) -> str:
    try:
        return (parse_date(day) + timedelta(days=1)).isoformat()
    except OverflowError:
        return day
