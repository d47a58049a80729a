"""The pictures of a report: inline SVG in the colours of the page, with titles and descriptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any
from xml.etree import ElementTree

import msgspec
from markupsafe import Markup

from results.i18n.translator import Translator
from results.report.summary import Summary

SVG = "http://www.w3.org/2000/svg"
WIDE, NARROW = 940, 350
"""Pixels: on a page, and on a phone."""
EXTRA = ("altair", "vl_convert")
ELEMENTS = frozenset(
    {"svg", "g", "path", "rect", "line", "text", "tspan", "title", "desc", "defs", "clipPath", "circle"}
)
ATTRIBUTES = frozenset({
    "viewBox", "class", "transform", "d", "x", "y", "x2", "y2", "cx", "cy", "r", "width", "height", "fill", "stroke",
    "stroke-width", "stroke-dasharray", "stroke-miterlimit", "opacity", "fill-opacity", "stroke-opacity", "text-anchor",
    "font-family", "font-size", "font-weight", "font-style", "clip-path", "id", "display",
})  # fmt: skip
"""All that is let into the page: no link, script or style."""
MAX_TIMELINES = 24
Chart = Callable[..., dict[str, Any] | None]


class Picture(msgspec.Struct, frozen=True):
    """One picture for a page, and the same for a phone."""

    wide: Markup
    narrow: Markup


class Pictures(msgspec.Struct, frozen=True, kw_only=True):
    """All of them; None where there is nothing to draw."""

    register: Picture | None = None
    timelines: Mapping[str, Picture] = MappingProxyType({})
    hours: Picture | None = None
    methods: Picture | None = None
    times: Picture | None = None


def draw(summary: Summary, words: Translator) -> Pictures | None:
    """All pictures, or None where the extra that draws them is missing."""
    if not all(map(find_spec, EXTRA)):
        return None
    from results.report.charts import bars, timeline

    period = words.period(summary.first_day, summary.last_day) if summary.first_day and summary.last_day else "–"
    locale = _vega_locale(words)

    def picture(name: str, chart: Chart, *values: Any) -> Picture | None:
        placeholders = {"title": values[0].title, "period": period} if values else {}
        title, desc = (
            words.say(f"heading.{name.split('-')[0]}"),
            words.say(f"picture.{name.split('-')[0]}", **placeholders),
        )
        wide, narrow = (chart(*values, summary, words, width) for width in (WIDE, NARROW))
        if wide is None or narrow is None:
            return None
        for specification in (wide, narrow):
            specification["config"]["locale"] = locale
        try:
            return Picture(
                embedded(_svg(wide), f"{name}-wide", "wide", title, desc),
                embedded(_svg(narrow), f"{name}-narrow", "narrow", title, desc),
            )
        except ValueError:
            return None  # what cannot be drawn stands in its table

    timelines = {
        row.name: picture(f"timeline-{number}", timeline.timeline, row)
        for number, row in enumerate(summary.rows[:MAX_TIMELINES])
    }
    return Pictures(
        register=picture("register", bars.register),
        timelines={name: drawn for name, drawn in timelines.items() if drawn is not None},
        hours=picture("hours", bars.hours),
        methods=picture("methods", bars.methods),
        times=picture("times", bars.times),
    )


def _vega_locale(words: Translator) -> dict[str, Any]:
    """Names of months and the decimal separator of axes, as d3 wants them."""
    from babel import Locale

    locale = Locale.parse(words.locale)
    symbols, months, days = locale.number_symbols["latn"], locale.months["format"], locale.days["format"]
    names = {
        "months": months["wide"],
        "shortMonths": months["abbreviated"],
        "days": days["wide"],
        "shortDays": days["abbreviated"],
    }
    return {
        "number": {"decimal": symbols["decimal"], "thousands": symbols["group"], "grouping": [3], "currency": ["", ""]},
        "time": {kind: list(of_kind.values()) for kind, of_kind in names.items()}
        | {"dateTime": "", "date": "", "time": "", "periods": ["", ""]},
    }


def _svg(specification: dict[str, Any]) -> str:
    """Drawn by Vega, which may load nothing."""
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(specification, vl_version="6.4", allowed_base_urls=[])
    return drawn


def embedded(svg: str, name: str, kind: str, title: str, desc: str) -> Markup:
    """A drawn SVG as part of a page: its own ids, the page's colours, a title and a description; nothing foreign."""
    from results.report.charts import INK, LINE, PAPER, SOFT

    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(svg)  # noqa: S314 what was drawn here, not what came from outside
    colours = {INK: "currentColor", SOFT: "var(--soft)", PAPER: "var(--paper)", LINE: "var(--line)"}
    for element in root.iter():
        for child in list(element):
            if child.tag.removeprefix(f"{{{SVG}}}") not in ELEMENTS:
                element.remove(child)
        for key, value in list(element.attrib.items()):
            if key not in ATTRIBUTES:
                del element.attrib[key]
            elif key == "id":
                element.set(key, f"{name}-{value}")
            elif value.startswith("url(#"):
                element.set(key, value.replace("url(#", f"url(#{name}-"))
            else:
                element.set(key, colours.get(value, value))
    wide = float(root.get("width", WIDE))
    for key in ("width", "height"):
        root.attrib.pop(key, None)
    root.set("class", kind)
    root.set("style", f"max-width:{1.1 * wide:.0f}px")
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    for place, (tag, text) in enumerate((("title", title), ("desc", desc))):
        child = ElementTree.Element(f"{{{SVG}}}{tag}", {"id": f"{name}-{tag}"})
        child.text = text
        root.insert(place, child)
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 built and escaped above
