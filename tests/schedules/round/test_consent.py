"""Consent: one screen, the risk first, in the reader's language; an answer in that language; the docs say the same."""

from __future__ import annotations

import io
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from results.db.store import Store
from results.i18n.language import activate, languages
from results.i18n.translator import Translator
from schedules.round import consent

ROOT = Path(__file__).parents[3]
MAX_LINES, MAX_COLUMNS = 20, 78
PAGES = {
    "en": ("README.md", "docs/faq.md", "docs/security.md"),
    "ru": ("docs/README.ru.md", "docs/faq.ru.md", "docs/security.ru.md"),
}


@pytest.fixture(params=languages())
def language(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LANGUAGE", "")
    activate(request.param)
    return str(request.param)


def test_it_fits_one_screen_and_begins_with_the_risk(language: str) -> None:
    lines = consent.text(language).splitlines()
    assert len(lines) <= MAX_LINES
    assert max(map(len, lines)) <= MAX_COLUMNS
    assert " ".join(lines).startswith(Translator(language).say("consent.risk"))
    assert all(f"`reachprobe {name}`" in " ".join(lines) for name in ("pause", "wipe"))
    assert all(f"\n- {option}" in consent.text(language) for option in ("[[notify]]", "init --hub"))


def test_every_language_has_its_own_text() -> None:
    assert len({consent.text(language) for language in languages()}) == len(languages())


@pytest.mark.parametrize(
    ("language", "typed", "agrees"),
    [("en", "yes", True), ("en", "Y", True), ("en", "да", False), ("en", "", False),
     ("ru", "да", True), ("ru", "Д", True), ("ru", "yes", True), ("ru", "нет", False)],
    indirect=["language"],
)  # fmt: skip
def test_an_answer_counts_in_the_language_of_the_question(
    language: str, typed: str, agrees: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{typed}\n"))
    with Store.open(tmp_path / "x.db") as store:
        if agrees:
            consent.ask(store)
        else:
            with pytest.raises(consent.NoConsent):
                consent.ask(store)
    with closing(sqlite3.connect(tmp_path / "x.db")) as database:
        rows = database.execute("SELECT text_version, language FROM consents").fetchall()
    assert rows == ([(consent.TEXT_VERSION, language)] if agrees else [])


@pytest.mark.parametrize(("language", "page"), [(one, page) for one, pages in PAGES.items() for page in pages])
def test_a_page_says_in_the_same_words_what_others_see(language: str, page: str) -> None:
    said = Translator(language).say("consent.visible")
    assert said in " ".join((ROOT / page).read_text("utf-8").split())
