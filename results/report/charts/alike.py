"""Which networks block alike: like beside like, a number in each field, and its colour."""

from __future__ import annotations

from typing import Any

import altair as alt

from results.report import tables
from results.report.charts.base import INK, LINE, PAPER, finished, labelled, room, rows_of, values
from results.report.phrases import Words
from results.report.summary import Summary

MOST_ALIKE = 24
SHADES = ("#00204d", "#31446b", "#666970", "#958f78", "#cab969", "#ffea46")
"""Cividis (J. R. Nuñez, C. R. Anderton and R. S. Renslow, PLOS ONE 13, 2018): the same to colour-blind people."""


def alike(summary: Summary, words: Words, width: int) -> dict[str, Any] | None:
    """The specification, None where there is nothing to draw."""
    found = summary.alike
    if found is None or len(found.order) < 2:
        return None
    order = found.order[:MOST_ALIKE]
    full = [f"{n} {tables.network(label, summary, words)}" for n, label in enumerate(order, 1)]
    left = room(width, full)
    names = labelled(full, left)
    rows: list[dict[str, Any]] = []
    for number, (label, name) in enumerate(zip(order, names, strict=True), 1):
        for other, beside in enumerate(order, 1):
            pair = found.pair(label, beside)
            kappa = None if pair is None else pair.kappa
            rows.append({"place": name, "other": str(other), "kappa": kappa, "color": _shade(kappa, number == other),
                         "text": "·" if number == other else "–" if kappa is None else words.hundredths(kappa),
                         "ink": "#000000" if kappa is not None and kappa > 0.45 else INK if kappa is None
                         else "#ffffff"})  # fmt: skip
    side = min(56, (width - left - 20) // len(order))
    others = [str(number) for number in range(1, len(order) + 1)]
    x = alt.X("other:N", sort=None, scale=alt.Scale(domain=others),
              axis=alt.Axis(title=None, labelAngle=0, ticks=False, domain=False, orient="top"))  # fmt: skip
    base = alt.Chart(values(rows)).encode(x=x, y=rows_of(names, left, apart=0))
    fields = base.mark_rect(stroke=PAPER, strokeWidth=1.5).encode(color=alt.Color("color:N", scale=None))
    layers = fields
    if side >= 24:
        layers = fields + base.mark_text(fontWeight="bold").encode(text="text:N", color=alt.Color("ink:N", scale=None))
    return finished(layers, left + side * len(order) + 20, 34 + min(side, 44) * len(order))


def _shade(kappa: float | None, is_self: bool) -> str:
    if kappa is None or is_self:
        return LINE
    return SHADES[min(len(SHADES) - 1, int(max(0.0, kappa) * len(SHADES)))]
