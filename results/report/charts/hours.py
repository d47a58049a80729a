"""From listing to blocking: the span from at least to at most, or how long a target has been open so far."""

from __future__ import annotations

from typing import Any

import altair as alt

from results.i18n.signs import OUTCOME_SIGNS
from results.i18n.translator import Translator
from results.report import narrative, tables
from results.report.charts.base import INK, LETTER, OUTCOMES, finished, labelled, values
from results.report.summary import Summary

MOST_HOURS = 24


def hours(summary: Summary, words: Translator, width: int) -> dict[str, Any] | None:
    """The specification, None where there is nothing to draw."""
    known = [
        one for one in summary.enforcements
        if (one.first_blocked is None and one.hours[0]) or (one.last_open and one.hours[1] is not None)
    ][:MOST_HOURS]  # fmt: skip
    if not known:
        return None
    inner = width - 8
    unit = 24 if max(one.hours[1] or one.hours[0] or 0 for one in known) > 96 else 1
    rows: list[dict[str, Any]] = []
    for one in sorted(known, key=lambda one: (one.target, one.network or "")):
        low, high = one.hours
        is_open = one.first_blocked is None
        start, end = (0.0, low or 0.0) if is_open else (low or 0.0, high or 0.0)
        name = f"{tables.what(one.target)} · {tables.network(one.network, summary, words)}"
        outcome = "reachable" if is_open else "blocked"
        rows.append({"place": name, "from": start / unit, "to": end / unit, "color": OUTCOMES[outcome],
                     "text": f"{OUTCOME_SIGNS[outcome]} {narrative.hours(one, words)}"})  # fmt: skip
    names = labelled([row["place"] for row in rows], inner)
    for row, name in zip(rows, names, strict=True):
        row["place"] = name
    longest, least = max(row["to"] for row in rows), min(0.0, *(row["from"] for row in rows), 0.0)
    letters = max(len(row["text"]) for row in rows) * LETTER + 16
    domain = [least, longest + (longest - least) * letters / max(60.0, inner - letters)]
    title = words.say("picture.hours_axis" if unit == 1 else "picture.days_axis")
    scale = alt.Scale(domain=domain, nice=False)
    y = alt.Y("place:N", sort=None, scale=alt.Scale(domain=names), axis=None)
    base = alt.Chart(values(rows)).encode(y=y)
    span = base.mark_bar(height=12, yOffset=9, minBandSize=2, stroke=INK, strokeWidth=0.5).encode(
        x=alt.X("from:Q", scale=scale, axis=alt.Axis(title=title, tickCount=6)),
        x2="to:Q",
        color=alt.Color("color:N", scale=None),
    )
    name = base.mark_text(align="left", baseline="middle", dy=-8, fontWeight="bold", color=INK)
    said = base.mark_text(align="left", baseline="middle", dx=6, dy=9, color=INK)
    layers = span + name.encode(x=alt.value(0), text="place:N") + said.encode(x="to:Q", text="text:N")
    return finished(layers, width, 46 + 40 * len(rows))
