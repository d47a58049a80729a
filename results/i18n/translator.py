"""Sentences, times, durations and numbers in one language."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files

from probe.text import bounded
from results.i18n.language import ENGLISH, languages, translations

DIRECT = "direct"
MIN_HOURS_SHOWN_AS_DAYS = 100.0
MAX_NAMES = 12
DECIMAL_COMMA = ("ru",)
FRACTION = 5
"""The number whose plural a number that is not whole takes."""


@cache
def english() -> dict[str, str | list[str]]:
    """Key -> English sentence, or its singular and plural; a key is a table's name, a dot and the sentence's."""
    found: dict[str, str | list[str]] = {}
    for file in (files("results.i18n") / "english").iterdir():
        for table, sentences in tomllib.loads(file.read_text("utf-8")).items():
            found |= {f"{table}.{name}": text for name, text in sentences.items()}
    return found


class Translator:
    """Sentences of one of `languages()`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._translations = translations(language)

    def say(self, key: str, **values: object) -> str:
        """The sentence with its placeholders filled in; a plural goes by `count`. KeyError for an unknown key."""
        sentence = english()[key]
        if isinstance(sentence, list):
            count, (one, many) = values["count"], sentence
            text = self._translations.npgettext(key, one, many, count if isinstance(count, int) else FRACTION)
        else:
            text = self._translations.pgettext(key, sentence)
        return text.format(**values) if values else text

    def term(self, table: str, name: str) -> str:
        """A word of `table`; a name that has none as it is."""
        key = f"{table}.{name}"
        return self.say(key) if key in english() else bounded(name, 40)

    def day(self, text: str) -> str:
        """`6 May 2017` of a date, or of the first ten characters of a time."""
        from babel.dates import format_date

        return str(format_date(date.fromisoformat(text[:10]), self.say("general.day"), locale=self.language))

    def when(self, text: str) -> str:
        """`5 May 2017, 07:30 UTC`; of a date the day; a text that is neither as it is."""
        try:
            if len(text) <= 10:
                return self.day(text)
            at = datetime.fromisoformat(text)
            at = at.astimezone(UTC) if at.tzinfo else at
        except (ValueError, OverflowError):
            return bounded(text, 40)
        return self.say("general.instant", date=self.day(at.date().isoformat()), time=f"{at:%H:%M}")

    def moment(self, at: float) -> str:
        """As `when`, of seconds since 1970."""
        return self.when(datetime.fromtimestamp(at, UTC).isoformat())

    def span(self, earliest: float, latest: float) -> str:
        """`6 May 2017, between 06:07 and 12:07 UTC`; of two days both ends in full. Seconds since 1970."""
        first, last = (datetime.fromtimestamp(at, UTC) for at in (earliest, latest))
        if first.date() == last.date():
            clock = self.say("general.span_of_day", first=f"{first:%H:%M}", last=f"{last:%H:%M}")
            return f"{self.day(first.date().isoformat())}, {clock}"
        ends = (f"{self.day(at.date().isoformat())} {at:%H:%M}" for at in (first, last))
        return self.say("general.span_of_day", first=next(ends), last=next(ends))

    def enumeration(self, names: Iterable[str]) -> str:
        """`a, b and c`; of more than MAX_NAMES the first ones and how many more."""
        shown = list(dict.fromkeys(names))
        if len(shown) > MAX_NAMES:
            return ", ".join(shown[:MAX_NAMES]) + " " + self.say("general.more", count=len(shown) - MAX_NAMES)
        if len(shown) < 2:
            return "".join(shown)
        return self.say("general.and", many=", ".join(shown[:-1]), last=shown[-1])

    def network(self, name: str, path: str) -> str:
        """`AS12389 Rostelecom`, `AS1136 via vpn`."""
        return name if path == DIRECT else self.say("general.by_path", network=name, path=path)

    def duration(self, hours: float) -> str:
        """`18 h`, `3.5 days`."""
        unit = "hours" if abs(hours) < MIN_HOURS_SHOWN_AS_DAYS else "days"
        return self.say(f"delay.{unit}", count=self.duration_number(hours, hours))

    def duration_number(self, hours: float, unit_of: float) -> str:
        """The number alone, in the unit in which a duration of `unit_of` hours is shown."""
        return self.number(hours if abs(unit_of) < MIN_HOURS_SHOWN_AS_DAYS else hours / 24)

    def number(self, number: float) -> str:
        """Three significant digits, or all of a larger whole number."""
        text = f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"
        return text.replace(".", ",") if self.language in DECIMAL_COMMA else text

    def percent(self, share: float) -> str:
        """`74%` of 0.74."""
        return f"{share:.0%}"


def best_language(chosen: str | None, accepted: str) -> str:
    """The chosen language, else the best of Accept-Language (RFC 9110, 12.5.4), else ENGLISH."""
    if chosen in languages():
        return str(chosen)
    return max(_accepted(accepted), default=(0.0, ENGLISH))[1]


def _accepted(header: str) -> Iterable[tuple[float, str]]:
    for part in header[:400].split(","):
        tag, _, weight = part.partition(";q=")
        language = tag.strip().lower().split("-")[0]
        try:
            quality = float(weight or 1)
        except ValueError:
            continue
        if language in languages() and 0 < quality <= 1:
            yield quality, language
