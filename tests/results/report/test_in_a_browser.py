"""The page as Chromium shows it: it asks for nothing, fits a phone, and can be read, light, dark and printed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.results.report import chromium
from tests.results.report.chromium import Page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.PROGRAM is None, reason="no Chromium here: apt-get install chromium"),
]
PHONE, DESK = 390, 1100
SHOWN = "[...document.querySelectorAll('figure svg')].filter(one => one.getBoundingClientRect().width > 100).length"
BEYOND = """
[...document.querySelectorAll('body *')].filter(one => one.getBoundingClientRect().right > innerWidth + 1
    && !one.closest('caption, thead')).map(one => one.outerHTML.slice(0, 200))
"""
CUT = """
[...document.querySelectorAll('figure svg')].filter(one => one.getBoundingClientRect().width > 100).flatMap(svg =>
    [...svg.querySelectorAll('text')].filter(text => {
        const a = text.getBoundingClientRect(), b = svg.getBoundingClientRect()
        return a.width > 0 && (a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1
            || a.bottom > b.bottom + 1)
    }).map(text => text.textContent))
"""
CONTRAST = """
(() => {
    const light = colour => colour.match(/[0-9.]+/g).slice(0, 3).map(Number).map(value => value / 255)
        .map(value => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
        .reduce((sum, value, n) => sum + value * [0.2126, 0.7152, 0.0722][n], 0)
    const paper = light(getComputedStyle(document.body).backgroundColor)
    return Math.min(...[...document.querySelectorAll('p, dd, h1, h2, h3, a, small, figure svg text')]
        .filter(one => one.closest('.stories, article') === null)
        .map(one => getComputedStyle(one)).map(style => style.fill !== 'rgb(0, 0, 0)' ? style.fill : style.color)
        .filter(colour => colour.startsWith('rgb') && !CHOSEN.includes(colour)).map(light)
        .map(ink => (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)))
})()
""".replace("CHOSEN", "['rgb(0, 0, 0)', 'rgb(255, 255, 255)']")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium.browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module", params=["page", "russian_page"])
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("report") / "report.html"
    made.write_text(request.getfixturevalue(request.param), encoding="utf-8")
    return made


@pytest.mark.parametrize("width", [320, PHONE, 700, DESK])
def test_it_fits_the_window_and_no_label_is_cut(browser: Page, file: Path, width: int) -> None:
    browser.open(file, width=width)
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask(BEYOND) == []
    assert browser.ask(SHOWN) == 9
    assert browser.ask(CUT) == []


def test_on_a_phone_a_row_is_headed_by_its_name_in_one_line(browser: Page, file: Path) -> None:
    browser.open(file, width=PHONE)
    heights = "[...document.querySelectorAll('#matrix tbody th')].map(one => one.getBoundingClientRect().height)"
    assert len(browser.ask(heights)) == 5
    assert max(browser.ask(heights)) < 40


def test_it_asks_for_nothing_but_itself(browser: Page, file: Path) -> None:
    browser.requests.clear()
    browser.complaints.clear()
    browser.open(file)
    assert browser.requests == [file.as_uri()]
    assert browser.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_written_can_be_read(browser: Page, file: Path, scheme: str) -> None:
    browser.open(file, scheme=scheme)
    paper = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 21, 23)"}[scheme]
    assert browser.ask(CONTRAST) >= 4.5, "WCAG 2.2, 1.4.3"


def test_its_tables_and_headings_can_be_walked_through(browser: Page, file: Path) -> None:
    browser.open(file)
    assert browser.ask("document.querySelectorAll('h1').length") == 1
    assert browser.ask("[...document.querySelectorAll('th')].every(one => one.scope === 'col' || one.scope === 'row')")
    assert browser.ask("[...document.querySelectorAll('table')].every(one => one.caption && one.caption.textContent)")
    assert browser.ask("[...document.querySelectorAll('nav a')].every(one => document.querySelector(one.hash))")


def test_it_prints(browser: Page, file: Path) -> None:
    browser.open(file, scheme="dark", media="print")
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    printed = browser.printed()
    assert printed.startswith(b"%PDF-")
    assert 4 <= printed.count(b"/Type /Page\n") <= 20
