"""Reports made for tests, and what is read out of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from results.compare import gather
from results.report import Summary, gather_details, summarise

NOW = 1_495_600_000.0
"""24 May 2017."""
SVG = "{http://www.w3.org/2000/svg}"


def summary_of(*sources: Path, **period: Any) -> Summary:
    with gather(sources, **period) as gathered, gather_details(sources, **period) as more:
        return summarise(gathered, more, now=NOW)


def spaced(texts: Iterable[str]) -> list[str]:
    """Texts with ordinary spaces where a line must not break."""
    return [text.replace("\u00a0", " ") for text in texts]


class Read(HTMLParser):
    """A page as a browser takes it apart: its elements with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._text: list[str] = []
        self._in_style = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self._text.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self._text))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def pictures(page: str) -> dict[str, ElementTree.Element]:
    """Each picture of a page by the name that its title's id begins with, as `timeline-2-wide`."""
    drawn = [ElementTree.fromstring(text) for text in re.findall(r"<svg .*?</svg>", page, re.DOTALL)]
    return {str(one.get("aria-labelledby")).split("-title")[0]: one for one in drawn}
