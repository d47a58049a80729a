"""Sentences, times, durations and numbers in one language."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files

import msgspec

from probe.text import bounded
from results.i18n.language import ENGLISH, languages, translations

DIRECT = "direct"
MIN_HOURS_SHOWN_AS_DAYS = 100.0
MAX_NAMES = 12
LOCALES = {ENGLISH: "en_GB"}
"""Of languages whose dates and lists are not those of Babel's locale of the same name."""
MIN_GROUPED = 10_000
"""Smaller counts have no separators, as ISO 80000 and many languages have it."""
MAX_DEPTH, MAX_SHOWN, MAX_SENTENCE = 4, 16, 1000
MAX_VALUES, MAX_VALUE = 64, 400
PLAIN = (str, int)
TIME = "since"
"""The name of values that are times, UTC, RFC 3339."""


class Phrase(msgspec.Struct, frozen=True, omit_defaults=True):
    """A text of the catalogue by its key, with the values of its placeholders."""

    phrase: str
    values: dict[str, Value] = {}


Value = str | int | float | Phrase | list[str | Phrase]
"""What fills a placeholder. Lists are joined by commas."""


def is_bounded(values: dict[str, Value], depth: int = MAX_DEPTH) -> bool:
    """Whether values from elsewhere are few, short and not deeply nested."""
    items = [item for value in values.values() for item in (value if isinstance(value, list) else [value])]
    texts = [*values, *(item for item in items if isinstance(item, str))]
    phrases = [item for item in items if isinstance(item, Phrase)]
    return (
        len(items) <= MAX_VALUES
        and all(len(text) <= MAX_VALUE for text in [*texts, *(one.phrase for one in phrases)])
        and (not phrases or depth > 0)
        and all(is_bounded(one.values, depth - 1) for one in phrases)
    )


class _LocalNumber(float):
    """A number that is formatted with another decimal point."""

    def __new__(cls, value: float, point: str) -> _LocalNumber:
        number = super().__new__(cls, value)
        number.point = point
        return number

    point: str

    def __format__(self, form: str) -> str:
        return super().__format__(form).replace(".", self.point)


@cache
def english() -> dict[str, str | list[str]]:
    """Key -> English sentence, or its singular and plural; a key is a table's name, a dot and the sentence's."""
    found: dict[str, str | list[str]] = {}
    for file in (files("results.i18n") / "english").iterdir():
        for table, sentences in tomllib.loads(file.read_text("utf-8")).items():
            found |= {f"{table}.{name}": text for name, text in sentences.items()}
    return found


class Translator:
    """Sentences of one of `languages()`. Babel is imported where it is needed: commands must start quickly."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.locale = LOCALES.get(language, language)
        self._translations = translations(language)

    def say(self, key: str, **values: object) -> str:
        """The sentence with its placeholders filled in; a plural goes by `count`. KeyError for an unknown key."""
        text = self._text(key, values.get("count"))
        large = {name: self.number(n) for name, n in values.items() if isinstance(n, int) and abs(n) >= MIN_GROUPED}
        return text.format(**values | large) if values else text

    def _text(self, key: str, count: object) -> str:
        """The text of a key, in the form for `count` where there are several."""
        sentence = english()[key]
        if isinstance(sentence, str):
            return self._translations.pgettext(key, sentence)
        if not isinstance(count, int):
            raise TypeError(f"{key}: a count of {count!r}")
        return self._translations.npgettext(key, sentence[0], sentence[1], count)

    def phrase(self, phrase: Phrase) -> str:
        """One printable line, whatever the phrase holds: its key and values where the catalogue has no such text."""
        return bounded(self._filled(phrase, MAX_DEPTH).replace("\N{NO-BREAK SPACE}", " "), MAX_SENTENCE)

    def _filled(self, phrase: Phrase, depth: int) -> str:
        shown = {
            name: value if value.__class__ in PLAIN and name != TIME else self._shown(name, value, depth)
            for name, value in phrase.values.items()
        }
        try:
            return self._text(phrase.phrase, shown.get("count")).format(**shown)
        except (KeyError, ValueError, TypeError, OverflowError):
            values = ", ".join(f"{name}: {value}" for name, value in list(shown.items())[:MAX_SHOWN])
            return f"{phrase.phrase} ({values})" if values else phrase.phrase

    def _shown(self, name: str, value: Value, depth: int) -> str | int | float:
        if isinstance(value, str):
            return self.when(value) if name == TIME else value
        if isinstance(value, float):
            return value if self.language == ENGLISH else _LocalNumber(value, self.say("evidence.decimal_point"))
        if isinstance(value, int):
            return value
        if depth == 0:
            return "…"
        if isinstance(value, Phrase):
            return self._filled(value, depth - 1)
        return ", ".join(str(self._shown("", item, depth - 1)) for item in value[:MAX_SHOWN])

    def term(self, table: str, name: str) -> str:
        """A word of `table`; a name that has none as it is."""
        key = f"{table}.{name}"
        return self.say(key) if key in english() else bounded(name, 40)

    def translated(self, key: str, text: str) -> str:
        """A text that is data in English, such as what a rule says; `key` is the translators' context."""
        return self._translations.pgettext(key, text)

    def verdict(self, method: str | None, trigger: str | None, confidence: str | None) -> str:
        """`TLS: reset, triggered by the name, confirmed`; empty without a method, as only blocks have one."""
        parts = (("method", method), ("trigger", trigger), ("confidence", confidence)) if method else ()
        return ", ".join(self.term(table, name) for table, name in parts if name)

    def day(self, text: str, *, short: bool = False) -> str:
        """`17 November 2016` of a date, or of the first ten characters of a time; short for tables: `17 Nov 2016`."""
        return self._day(date.fromisoformat(text[:10]), "d\u00a0MMM\u00a0y" if short else self.say("general.day"))

    def when(self, text: str, *, short: bool = False) -> str:
        """`5 May 2017, 07:30 UTC`; of a date the day; a text that is neither as it is."""
        try:
            if len(text) <= 10:
                return self.day(text, short=short)
            at = datetime.fromisoformat(text)
            at = at.astimezone(UTC) if at.tzinfo else at
        except (ValueError, OverflowError):
            return bounded(text, 40)
        return self.say("general.instant", date=self.day(at.date().isoformat(), short=short), time=f"{at:%H:%M}")

    def moment(self, at: float) -> str:
        """As `when`, of seconds since 1970."""
        return self.when(datetime.fromtimestamp(at, UTC).isoformat())

    def period(self, first: str, last: str) -> str:
        """`1 to 21 May 2017` of two days: what they share is said once."""
        if first == last:
            return self.day(last)
        pattern = "d" if first[:7] == last[:7] else "d MMMM" if first[:4] == last[:4] else self.say("general.day")
        return self.say("general.period", first=self._day(date.fromisoformat(first), pattern), last=self.day(last))

    def span(self, earliest: float, latest: float, *, dated: bool = True, short: bool = False) -> str:
        """`6 May 2017, between 06:07 and 12:07 UTC`; not `dated` without the day, unless there are two."""
        ends = [datetime.fromtimestamp(at, UTC) for at in (earliest, latest)]
        days, times = [self.day(at.date().isoformat(), short=short) for at in ends], [f"{at:%H:%M}" for at in ends]
        if days[0] == days[1]:
            between = self.say("general.between", first=times[0], last=times[1])
            return f"{days[0]}, {between}" if dated else between
        first, last = (self.say("general.moment", day=day, time=time) for day, time in zip(days, times, strict=True))
        return self.say("general.between", first=first, last=last)

    def enumeration(self, names: Iterable[str]) -> str:
        """`a, b and c`; of more than MAX_NAMES the first ones and how many more."""
        from babel.lists import format_list

        shown = list(dict.fromkeys(names))
        if left_out := max(0, len(shown) - MAX_NAMES):
            shown[MAX_NAMES:] = [self.say("general.more_names", count=left_out)]
        return format_list(shown, locale=self.locale)

    def network(self, name: str, path: str) -> str:
        """`AS12389 Rostelecom`, `AS1136 via vpn`."""
        return name if path == DIRECT else self.say("general.by_path", network=name, path=path)

    def country(self, code: str) -> str:
        """`Russia` of RU; a code of no country as it is."""
        from babel import Locale

        return Locale.parse(self.locale).territories.get(code) or bounded(code, 40)

    def duration(self, hours: float) -> str:
        """`18 hours`, `3.5 days`."""
        from babel.units import format_unit

        unit, number = ("hour", hours) if abs(hours) < MIN_HOURS_SHOWN_AS_DAYS else ("day", hours / 24)
        shown = _as_shown(number)  # whose plural is not that of the unrounded number
        return format_unit(shown, unit, format=_pattern(shown), locale=self.locale).replace(" ", "\u00a0")

    def duration_number(self, hours: float, unit_of: float) -> str:
        """The number alone, in the unit in which a duration of `unit_of` hours is shown."""
        return self.number(hours if abs(unit_of) < MIN_HOURS_SHOWN_AS_DAYS else hours / 24)

    def number(self, number: float) -> str:
        """Three significant digits, or all of a larger whole number."""
        from babel.numbers import format_decimal

        return format_decimal(number, _pattern(number), locale=self.locale)

    def percent(self, share: float) -> str:
        """`74%` of 0.74."""
        from babel.numbers import format_percent

        return format_percent(share, locale=self.locale)

    def _day(self, day: date, pattern: str) -> str:
        from babel.dates import format_date

        return format_date(day, pattern, locale=self.locale)


def _as_shown(number: float) -> float:
    """The number rounded as `_pattern` does."""
    rounded = round(number) if abs(number) >= 100 else float(f"{number:.3g}")
    return int(rounded) if rounded == int(rounded) else rounded


def _pattern(number: float) -> str:
    return "#,##0" if abs(number) >= MIN_GROUPED else "0" if number == 0 or abs(number) >= 100 else "@##"


def best_language(chosen: str | None, accepted: str, default: str = ENGLISH) -> str:
    """The chosen language, else the best of Accept-Language (RFC 9110, 12.5.4), else the default."""
    if chosen in languages():
        return str(chosen)
    return max(_accepted(accepted), default=(0.0, default))[1]


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
