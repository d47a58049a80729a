"""What is said of blocks that end, that come and go, that nobody dates, and of networks with several vantages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from results.i18n.translator import Translator
from results.report import narrative
from tests.results.compare.rows import row, write
from tests.results.report.reports import spaced, summary_of

EN, RU = Translator("en"), Translator("ru")


def story(tmp_path: Path, *series: tuple[str, dict[str, Any]], words: Translator = EN) -> list[str]:
    """Of a service measured every six hours from noon on 24 November 2026; x for blocked, o for open."""
    rows = [
        row("blocked" if letter == "x" else "reachable", hours=6 * n, **place)
        for letters, place in series
        for n, letter in enumerate(letters)
    ]
    found = summary_of(write(tmp_path / "rows.jsonl", rows))
    return spaced(narrative.of_row(found, found.rows[0], words)[1:])


@pytest.mark.parametrize(
    ("letters", "said"),
    [
        ("oooooooooooo", "Not blocked on AS12389."),
        ("xxxxxxxxxxxx", "Blocked during the whole period on AS12389."),
        ("o" * 30 + "x" * 30, "Blocked since 2 December 2026 on AS12389 (between 1 December 2026 18:00 and "
         "2 December 2026 00:00 UTC)."),
        ("x" * 31 + "o" * 30, "Blocked at first, reachable since 2 December 2026, on AS12389 "
         "(between 00:00 and 06:00 UTC)."),
        ("o" * 31 + "x" * 30 + "o" * 30, "Temporarily blocked on AS12389 "
            "(2 December 2026, between 00:00 and 06:00 UTC; "
         "9 December 2026, between 12:00 and 18:00 UTC)."),
        ("oxoxxoxoxooxxoxoxoxo", "Alternately blocked and reachable, with no clear start, on AS12389."),
    ],
)  # fmt: skip
def test_one_network(tmp_path: Path, letters: str, said: str) -> None:
    (told,) = story(tmp_path, (letters, {}))
    assert told == said


def test_two_vantages_of_one_network_are_told_apart(tmp_path: Path) -> None:
    home, office = {"name": "home"}, {"name": "office"}
    assert story(tmp_path, ("oooooooo", home), ("xxxxxxxx", office)) == [
        "Blocked during the whole period on AS12389 (office).",
        "Not blocked on AS12389 (home).",
    ]


def test_a_path_that_is_blocked_too(tmp_path: Path) -> None:
    assert story(tmp_path, ("xxxxxxxx", {}), ("xxxxxxxx", {"path": "vpn", "asn": 1136, "country": "NL"})) == [
        "Blocked during the whole period on AS12389.",
        "Also blocked via vpn (AS1136).",
    ]


def test_in_russian(tmp_path: Path) -> None:
    assert story(tmp_path, ("x" * 31 + "o" * 30, {}), words=RU) == [
        "Сначала заблокировано, с 2 декабря 2026 года доступно: AS12389 (между 00:00 и 06:00 UTC)."
    ]


def test_one_that_nobody_could_measure(tmp_path: Path) -> None:
    found = summary_of(write(tmp_path / "rows.jsonl", [row("inconclusive", hours=n) for n in (0, 6)]))
    assert narrative.of_row(found, found.rows[0], EN) == [
        "No register was checked.",
        "Not enough data on AS12389.",
    ]
    assert narrative.in_short(found, EN)[1] == "No blocks found."
