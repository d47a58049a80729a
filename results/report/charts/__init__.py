"""What all charts share: colours, letters, room for labels, and the specification that comes of it.

Each chart is made for a total width, and every label is cut to what there is room for before it is drawn. Every value
is in the specification; nothing is loaded, and no text of a record is ever a formula.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from unicodedata import east_asian_width

import altair as alt

INK, SOFT, PAPER, LINE = "#010203", "#040506", "#070809", "#0a0b0c"
"""Stand for the page's own colours, light or dark; `pictures` puts these in."""
OUTCOMES = {
    "reachable": "#009e73", "blocked": "#d55e00", "denied": "#f0e442", "down": "#56b4e9", "offline": "#b8b8b8",
    "inconclusive": "#cc79a7",
}  # fmt: skip
AGREEMENTS = {
    "enforced": "#d55e00", "unenforced": "#009e73", "collateral": "#cc79a7", "unlisted-block": "#e69f00",
    "open": "#56b4e9", "undecided": "#b8b8b8",
}  # fmt: skip
"""Okabe and Ito's colours (Color Universal Design, 2008), which colour-blind people tell apart."""
FONT, SIZE, LETTER = "sans-serif", 12, 6.7
"""Pixels: of a letter, on the average and with some to spare."""
DAY_S = 86400
MAX_NETWORKS = 24
GAP = 24
LAST_LETTER = 0xFFFF
"""Beyond it a letter is two of JavaScript's, which Vega parts where it cuts a label."""
PADDING = {"left": 2, "right": 14, "top": 2, "bottom": 2}


def is_narrow(width: int) -> bool:
    return width < 500


def label_width(width: int, texts: Iterable[str]) -> int:
    """For the labels on the left: as much as the longest needs, within measure."""
    most, needed = (148 if is_narrow(width) else 230), max(map(length, texts), default=0) * LETTER + 12
    return int(min(most, needed))


def length(text: str) -> int:
    """In letters; those of East Asia are as wide as two."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def shortened(text: str, pixels: float) -> str:
    """Text that fits, with an ellipsis where it was cut. What Vega cannot measure is shown as unknown letters."""
    text = "".join(letter if ord(letter) <= LAST_LETTER else "\ufffd" for letter in text)
    letters = max(4, int(pixels / LETTER))
    if length(text) <= letters:
        return text
    while length(text) >= letters:
        text = text[:-1]
    return text.rstrip() + "…"


def unique_labels(texts: Sequence[str], pixels: float) -> list[str]:
    """Each text cut to fit, and no two alike."""
    made: list[str] = []
    for text in texts:
        short, number = shortened(text, pixels), 1
        while short in made:
            number += 1
            short = shortened(text, pixels - 4 * LETTER) + f" ({number})"
        made.append(short)
    return made


def values(rows: Iterable[dict[str, Any]]) -> alt.InlineData:
    """Data that stand in the specification."""
    return alt.InlineData(values=list(rows))


def y_axis(names: Sequence[str], left: int) -> alt.Y:
    """A row for each name, labelled on the left."""
    axis = alt.Axis(title=None, minExtent=left, maxExtent=left, labelLimit=left, ticks=False, domain=False,
                    labelPadding=6)  # fmt: skip
    return alt.Y("place:N", sort=None, scale=alt.Scale(domain=list(names), paddingInner=0.18), axis=axis)


def specification(chart: Any, width: int, height: int | None = None) -> dict[str, Any]:
    """The specification, in our colours and letters."""
    properties: dict[str, Any] = {"width": width} if height is not None else {}
    if height is not None:
        properties |= {"height": height, "autosize": alt.AutoSizeParams(type="fit", contains="padding")}
    made = (
        chart.properties(padding=PADDING, background="transparent", **properties)
        .configure(font=FONT)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=INK, titleColor=SOFT, gridColor=LINE, domainColor=LINE, tickColor=LINE, labelFontSize=SIZE,
            titleFontSize=SIZE, titleFontWeight="normal", labelFont=FONT, titleFont=FONT,
        )
        .configure_header(
            labelColor=INK, labelFontSize=SIZE + 1, labelFontWeight="bold", title=None, labelAnchor="start"
        )
        .configure_text(font=FONT, fontSize=SIZE)
    )  # fmt: skip
    return dict(made.to_dict(validate=False))


def columns(panels: int, width: int) -> int:
    """How many panels stand side by side."""
    if is_narrow(width):
        return 1
    return panels if panels <= 4 else 3


def inner(width: int, left: int, columns: int) -> int:
    """How wide each of them is."""
    return (width - left - 20 - GAP * (columns - 1)) // columns


def panels(layers: Any, rows: list[dict[str, Any]], names: Sequence[str], columns: int, inner: int, height: int) -> Any:
    """A panel for each name, in their order."""
    facet = alt.Facet("panel:N", sort=list(names), header=alt.Header(title=None, labelLimit=inner + 200))
    return layers.properties(width=inner, height=height, data=values(rows)).facet(
        facet=facet, columns=columns, spacing={"column": GAP, "row": 14}
    )  # fmt: skip
