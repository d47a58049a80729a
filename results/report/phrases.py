"""A report's sentences in one language, from its catalogue."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from probe.timestamps import parse_time
from results.report.summary import Place

CATALOGUE = "catalogue"
SIGNS = {"reachable": "✓", "blocked": "✗", "denied": "!", "down": "~", "offline": "-", "inconclusive": "?", None: "·"}
SPLIT = "≠"
IN_DAYS = 100.0
"""So many hours and more are told in days."""
AGREEMENT_SIGNS = {
    "enforced": "■", "unenforced": "□", "collateral": "◆", "unlisted-block": "▲", "open": "○", "undecided": "·",
}  # fmt: skip


@cache
def languages() -> tuple[str, ...]:
    """Every language that there is a catalogue of."""
    folder = files("results.report") / CATALOGUE
    return tuple(sorted(one.name.removesuffix(".toml") for one in folder.iterdir() if one.name.endswith(".toml")))


@cache
def catalogue(language: str) -> dict[str, Any]:
    """Key -> sentence, or a table of these."""
    return tomllib.loads((files("results.report") / CATALOGUE / f"{language}.toml").read_text("utf-8"))


class Words:
    """Says things in one of `languages()`. Keys are a table's name, a dot, and the sentence's."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._catalogue = catalogue(language)

    def say(self, key: str, **values: object) -> str:
        """The sentence, with what stands in braces filled in."""
        table, _, name = key.partition(".")
        found = self._catalogue[table][name] if name else self._catalogue[key]
        return str(found).format(**values) if values else str(found)

    def day(self, text: str) -> str:
        """`6 May 2017` of a date, or of the first ten letters of an instant."""
        day = parse_time(text[:10])
        return self.say("day", day=day.day, month=self._catalogue["months"][day.month - 1], year=day.year)

    def when(self, text: str) -> str:
        """`5 May 2017, 07:30 UTC`; of a date the day."""
        if len(text) <= 10:
            return self.day(text)
        at = parse_time(text)
        return self.say("instant", date=self.day(at.date().isoformat()), time=f"{at:%H:%M}")

    def moment(self, at: float) -> str:
        """The same of seconds since 1970."""
        return self.when(datetime.fromtimestamp(at, UTC).isoformat())

    def span(self, earliest: float, latest: float) -> str:
        """`6 May 2017, between 06:07 and 12:07 UTC`; of two days both ends in full."""
        first, last = (datetime.fromtimestamp(at, UTC) for at in (earliest, latest))
        if first.date() == last.date():
            clock = self.say("span_of_day", first=f"{first:%H:%M}", last=f"{last:%H:%M}")
            return f"{self.day(first.date().isoformat())}, {clock}"
        ends = (f"{self.day(at.date().isoformat())} {at:%H:%M}" for at in (first, last))
        return self.say("span_of_day", first=next(ends), last=next(ends))

    def listed(self, names: list[str], most: int = 12) -> str:
        """`a, b and c`."""
        shown = list(dict.fromkeys(names))
        if len(shown) > most:
            return ", ".join(shown[:most]) + " " + self.say("more", count=len(shown) - most)
        if len(shown) < 2:
            return "".join(shown)
        return self.say("and", many=", ".join(shown[:-1]), last=shown[-1])

    def place(self, place: Place) -> str:
        """`AS12389 Rostelecom`, `AS1136 via vpn`."""
        if place.path == "direct":
            return " ".join(filter(None, (place.label, place.name)))
        return self.say("by_path", network=place.label.removesuffix(f" by {place.path}"), path=place.path)

    def hours(self, hours: float) -> str:
        """`18 h`, `3.5 days`; of 100 hours and more in days."""
        unit = "hours" if abs(hours) < IN_DAYS else "days"
        return self.say(f"delay.{unit}", count=self.bare_hours(hours, hours))

    def bare_hours(self, hours: float, beside: float) -> str:
        """The number alone, in the unit that `beside` is told in."""
        return self.number(hours if abs(beside) < IN_DAYS else hours / 24)

    def number(self, number: float) -> str:
        """With at most three digits that mean something; a comma where the language has one."""
        text = f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"
        return text.replace(".", ",") if self.language == "ru" else text

    def percent(self, share: float) -> str:
        return f"{share:.0%}"
