"""How much two answers must have in common: each limit from both of its sides."""

from __future__ import annotations

import hashlib

import pytest

from probe.model import Http
from results.judge.likeness import differs_in_kind, same_page, similar_length


def page(body: str, title: str | None = None) -> Http:
    data = body.encode()
    return Http(
        url="http://www.site.example/",
        status=200,
        body=data,
        body_sha256=hashlib.sha256(data).hexdigest(),
        length=len(data),
        title=title,
    )


@pytest.mark.parametrize(("short", "similar"), [(100, True), (71, True), (70, False), (65, False), (0, False)])
def test_lengths_are_similar_above_seven_tenths(short: int, similar: bool) -> None:
    assert similar_length(page("x" * short), page("x" * 100)) == similar
    assert similar_length(page("x" * 100), page("x" * short)) == similar


@pytest.mark.parametrize(("words", "same"), [(24, True), (19, True), (18, False), (10, False)])
def test_a_page_is_the_same_with_nine_tenths_of_its_words(words: int, same: bool) -> None:
    # Of `words` words on each page one differs: `words` - 1 of `words` + 1 are common.
    common = " ".join("ab" + chr(ord("a") + number) for number in range(words - 1))
    assert same_page(page(f"{common} here"), page(f"{common} there")) == same


def marked(names: list[str], title: str, filling: int = 0) -> Http:
    return page("".join(f'<p class="{name}">' for name in names) + "." * filling, title)


@pytest.mark.parametrize(("shared", "differs"), [(4, False), (3, False), (2, True), (0, True)])
def test_three_tenths_of_the_names_in_the_markup_are_one_sites(shared: int, differs: bool) -> None:
    ours = [f"common{number}" for number in range(shared)] + [f"ours{number}" for number in range(10 - shared)]
    theirs = [f"common{number}" for number in range(shared)] + [f"theirs{number}" for number in range(10 - shared)]
    assert differs_in_kind(marked(ours, "one"), marked(theirs, "two", 5000)) == differs


@pytest.mark.parametrize(("names", "differs"), [(4, False), (3, True)])
def test_markup_with_fewer_than_four_names_tells_nothing(names: int, differs: bool) -> None:
    few = [f"name{number}" for number in range(names)]
    assert differs_in_kind(marked(few, "one"), marked(few, "two", 5000)) == differs


@pytest.mark.parametrize(("word", "differs"), [("Lorem", False), ("Page", True)])
def test_titles_of_one_site_share_a_word_of_five_letters(word: str, differs: bool) -> None:
    assert differs_in_kind(marked([], f"{word} one"), marked([], f"{word} two", 5000)) == differs
