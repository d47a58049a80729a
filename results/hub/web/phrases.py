"""The page's sentences: the report's words, and those that only the page has."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from results.compare.record import bounded
from results.report import phrases
from results.report.phrases import Words, languages

DEFAULT = "en"


@cache
def catalogue(language: str) -> dict[str, Any]:
    """The page's own tables of sentences."""
    return tomllib.loads((files("results.hub.web") / "catalogue" / f"{language}.toml").read_text("utf-8"))


class PageWords(Words):
    """Says what the report says, and the page's own."""

    def __init__(self, language: str) -> None:
        super().__init__(language)
        self._catalogue = {**phrases.catalogue(language), **catalogue(language)}

    def when(self, text: str) -> str:
        """As the report tells it; what is no time is shown as it came."""
        try:
            return super().when(text)
        except ValueError:
            return bounded(text, 40)

    def role(self, role: str) -> str:
        """What a step was made for."""
        known: dict[str, str] = self._catalogue["role"]
        return known.get(role, bounded(role, 40))


def language_of(asked: str | None, accepted: str) -> str:
    """One of the languages that there are: the one asked for, else the best that a browser accepts (RFC 9110, 12.5.4),
    else English."""
    if asked in languages():
        return str(asked)
    return max(_accepted(accepted), default=(0.0, DEFAULT))[1]


def _accepted(header: str) -> Iterable[tuple[float, str]]:
    for part in header[:400].split(","):
        tag, _, weight = part.partition(";q=")
        language = tag.strip().lower().split("-")[0]
        try:
            quality = float(weight or 1)
        except ValueError:
            continue
        if language in languages() and 0 < quality <= 1:
            yield quality, language
