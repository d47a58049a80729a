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
READ_OUT = ("aria-label", "data-label", "alt", "title")
NAMES = frozenset(
    """
    DNS TCP TLS HTTP QUIC NXDOMAIN UTC VPN IP CSV JSONL JSON OONI SHA Atom Host AS reachprobe alert WeChat LINE LinkedIn
    BlackBerry Messenger signal Sovam Corbina Rostelecom MGTS vpn rkn RU NL SE home mobile office village control
    """.split()  # noqa: SIM905
)
"""Of protocols, formats, products and the records of the three weeks."""
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


class _LatinWords(HTMLParser):
    """Words in Latin letters that a person reads or hears on a page, outside code and the link to another language."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._inside: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if self._inside or tag in ("code", "style") or "hreflang" in given:
            self._inside += [tag] if tag not in ("meta", "link", "input", "img", "br") else []
        for name in READ_OUT:
            self._add(given.get(name) or "")

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self._add(data)

    def _add(self, text: str) -> None:
        tokens = (token.strip(".,:;()«»–…") for token in text.split())
        self.found |= {token for token in tokens if re.fullmatch(r"[A-Za-z][A-Za-z'-]+", token)}


def english_on(page: str, *data: str) -> set[str]:
    """Latin words on a Russian page that are neither names nor `data`."""
    return _LatinWords(page).found - NAMES - set(data)


def pictures(page: str) -> dict[str, ElementTree.Element]:
    """Each picture of a page by the name that its title's id begins with, as `timeline-2-wide`."""
    drawn = [ElementTree.fromstring(text) for text in re.findall(r"<svg .*?</svg>", page, re.DOTALL)]
    return {str(one.get("aria-labelledby")).split("-title")[0]: one for one in drawn}
