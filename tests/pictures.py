"""The README's pictures, drawn by the report: `python -m tests.pictures` writes them to docs/images."""

from __future__ import annotations

import re
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from results.i18n.translator import Translator
from results.report.pictures import draw
from tests.results.report.reports import summary_of
from tests.three_weeks import make

FOLDER = Path(__file__).parents[1] / "docs" / "images"
SERVICE = "wechat"
ALTERNATIVE = {
    "en": "WeChat, 1 to 21 May 2017, one row per network. The register lists it on 5 May. Rostelecom and Corbina block "
    "it from 6 May, Sovam from 9 May, MGTS never; through a VPN it stays reachable.",
    "ru": "WeChat с 1 по 21 мая 2017 года, по строке на сеть. В реестре с 5 мая. Ростелеком и Корбина блокируют "
    "с 6 мая, Совам с 9 мая, МГТС не блокирует; через VPN сервис доступен всё время.",
}
"""What the picture shows, by language."""


def themes() -> dict[str, dict[str, str]]:
    """The page's colours by name, in light and in dark."""
    style = (files("results.report") / "page.css").read_text("utf-8")
    light, dark = (
        dict(re.findall(r"--(\w+): (#\w+)", block)) for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    )
    return {"light": light, "dark": light | dark}


def standalone(picture: str, colours: dict[str, str]) -> str:
    """A picture of a page as a file of its own, in fixed colours."""
    picture = picture.replace("currentColor", colours["ink"])
    picture = re.sub(r"var\(--(\w+)\)", lambda found: colours[found[1]], picture)
    return re.sub(r'style="[^"]*"', f'style="background:{colours["paper"]}"', picture, count=1) + "\n"


def file_name(language: str, theme: str) -> str:
    """`wechat-light.svg`, `wechat-ru-light.svg`."""
    return "-".join((SERVICE, *([] if language == "en" else [language]), theme)) + ".svg"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        summary = summary_of(*make(Path(folder)))
    FOLDER.mkdir(exist_ok=True)
    for language in ALTERNATIVE:
        drawn = draw(summary, Translator(language))
        if drawn is None:
            print("pip install '.[report]' first", file=sys.stderr)
            return 2
        for theme, colours in themes().items():
            picture = standalone(str(drawn.timelines[SERVICE].wide), colours)
            (FOLDER / file_name(language, theme)).write_text(picture, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
