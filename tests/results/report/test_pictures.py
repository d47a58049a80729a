"""The pictures are drawn: marks that are there, labels that are not cut, colours that a page can change."""

from __future__ import annotations

import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, HTTPServer
from xml.etree import ElementTree

import pytest

from results.i18n.translator import Translator
from results.report import Summary, html
from results.report import pictures as drawing
from results.report.pictures import NARROW, WIDE, embedded
from tests import pictures as readme_pictures
from tests.results.report.reports import SVG, Read, pictures

SECTIONS = ("register", "hours", "methods", "times")
LEAST_MARKS = {"register": 13, "timeline": 105, "hours": 8, "methods": 4, "times": 20}
"""In each picture: segments, days, spans, bars that are not nothing, fields, points."""
WIDTH_OF_A_LETTER = 0.5
"""Of the letters' height, on the average, in an ordinary sans-serif."""


@pytest.mark.slow
def test_each_section_has_its_picture_for_a_page_and_for_a_phone(page: str, russian_page: str) -> None:
    for text in (page, russian_page):
        found = pictures(text)
        wanted = [*SECTIONS, *(f"timeline-{number}" for number in range(5))]
        assert sorted(found) == sorted(f"{name}-{kind}" for name in wanted for kind in ("wide", "narrow"))


def test_marks_are_there(page: str) -> None:
    for name, picture in pictures(page).items():
        marks = [
            element for element in picture.iter(f"{SVG}path")
            if (element.get("fill") or "").startswith("#") and drawn_area(element) > 4
        ]  # fmt: skip
        assert len(marks) >= LEAST_MARKS[name.split("-")[0]], name


def drawn_area(path: ElementTree.Element) -> float:
    """Of the box around a path: of a rectangle as Vega writes it, or of a circle."""
    numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", path.get("d") or "")]
    if "h" in (path.get("d") or ""):
        return abs(numbers[2] * numbers[3])
    return (max(numbers) - min(numbers)) ** 2 if numbers else 0.0


@pytest.mark.parametrize("language", ["en", "ru"])
def test_no_label_is_cut(page: str, russian_page: str, language: str) -> None:
    for name, picture in pictures(page if language == "en" else russian_page).items():
        _, _, width, height = (float(number) for number in str(picture.get("viewBox")).split())
        assert width == pytest.approx(WIDE if name.endswith("wide") else NARROW, abs=16)
        texts = list(placed(picture, 0.0, 0.0))
        assert len(texts) >= 5, name
        for text, x, y, size, anchor in texts:
            assert not text.endswith("…"), (name, text)
            length = len(text) * size * WIDTH_OF_A_LETTER
            left = x - {"start": 0.0, "middle": length / 2, "end": length}[anchor]
            assert left >= -1, (name, text, left)
            assert left + length <= width + 1, (name, text, left + length)
            assert 0 < y <= height, (name, text, y)


def placed(element: ElementTree.Element, x: float, y: float):  # type: ignore[no-untyped-def]
    """Each text with where it stands, its size and its anchor."""
    for dx, dy in re.findall(r"translate\((-?[\d.e-]+),(-?[\d.e-]+)\)", element.get("transform") or ""):
        x, y = x + float(dx), y + float(dy)
    if element.tag == f"{SVG}text" and element.text and element.get("display") != "none":
        size = float((element.get("font-size") or "10px").removesuffix("px"))
        yield element.text, x, y, size, element.get("text-anchor") or "start"
    for child in element:
        yield from placed(child, x, y)


def test_no_colour_stands_alone(page: str) -> None:
    for kind in ("wide", "narrow"):
        told = [element.text for element in pictures(page)[f"register-{kind}"].iter(f"{SVG}text") if element.text]
        assert Counter(text[0] for text in told if text[0] in "■□▲○·") == {"■": 4, "□": 1, "▲": 1, "○": 4, "·": 4}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("language", "readme"), [("en", "README.md"), ("ru", "docs/README.ru.md")])
def test_a_readmes_picture_is_this_reports(
    page: str, russian_page: str, summary: Summary, language: str, readme: str, theme: str
) -> None:
    number = [row.name for row in summary.rows].index(readme_pictures.SERVICE)
    drawn = pictures(page if language == "en" else russian_page)[f"timeline-{number}-wide"]
    name = readme_pictures.file_name(language, theme)
    text = (readme_pictures.FOLDER.parents[1] / readme).read_text("utf-8")
    assert f"images/{name}" in text
    assert readme_pictures.ALTERNATIVE[language] in text
    stored = ElementTree.parse(readme_pictures.FOLDER / name).getroot()
    colours = readme_pictures.themes()[theme]
    fixed = ElementTree.fromstring(readme_pictures.standalone(ElementTree.tostring(drawn, encoding="unicode"), colours))
    assert marks_of(stored) == marks_of(fixed), "python -m tests.pictures"
    assert colours["ink"] in {element.get("fill") for element in stored.iter(f"{SVG}text")}


def marks_of(picture: ElementTree.Element) -> list[tuple[str, str | None, str | None]]:
    """What is seen of it: letters and colours, without the places that depend on fonts."""
    return [(one.tag, one.text, one.get("fill")) for one in picture.iter()]


def test_letters_take_the_colour_of_the_page(page: str) -> None:
    for name, picture in pictures(page).items():
        axis = [element.get("fill") for element in picture.iter(f"{SVG}text") if element.text not in (None, "·")]
        assert "currentColor" in axis, name
        assert "white" not in {element.get("fill") for element in picture.iter(f"{SVG}rect")}, name


def test_every_picture_says_what_it_shows_and_no_two_share_an_id(page: str) -> None:
    found = pictures(page)
    for name, picture in found.items():
        assert picture.get("role") == "img"
        ids = str(picture.get("aria-labelledby")).split()
        told = {element.get("id"): element.text for element in picture if element.tag in (f"{SVG}title", f"{SVG}desc")}
        assert all(told[one] for one in ids), name
    ids = [str(attributes["id"]) for _, attributes in Read(page).elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_without_the_extra_the_tables_stand_open_and_a_word_says_why(
    summary: Summary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "EXTRA", ("altair", "no_such_module"))
    read = Read(html.render(summary, Translator("en")))
    assert read.all("svg") == []
    assert read.all("details") == []
    assert "they need the extra report" in read.text
    assert "22.6–28.6 hours after the listing" in read.text


def test_with_the_extra_nothing_is_said_of_it(page: str) -> None:
    assert "they need the extra" not in Read(page).text


def test_a_chart_loads_nothing() -> None:
    asked: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        chart = {
            "data": {"url": f"http://127.0.0.1:{server.server_port}/data.json"},
            "mark": "bar",
            "encoding": {"x": {"field": "a", "type": "quantitative"}},
        }
        try:
            drawing._svg(chart)
        except ValueError:
            pass
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert asked == []


def test_what_is_no_drawing_does_not_get_into_the_page() -> None:
    drawn = embedded(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" onload="x()">'
        '<script>x()</script><image href="http://a.example/"/><a xlink:href="javascript:x()"><text>a</text></a>'
        '<g clip-path="url(#one)" onclick="x()" style="fill:url(http://a.example/)"><foreignObject/></g></svg>',
        "name", "wide", "<b>", "</desc><script>",
    )  # fmt: skip
    root = ElementTree.fromstring(drawn)
    assert [element.tag.removeprefix(SVG) for element in root.iter()] == ["svg", "title", "desc", "g"]
    assert not re.search(r"script>|onload|onclick|href|example|<b>", drawn.replace("&lt;script&gt;", ""))
    assert 'clip-path="url(#name-one)"' in drawn
