"""Regular expressions of published lists: matched by RE2 in linear time, and refused where RE2 cannot."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.fingerprints import fingerprint
from results.fingerprints.fingerprint import BadPattern, compile_regexp, literal


def found(pattern: str, page: bytes) -> bool:
    return compile_regexp(pattern).search(page) is not None


@pytest.mark.parametrize(
    ("pattern", "page", "matches"),
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
        ("(blocked|forbidden) by law", "forbidden by law", True),
        (r"begin\bend", "beginend", False),
    ],
)
def test_a_pattern_matches_as_in_python(pattern: str, page: str, matches: bool) -> None:
    assert found(pattern, page.encode()) is matches
    assert bool(re.search(pattern, page, re.DOTALL)) is matches


def test_any_byte_is_one_character() -> None:
    assert found("page.{2}x", b"page\xff\xfex")
    assert not found("page.x", "pageéx".encode())


@pytest.mark.parametrize(
    "pattern",
    [
        r"(begin).*\1",
        "begin(?=x)",
        "begin.{0,5000}end",
        "beginé+",
        "begin[é]",
        "(?i)доступ",
        ".*",
        r"\d+",
        "ab.*",
        "begin|",
        "(begin)?",
        "begin[",
        "begin**",
        "begin{9}{9}",
        "x" * 1025,
        "(((x{1000}){1000}){1000})begin",
    ],
)
def test_what_is_unsupported_or_matches_without_text_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        compile_regexp(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+begin", "begin(a|aa)+$", "begin.*.*.*end", r"begin\s*.*end", "(.*)*begin!"])
def test_a_hostile_page_takes_linear_time(pattern: str) -> None:
    assert not found(pattern, b"begin" * 2 + b"a" * 65_536 + b"\n")


def test_without_google_re2_every_pattern_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "re2", None)
    with pytest.raises(BadPattern, match="google-re2 is not installed"):
        compile_regexp("begin.*end")


def test_only_a_pattern_that_is_plain_text_has_a_literal() -> None:
    assert literal(r"block\.example\/\?a") == "block.example/?a"
    assert literal("block.example") is None
    assert literal("(a)") is None
    assert literal(r"a{b\n}") == "a{b\n}"
    assert literal("a{2}") is None
    assert literal("") is None


@given(st.text(alphabet="abc.*+?[]()|\\{}^$d1,", max_size=24), st.text(alphabet="abcd1", max_size=40))
def test_whatever_is_taken_finds_only_what_python_would(pattern: str, page: str) -> None:
    pattern = "abcd" + pattern
    try:
        taken = compile_regexp(pattern)
    except BadPattern:
        return
    if taken.search(page.encode()):
        assert re.search(pattern, page, re.DOTALL)
