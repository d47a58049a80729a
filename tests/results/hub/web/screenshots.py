"""Opens pages in a headless Chromium, wherever this process stands: `screenshots.py FOLDER URL...`.

Prints of each page, as a line of JSON, its address, visible text, the addresses that it asked for and what the browser
complained of; writes a picture of each to FOLDER, by its number. Runs in a network namespace as well as here.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic")


def browser() -> str | None:
    """The system's own."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def why_not() -> str | None:
    """Why no page can be looked at here."""
    if browser() is None:
        return "no Chromium here: apt-get install chromium"
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "playwright is not installed: pip install 'reachprobe[dev]'"
    return None


def main(folder: str, *urls: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=browser(), args=list(FLAGS))
        context = opened.new_context(ignore_https_errors=True, viewport={"width": 1200, "height": 900})
        for number, url in enumerate(urls):
            page = context.new_page()
            asked: list[str] = []
            complaints: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("console", lambda said, complaints=complaints: complaints.append(said.text))
            page.goto(url)
            page.screenshot(path=str(Path(folder) / f"{number}.png"), full_page=True)
            rows = page.locator("table.matrix tbody tr").all_inner_texts()
            told = {"url": page.url, "text": page.locator("body").inner_text(), "rows": rows}
            print(json.dumps({**told, "asked": asked, "complaints": complaints}), flush=True)
            page.close()
        opened.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
