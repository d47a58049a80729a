"""The pages as Chromium shows them: they ask for nothing elsewhere, fit a phone, can be walked through by keyboard, and
axe finds nothing that keeps people out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.results.hub.web import screenshots
from tests.results.hub.web.hub_site import served
from tests.results.hub.web.test_pages import BEGAN, LISTS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(screenshots.why_not() is not None, reason=str(screenshots.why_not())),
]
PAGES = ("/", "/service/wechat", "/target?is=https%3A%2F%2Fwww.wechat.com%2F", "/vantage/home", f"/m/{BEGAN}", "/rules",
         "/service/nothing", *(f"/{name}?since=2017-05-01" for name in LISTS))  # fmt: skip
BEYOND = """
[...document.querySelectorAll('main *')].filter(one => one.getBoundingClientRect().right > innerWidth + 1
    && !one.closest('caption, thead')).map(one => one.outerHTML.slice(0, 200))
"""


@pytest.fixture(scope="module")
def site(app: Any) -> Iterator[str]:
    with served(app) as address:
        yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=screenshots.browser(), args=list(screenshots.FLAGS))
        yield opened
        opened.close()


class Visit:
    """A page, with every address that was asked for and all that the browser complained of."""

    def __init__(self, browser: Any, **context: Any) -> None:
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda said: self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))


@pytest.fixture
def visit(browser: Any, site: str) -> Iterator[Any]:
    opened = []

    def open_(path: str, **context: Any) -> Visit:
        made = Visit(browser, base_url=site, **context)
        opened.append(made)
        made.page.goto(path)
        return made

    yield open_
    for one in opened:
        assert all(url.startswith(site) for url in one.asked), one.asked
        one.context.close()


def test_from_the_matrix_to_a_measurement(visit: Any) -> None:
    one = visit("/")
    assert one.page.locator("h1").inner_text() == "Blocked services by network"
    one.page.get_by_role("link", name="WeChat").first.click()
    assert one.page.locator("h1").inner_text() == "WeChat"
    row = one.page.get_by_role("row").filter(has_text="AS12389").filter(has_text="blocked").first
    row.get_by_role("link", name="Details: ").click()
    assert one.page.locator("h1").inner_text().endswith("WeChat: blocked")
    assert "Every step in order" in one.page.locator("main").inner_text()
    one.page.get_by_role("link", name="tls.sni_ab").click()
    assert one.page.url.endswith("/rules#tls.sni_ab")
    assert one.complaints == []


def test_the_filter_is_a_form_that_shows_what_was_chosen(visit: Any) -> None:
    one = visit("/?lang=ru")
    one.page.get_by_label("Страна").select_option("NL")
    one.page.get_by_label("С", exact=True).fill("2017-05-01")
    one.page.get_by_label("Поиск по названию").fill("wechat")
    one.page.get_by_role("button", name="Показать").click()
    text = one.page.locator("main").inner_text()
    assert "AS1136" in text
    assert "AS12389" not in text
    assert "LinkedIn" not in text
    assert one.page.get_by_label("Страна").input_value() == "NL"
    assert one.page.locator("html").get_attribute("lang") == "ru"
    one.page.get_by_role("link", name="In English").click()
    assert one.page.locator("h1").inner_text() == "Blocked services by network"
    assert one.page.get_by_label("Country").input_value() == "NL"
    assert one.complaints == []


@pytest.mark.parametrize("width", [320, 820])
@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_its_window_or_has_the_browser_complain(path: str, width: int, visit: Any) -> None:
    one = visit(path, viewport={"width": width, "height": 800})
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    assert one.page.evaluate(BEYOND) == []
    allowed = ["the server responded with a status of 404"] if path == "/service/nothing" else []
    assert [said for said in one.complaints if not any(word in said for word in allowed)] == []


def grave(page: Any, options: dict[str, Any] | None = None) -> list[tuple[str, list[str]]]:
    """What axe calls serious or critical."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options=options).response["violations"]
    return [
        (violation["id"], [node["html"][:120] for node in violation["nodes"]][:3])
        for violation in found
        if violation["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("path", PAGES)
def test_the_pages_are_accessible(path: str, language: str, visit: Any) -> None:
    # axe is a script, which the page's own policy forbids; it is let in by the browser for this test alone.
    one = visit(f"{path}{'&' if '?' in path else '?'}lang={language}", bypass_csp=True)
    assert grave(one.page) == []
    if language == "en":
        one.page.emulate_media(color_scheme="dark")
        assert grave(one.page, {"runOnly": ["color-contrast"]}) == []


def test_axe_reports_an_inaccessible_page(visit: Any) -> None:
    one = visit("/rules", bypass_csp=True)
    one.page.evaluate(
        "document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=\"/icon.svg\"><input>')"
    )
    one.page.evaluate("document.querySelector('.lead').setAttribute('style', 'color: #ccc; background: #fff')")
    assert {name for name, _ in grave(one.page)} == {"image-alt", "label", "color-contrast"}


def test_by_keyboard_the_first_stop_leads_past_the_menu(visit: Any) -> None:
    one = visit("/")
    one.page.keyboard.press("Tab")
    assert one.page.evaluate("document.activeElement.textContent") == "Skip to content"
    one.page.keyboard.press("Enter")
    one.page.keyboard.press("Tab")
    assert one.page.evaluate("document.activeElement.closest('main') !== null")
    for _ in range(12):
        one.page.keyboard.press("Tab")
    assert one.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_dark_is_dark_and_light_is_light(visit: Any) -> None:
    papers = {
        scheme: visit("/", color_scheme=scheme).page.evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    }
    assert papers == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 21, 23)"}
