"""One term for one thing, in every message and in every language."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from results.i18n.translator import english
from tests.catalogues import PACKAGES, ROOT, brought_up_to_date, catalogues

AVOIDED = re.compile(
    r"\b(canary|canaries|second opinion|innocent|unclear|finding|findings|tidy"
    r"|by (path|vpn|\{path\})|paid for by|by the byte"
    r"|whence|somebody|nobody|beside|so long|of one's own|holds? against|stands? in|so many|let go of"
    r"|told|heard|doubt|willing|echo|patience|aside|is no (?!such\b)\w)\b",
    re.IGNORECASE,
)
"""Words that docs/contributing.md replaces by others, and phrases that read as translated."""
NOT_PROSE = re.compile(r"`[^`]*`|\[\[?[^\]]*\]\]?|\{(?!path\})[^}]*\}")
TERMS = ("outcome", "agreement", "method", "trigger", "network")
DIFFERENT = {
    "total.vantages": "genitive, after a preposition",
    "network.offline": "the state of a network, not the outcome of a measurement",
    "picture.listed": "the moment of a listing, not a state",
}
"""Texts that translate an English text otherwise than the others, and why."""


def texts(catalog: Catalog) -> Iterator[str]:
    """The English messages of the program, without those of click."""
    for message in catalog:
        if message.id and not all(file.startswith("click/") for file, _ in message.locations):
            yield from [message.id] if isinstance(message.id, str) else message.id


def test_no_message_uses_a_word_that_we_avoid() -> None:
    every = texts(brought_up_to_date(catalogues()[0]))
    assert {text: hit.group() for text in every if (hit := AVOIDED.search(NOT_PROSE.sub("", text)))} == {}


@pytest.mark.parametrize("path", catalogues(), ids=lambda path: path.parents[1].name)
def test_the_same_english_is_the_same_in_a_translation(path: Path) -> None:
    said: dict[str, set[str]] = defaultdict(set)
    for message in brought_up_to_date(path):
        if message.id and message.string and message.context not in DIFFERENT:
            said[str(message.id)].add(str(message.string))
    assert {text: words for text, words in said.items() if len(words) > 1} == {}


def test_no_program_or_page_has_words_of_its_own_for_a_term() -> None:
    terms = {str(text) for key, text in english().items() if key.partition(".")[0] in TERMS and " " in str(text)}
    quoted = re.compile("|".join(rf"[\"'>]{re.escape(term)}[\"'<]" for term in sorted(terms)))
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*") if file.suffix in (".py", ".html")]
    assert len(files) > 200
    assert {str(file): found for file in files if (found := quoted.findall(file.read_text("utf-8")))} == {}
