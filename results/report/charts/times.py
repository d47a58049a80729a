"""How long each step takes: a panel for each, the middle, and the span without the fastest and slowest tenth."""

from __future__ import annotations

from typing import Any

import altair as alt

from results.i18n.translator import Translator
from results.report import tables
from results.report.charts import base
from results.report.charts.base import INK, MOST_PLACES, SIZE, SOFT
from results.report.summary import Summary

MARGIN = 3.0
"""How many times smaller and larger than any value the axis goes."""


def times(summary: Summary, words: Translator, width: int) -> dict[str, Any] | None:
    """The specification, None where there is nothing to draw."""
    steps = [step for step in tables.STEPS if any(one.step == step for one in summary.times)]
    places = [place for place in summary.places if any(one.place == place.label for one in summary.times)][:MOST_PLACES]
    if not steps or not places:
        return None
    full = [place.title(words) for place in places]
    left, across = base.room(width, full), base.columns(len(steps), width)
    names = dict(zip((place.label for place in places), base.labelled(full, left), strict=True))
    rows: list[dict[str, Any]] = [
        {"panel": one.step.upper(), "place": names[one.place], "low": one.low * 1000, "middle": one.middle * 1000,
         "high": one.high * 1000, "text": words.number(one.middle * 1000)}
        for step in steps for one in summary.times if one.step == step and one.place in names
    ]  # fmt: skip
    low, high = min(row["low"] for row in rows) / MARGIN, max(row["high"] for row in rows) * MARGIN
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    axis = alt.Axis(title=words.say("picture.milliseconds"), values=_decades(low, high), format="~g")
    chart = alt.Chart().encode(y=base.rows_of(list(names.values()), left))
    x = alt.X("low:Q", scale=scale, axis=axis)
    span = chart.mark_rule(color=SOFT, strokeWidth=4, opacity=0.55).encode(x=x, x2="high:Q")
    middle = chart.mark_point(filled=True, size=80, color="#0072b2", opacity=1, stroke=INK, strokeWidth=0.5)
    said = chart.mark_text(dy=-11, fontSize=SIZE - 1, color=INK)
    layers = span + middle.encode(x="middle:Q") + said.encode(x="middle:Q", text="text:N")
    heads, wide = [step.upper() for step in steps], base.inner(width, left, across)
    return base.finished(base.panels(layers, rows, heads, across, wide, 34 * len(places)), width)


def _decades(low: float, high: float) -> list[float]:
    """1, 3, 10, 30 and so on, as far as they lie between; of a wide span the powers of ten alone."""
    digits = (1, 3) if high < 1000 * low else (1,)
    every = [digit * 10.0**power for power in range(-6, 9) for digit in digits]
    return [value for value in every if low <= value <= high]
