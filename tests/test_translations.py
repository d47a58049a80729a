"""A translated page has the headings, commands, pictures and links of the English page it names, and follows it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import get_args

import pytest

from results.i18n.language import languages
from results.i18n.signs import OUTCOME_SIGNS
from results.i18n.translator import Translator
from results.judge.judged import Agreement
from results.judge.verdict import METHODS, Outcome

ROOT = Path(__file__).parents[1]
PAGES = sorted(page for language in languages() for page in (ROOT / "docs").glob(f"*.{language}.md"))
VOLUNTEERS = {"README.ru.md", "tutorial.ru.md", "faq.ru.md", "security.ru.md", "vpn.ru.md"}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?:\]\(|src=\"|srcset=\")(?!http|#)([^)\"]+)")

by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def english(page: Path) -> Path:
    """The page that the first line names."""
    return page.parent / page.read_text("utf-8").split()[2]


def headings(page: Path) -> list[int]:
    text = BLOCK.sub("", page.read_text("utf-8"))
    return [len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)]


def blocks(page: Path) -> list[tuple[str, object]]:
    """Commands and configuration without their comments; of an output its number of lines."""
    return [
        (kind, text.count("\n") if kind == "text" else re.sub(r" +#.*", "", text))
        for kind, text in BLOCK.findall(page.read_text("utf-8"))
    ]


def links(page: Path) -> set[Path]:
    """Files it links to, each translated page and picture as the English one."""
    found = {(page.parent / link.split("#")[0]).resolve() for link in LINK.findall(page.read_text("utf-8"))}
    found = {path.with_name(re.sub(r"[.-]ru(?=[.-])", "", path.name)) for path in found}
    return {ROOT / "docs" / "README.md" if path == ROOT / "README.md" else path for path in found}


def test_what_a_volunteer_reads_is_there_in_russian() -> None:
    assert {page.name for page in PAGES} >= VOLUNTEERS


@by_page
def test_it_follows_the_english_page(page: Path) -> None:
    source = english(page)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    (named,) = re.findall(r"^<!-- Follows \S+ (\w+) -->\n", page.read_text("utf-8"))
    assert named == digest, f"{source.name} has changed: bring {page.name} up to date, then name {digest} in it"


@by_page
def test_it_has_the_headings_and_commands_of_the_english_page(page: Path) -> None:
    assert headings(page) == headings(english(page))
    assert blocks(page) == blocks(english(page))


@by_page
def test_it_has_the_links_of_the_english_page(page: Path) -> None:
    here, there = page.with_name(page.name.replace(".ru", "")).resolve(), english(page).resolve()
    assert links(page) - {here, there} == links(english(page)) - {here, there}


@by_page
def test_every_file_it_links_to_exists(page: Path) -> None:
    assert all((page.parent / link.split("#")[0]).is_file() for link in LINK.findall(page.read_text("utf-8")))


@pytest.mark.parametrize("name", [*get_args(Outcome), *get_args(Agreement)])
def test_glossary_and_readme_have_the_words_of_the_program(name: str) -> None:
    table = "outcome" if name in get_args(Outcome) else "agreement"
    words = {language: Translator(language).term(table, name) for language in ("en", "ru")}
    assert f"| {words['en']} | {words['ru']} |" in (ROOT / "docs" / "glossary.md").read_text("utf-8")
    assert f"`{name}` ({words['ru']}" in " ".join((ROOT / "docs" / "README.ru.md").read_text("utf-8").split())


@pytest.mark.parametrize(("page", "language"), [("README.md", "en"), ("docs/README.ru.md", "ru")])
def test_the_demo_is_shown_with_the_words_of_the_program(page: str, language: str) -> None:
    words = Translator(language)
    (shown,) = (text for kind, text in BLOCK.findall((ROOT / page).read_text("utf-8")) if kind == "text")
    rows = [line for line in shown.splitlines() if line[:1] in set(OUTCOME_SIGNS.values())]
    assert len(rows) == 13
    agreements = tuple(words.term("agreement", name) for name in get_args(Agreement))
    assert [row for row in rows if not row.endswith(agreements)] == []
    methods = [words.term("method", name) for name in METHODS if name != "http.blockpage"]
    blocked = [row for row in rows if row.startswith(OUTCOME_SIGNS["blocked"]) and "ru.law-149" not in row]
    assert [row for row in blocked if not any(f" {method}" in row for method in methods)] == []
