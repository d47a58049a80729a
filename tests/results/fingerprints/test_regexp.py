"""Regular expressions of strangers: what is taken matches as it should, what could explode is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.fingerprints.regexp import BadPattern, compile_safe, literal

TRIES = 64


@pytest.mark.parametrize(
    ("pattern", "page", "found"),
    [
        ("blocked by .* law", "this is blocked by the\nfederal law.", True),
        ("blocked by .* law", "blocked by nobody", False),
        (r"https?://block\.example", "see http://block.example/", True),
        (r"https?://block\.example", "see https://block.example/", True),
        (r"https?://block\.example", "see https://blockxexample/", False),
        (r"<a [^>]*>blocked", '<a href="x">blocked', True),
        (r"<a [^>]*>blocked", '<a href="x"> <b>blocked', False),
        (r"code: \d{3}, ref", "code: 451, ref", True),
        (r"code: \d{3}, ref", "code: 45, ref", False),
        (r"code:\s+ref", "code: \n ref", True),
        ("^<html>blocked", "<html>blocked", True),
        ("^<html>blocked", " <html>blocked", False),
        ("the end$", "this is the end", True),
        ("the end$", "the end?", False),
        (".*the middle.*", "in the middle of it", True),
        ("Доступ.*ограничен", "Доступ к сайту ограничен", True),
        ("page.{2,3}x", "page--x", True),
        ("page.{2,3}x", "page-x", False),
    ],
)
def test_what_is_taken_matches_as_the_engine_would(pattern: str, page: str, found: bool) -> None:
    assert compile_safe(pattern).found(page.encode(), TRIES) is found
    assert bool(re.search(pattern, page, re.DOTALL)) is found


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b",
        "begin(a|a)*b",
        "begin(a|aa)+$",
        r"(begin).*\1",
        "begin(?=x)",
        "begin(?:x)",
        "(?i)begin",
        "begin.*.*.*end",
        r"begin\s*.*end",
        "begin|end",
        "begin.{0,5000}end",
        r"begin\bend",
        "beginé+",
        "begin[é]",
        ".*",
        r"\d+ pages",
        "ab.*",
        "begin[",
        "begin**",
        "begin{9}{9}",
        "begin[[a]",
        "x" * 1025,
    ],
)
def test_what_could_take_time_without_bound_or_is_not_valid_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        compile_safe(pattern)


def test_a_hostile_page_is_looked_at_in_few_places() -> None:
    regexp = compile_safe("<h1>.*end")
    page = b"<h1>" * 16_000
    assert not regexp.found(page, TRIES)
    assert not regexp.found(page + b"end", TRIES), "beyond the places that are looked at"


def test_only_a_pattern_that_is_plain_text_has_a_literal() -> None:
    assert literal(r"block\.example\/\?a") == "block.example/?a"
    assert literal("block.example") is None
    assert literal("(a)") is None


@given(st.text(alphabet="abc.*+?[]()|\\{}^$d1,", max_size=24), st.text(alphabet="abcd1", max_size=40))
def test_whatever_is_taken_finds_nothing_that_the_engine_would_not(pattern: str, page: str) -> None:
    pattern = "abcd" + pattern
    try:
        regexp = compile_safe(pattern)
    except BadPattern:
        return
    if regexp.found(page.encode(), TRIES):
        assert re.search(pattern, page, re.DOTALL)
