"""Long names in narrow columns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedules.render.tables import fold


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("http://news.x.test:43029", 22, ["http://news.x.test", ":43029"]),
        ("http://news.x.test:43029", 30, ["http://news.x.test:43029"]),
        ("a.test/some/long/path?x=1", 14, ["a.test/some", "/long/path?x=1"]),
        ("www.wechat.com (wechat)", 16, ["www.wechat.com ", "(wechat)"]),
        ("x" * 25, 10, ["x" * 10, "x" * 10, "x" * 5]),
        ("", 10, [""]),
    ],
)
def test_a_name_is_broken_where_a_part_begins(text: str, width: int, lines: list[str]) -> None:
    assert fold(text, width) == lines


@given(st.text(max_size=200), st.integers(1, 80))
def test_nothing_is_lost_and_no_line_is_too_long(text: str, width: int) -> None:
    lines = fold(text, width)
    assert "".join(lines) == text
    assert all(len(line) <= width for line in lines)


@given(st.from_regex(r"[a-z]{1,30}(\.[a-z]{1,10}){0,3}:[0-9]{1,5}", fullmatch=True), st.integers(7, 80))
def test_a_port_is_never_torn_apart(text: str, width: int) -> None:
    assert any(line.endswith(f":{text.rpartition(':')[2]}") for line in fold(text, width))
