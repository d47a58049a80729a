"""How it is blocked: small bars, a panel for each network, the same methods in each."""

from __future__ import annotations

from typing import Any

import altair as alt

from probe.steps import specs
from results.compare.record import DIRECT
from results.i18n.translator import Translator
from results.report.charts.base import INK, MOST_PLACES, columns, finished, inner, labelled, panels, room, rows_of
from results.report.summary import Summary

MOST_METHODS = 12
COLOURS = ("#e69f00", "#56b4e9", "#d55e00", "#cc79a7", "#009e73", "#0072b2", "#f0e442")
"""Okabe and Ito's, which colour-blind readers tell apart."""
OTHER_COLOUR = "#b8b8b8"
STEP_COLOURS = dict(zip((spec.name for spec in specs().values() if spec.methods), COLOURS, strict=False))


def methods(summary: Summary, words: Translator, width: int) -> dict[str, Any] | None:
    """The specification, None where there is nothing to draw."""
    direct = [place for place in summary.places if place.path == DIRECT][:MOST_PLACES]
    there = sorted({one.method for one in summary.methods})[:MOST_METHODS]
    if not there or not direct:
        return None
    full = [words.say(f"method.{method}") for method in there]
    left, across = room(width, full), columns(len(direct), width)
    wide = inner(width, left, across)
    heads = labelled(full, left)
    names = dict(zip((place.label for place in direct), labelled([p.title(words) for p in direct], wide), strict=True))
    counts = {(one.place, one.method): one.targets for one in summary.methods}
    rows: list[dict[str, Any]] = [
        {"panel": name, "order": number, "place": head, "count": counts.get((label, method), 0),
         "text": str(counts.get((label, method), 0)), "color": STEP_COLOURS.get(method.split(".")[0], OTHER_COLOUR)}
        for number, (label, name) in enumerate(names.items())
        for method, head in zip(there, heads, strict=True)
    ]  # fmt: skip
    longest = max(row["count"] for row in rows)
    scale = alt.Scale(domain=[0, longest * 1.25], nice=False)
    base = alt.Chart().encode(y=rows_of(heads, left))
    x = alt.X("count:Q", scale=scale, axis=None)
    bars = base.mark_bar().encode(x=x, color=alt.Color("color:N", scale=None))
    counted = base.mark_text(align="left", dx=5, color=INK).encode(x=x, text="text:N")
    return finished(panels(bars + counted, rows, list(names.values()), across, wide, 26 * len(there)), width)
