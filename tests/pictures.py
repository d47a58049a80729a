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
ALTERNATIVE = (
    "WeChat, 1 to 21 May 2017, one row per network. The register lists it on 5 May. Rostelecom and Corbina block it "
    "from 6 May, Sovam from 9 May, MGTS never; through a VPN it stays reachable."
)


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


def pictures(drawn: str) -> dict[str, str]:
    """File name and content of each."""
    return {f"{SERVICE}-{theme}.svg": standalone(drawn, colours) for theme, colours in themes().items()}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        drawn = draw(summary_of(*make(Path(folder))), Translator("en"))
    if drawn is None:
        print("pip install '.[report]' first", file=sys.stderr)
        return 2
    FOLDER.mkdir(exist_ok=True)
    for name, content in pictures(str(drawn.timelines[SERVICE].wide)).items():
        (FOLDER / name).write_text(content, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
