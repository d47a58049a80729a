"""Which language a person gets: the option, the configuration, then the locale as gettext reads it."""

from __future__ import annotations

import pytest

from results.i18n.language import chosen


@pytest.mark.parametrize(
    ("environ", "wanted", "language"),
    [
        ({"LANG": "ru_RU.UTF-8"}, (), "ru"),
        ({"LANG": "ru_RU.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, (), "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "ru_RU.KOI8-R"}, (), "ru"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "de:ru:en"}, (), "ru"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "ru"}, (), "en"),
        ({}, (), "en"),
        ({"LANG": "xx_YY"}, (), "en"),
        ({"LANG": "ru_RU.UTF-8"}, ("en",), "en"),
        ({}, (None, "ru"), "ru"),
        ({}, ("en", "ru"), "en"),
        ({"LANG": "ru_RU.UTF-8"}, ("xx",), "ru"),
        ({"LANG": "ru"}, ("../../etc",), "ru"),
    ],
)
def test_the_first_known_language(environ: dict[str, str], wanted: tuple[str | None, ...], language: str) -> None:
    assert chosen(environ, *wanted) == language
