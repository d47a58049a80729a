"""The catalogues: each language says the same things, and there is a word for everything that can be found."""

from __future__ import annotations

import string
from pathlib import Path
from typing import get_args

import pytest

from results.compare.record import AGREEMENTS, OUTCOMES
from results.i18n.language import languages
from results.i18n.signs import AGREEMENT_SIGNS, OUTCOME_SIGNS
from results.i18n.translator import Translator
from results.judge.judged import Agreement
from results.judge.verdict import METHODS, Confidence, Trigger
from results.report.charts import AGREEMENTS as AGREEMENT_COLOURS
from results.report.charts import OUTCOMES as OUTCOME_COLOURS
from results.report.summary import HistoryState
from tests.catalogues import as_mo, as_po, brought_up_to_date, catalogues, untranslated

TRANSLATED = (
    "click",
    "probe/reference_sites.py",
    "results/compare",
    "results/db",
    "results/export",
    "results/hub",
    "results/i18n/english/compare.toml",
    "results/i18n/english/consent.toml",
    "results/i18n/english/notices.toml",
    "results/i18n/english/pages.toml",
    "results/i18n/english/registers.toml",
    "results/i18n/english/terminal.toml",
    "results/judge/rules",
    "results/ooni",
    "results/warehouse",
    "schedules",
    "system",
    "probe",
    "results/registers",
    "results/fingerprints",
)
"""Files, or folders, whose messages are translated whole."""


def blanks(texts: str | tuple[str, ...]) -> set[str]:
    """The names in braces of a message or of its plural forms."""
    forms = [texts] if isinstance(texts, str) else texts
    return {name for text in forms for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_english_and_russian() -> None:
    assert {"en", "ru"} <= set(languages())


@pytest.mark.parametrize("path", catalogues(), ids=lambda path: path.parents[1].name)
def test_a_catalogue_has_the_messages_of_the_program_and_is_compiled(path: Path) -> None:
    catalog = brought_up_to_date(path)
    assert path.read_bytes() == as_po(catalog), "run python -m tests.catalogues"
    assert path.with_suffix(".mo").read_bytes() == as_mo(catalog), "run python -m tests.catalogues"


@pytest.mark.parametrize("path", catalogues(), ids=lambda path: path.parents[1].name)
def test_a_translation_has_the_blanks_of_the_message(path: Path) -> None:
    for message in brought_up_to_date(path):
        forms = [message.string] if isinstance(message.string, str) else message.string
        if message.id and all(forms):
            assert blanks(message.string) == blanks(message.id), message.id


@pytest.mark.parametrize("folder", TRANSLATED)
@pytest.mark.parametrize("path", catalogues(), ids=lambda path: path.parents[1].name)
def test_nothing_lacks_a_translation(path: Path, folder: str) -> None:
    assert list(untranslated(brought_up_to_date(path), folder)) == []


@pytest.mark.parametrize("language", ["en", "ru"])
def test_there_is_a_word_for_all_that_can_be_found(language: str) -> None:
    words = Translator(language)
    for table, names in {
        "outcome": (*OUTCOMES, "gap"),
        "agreement": AGREEMENTS,
        "method": METHODS,
        "state": get_args(HistoryState),
        "confidence": get_args(Confidence),
        "trigger": get_args(Trigger),
    }.items():
        for name in names:
            assert words.say(f"{table}.{name}")
    for state in get_args(HistoryState):
        assert words.say(f"row.{state}", when="", places="", path="")


def test_each_outcome_and_agreement_has_a_sign_and_a_colour_of_its_own() -> None:
    assert set(OUTCOME_SIGNS) == {*OUTCOMES, None}
    assert set(AGREEMENT_SIGNS) == set(get_args(Agreement))
    assert set(OUTCOME_COLOURS) == set(OUTCOMES)
    assert set(AGREEMENT_COLOURS) == set(get_args(Agreement))
    for signs in (OUTCOME_SIGNS, AGREEMENT_SIGNS, OUTCOME_COLOURS, AGREEMENT_COLOURS):
        assert len(set(signs.values())) == len(signs)


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", ["5 May 2017, 07:30 UTC", "5 May 2017", "1 hour", "2 hours", "18 hours", "4.19 days", "74%", "1,234,567"]),
     ("ru", ["5 мая 2017 года, 07:30 UTC", "5 мая 2017 года", "1 час", "2 часа", "18 часов", "4,19 дня", "74 %",
             "1 234 567"])],
)  # fmt: skip
def test_times_and_numbers_follow_the_language(language: str, said: list[str]) -> None:
    words = Translator(language)
    shown = [words.when("2017-05-05T10:30:00+03:00"), words.when("2017-05-05"), *map(words.duration, (1, 2, 18, 100.6)),
             words.percent(0.743), words.number(1234567)]  # fmt: skip
    assert [text.replace("\u00a0", " ") for text in shown] == said


@pytest.mark.parametrize(
    ("first", "last", "english", "russian"),
    [("2017-05-01", "2017-05-21", "1 to 21 May 2017", "с 1 по 21 мая 2017 года"),
     ("2017-04-28", "2017-05-03", "28 April to 3 May 2017", "с 28 апреля по 3 мая 2017 года"),
     ("2016-12-30", "2017-01-02", "30 December 2016 to 2 January 2017", "с 30 декабря 2016 года по 2 января 2017 года"),
     ("2017-05-01", "2017-05-01", "1 May 2017", "1 мая 2017 года")],
)  # fmt: skip
def test_a_period_says_once_what_both_days_share(first: str, last: str, english: str, russian: str) -> None:
    shown = [Translator(language).period(first, last).replace("\u00a0", " ") for language in ("en", "ru")]
    assert shown == [english, russian]


def test_counted_things_have_the_plural_of_the_language() -> None:
    words = Translator("ru")
    assert [words.say("badge.reachable", count=count) for count in (1, 3, 5, 21)] == [
        "доступно в 1 сети", "доступно в 3 сетях", "доступно в 5 сетях", "доступно в 21 сети",
    ]  # fmt: skip
    assert [words.say("page.vantages_count", count=count) for count in (1, 2, 5)] == [
        "1 точка измерения", "2 точки измерения", "5 точек измерения",
    ]  # fmt: skip


def test_a_list_has_the_conjunction_of_the_language_and_an_end() -> None:
    assert [Translator(language).enumeration("abc") for language in ("en", "ru")] == ["a, b and c", "a, b и c"]
    assert Translator("en").enumeration(map(str, range(30))).endswith("10, 11 and 18 others")


@pytest.mark.parametrize("text", ["soon", "", "2017-13-40", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00"])
def test_a_time_that_is_none_is_shown_as_it_is(text: str) -> None:
    assert Translator("en").when(text) == text


def test_a_span_over_midnight_names_both_days() -> None:
    span = Translator("en").span(1494014820.0, 1494036420.0).replace("\u00a0", " ")
    assert span == "between 5 May 2017 20:07 and 6 May 2017 02:07 UTC"
