"""What a request for a page asks for: bounded values from the address; values that make no sense are ignored."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from urllib.parse import quote, urlencode

import msgspec
from starlette.requests import Request

from probe.text import bounded
from probe.timestamps import parse_date
from results.aggregate.questions import Period
from results.i18n.translator import Translator, best_language

DEFAULT_DAYS = 7
COUNTRY = re.compile(r"[A-Z]{2}")
MAX_FIND_LENGTH = 200


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`since` and `until` are UTC days, both included; None is open."""

    language: str
    is_language_chosen: bool
    """The address names the language, so links must too."""
    path: str
    since: str | None
    until: str | None
    target: str | None = None
    country: str | None = None
    takes_gzip: bool = False
    is_own: bool = False
    """This page shows this hub's own database where others show the store of several hubs."""
    find: str = ""
    """Part of a service's or target's name."""

    @property
    def period(self) -> Period:
        return Period(since=self.since, until=_next_day(self.until) if self.until else None)

    @property
    def words(self) -> Translator:
        return Translator(self.language)

    @property
    def action(self) -> str:
        """The address of this page's form."""
        return quote(self.path)

    def link(self, path: str, **values: str | None) -> str:
        """An address of this hub in the chosen language."""
        given = {name: value for name, value in values.items() if value is not None}
        if self.is_language_chosen and "lang" not in given:
            given["lang"] = self.language
        return f"{quote(path)}?{urlencode(given)}" if given else quote(path)

    def filtered(self, path: str | None = None, **changed: str | None) -> str:
        """This address, or another path, with the same filters except those changed."""
        values = {
            "is": self.target if path is None else None,
            "since": self.since or "",
            "until": self.until or "",
            "country": self.country,
            "find": self.find or None,
        }
        return self.link(path or self.path, **{**values, **changed})

    def export(self, form: str, **filters: str | None) -> str:
        """The address of a download of this period's and country's measurements."""
        period = self.period
        given = {"format": form, "since": period.since, "until": period.until, "country": self.country, **filters}
        return "/v1/export?" + urlencode({name: value for name, value in given.items() if value is not None})

    def shows(self, country: str | None, *names: str | None) -> bool:
        """Whether a row of this country and these names passes the filters."""
        if self.country is not None and country != self.country:
            return False
        return not self.find or any(self.find in name.casefold() for name in names if name)


def page_query(request: Request, now: datetime, days: int, is_own: bool, default_language: str) -> PageQuery:
    """What a request asks for; the last `days` where it names no period."""
    query = request.query_params
    chosen = query.get("lang")
    language = best_language(chosen, request.headers.get("accept-language", ""), default_language)
    country = query.get("country", "").upper()
    return PageQuery(
        language=language,
        is_language_chosen=chosen == language,
        is_own=is_own,
        takes_gzip="gzip" in request.headers.get("accept-encoding", "").lower(),
        target=query.get("is"),
        path=request.scope["path"].removesuffix(".csv"),
        since=_day(query.get("since"), (now - timedelta(days=days)).date()),
        until=_day(query.get("until"), None),
        country=country if COUNTRY.fullmatch(country) else None,
        find=bounded(query.get("find", "").strip().casefold(), MAX_FIND_LENGTH),
    )


def _day(text: str | None, default: date | None) -> str | None:
    """A day as given, None for an empty text; the default for a missing or invalid one."""
    if text == "":
        return None
    try:
        return parse_date(text or "").isoformat()
    except ValueError:
        return default.isoformat() if default else None


def _next_day(day: str) -> str:
    try:
        return (parse_date(day) + timedelta(days=1)).isoformat()
    except OverflowError:
        return day
