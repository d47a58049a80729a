"""Bars by network: register against reality, methods, hours from listing to block, durations of steps."""

from __future__ import annotations

from typing import Any

import altair as alt

from probe.steps import specs
from results.compare.record import DIRECT
from results.i18n.signs import AGREEMENT_SIGNS, OUTCOME_SIGNS
from results.i18n.translator import Translator
from results.report import narrative, tables
from results.report.charts import (
    AGREEMENTS,
    INK,
    LETTER,
    MAX_NETWORKS,
    OUTCOMES,
    PAPER,
    SIZE,
    SOFT,
    columns,
    inner,
    label_width,
    panels,
    specification,
    unique_labels,
    values,
    y_axis,
)  # fmt: skip
from results.report.summary import Summary


def register(summary: Summary, words: Translator, width: int) -> dict[str, Any] | None:
    """The specification, None where there is nothing to draw."""
    places = tables.decided(summary)[:MAX_NETWORKS]
    full = [place.title(words) for place in places]
    left = label_width(width, full)
    names = dict(zip((place.label for place in places), unique_labels(full, left), strict=True))
    counts = summary.agreements
    rows: list[dict[str, Any]] = []
    longest = 0
    for label, name in names.items():
        at = 0
        for agreement, sign in AGREEMENT_SIGNS.items():
            if count := counts.get((label, agreement), 0):
                rows.append({"place": name, "from": at, "to": at + count, "middle": at + count / 2, "count": count,
                             "color": AGREEMENTS[agreement], "text": f"{sign} {count}"})  # fmt: skip
                at += count
        longest = max(longest, at)
    if not rows:
        return None
    least = 26 * longest / max(1, width - left)
    axis = alt.Axis(title=words.say("picture.targets"), tickMinStep=1, format="d", tickCount=5)
    base = alt.Chart(values(rows)).encode(y=y_axis(list(names.values()), left))
    bars = base.mark_rect(stroke=PAPER, strokeWidth=1.5).encode(
        x=alt.X("from:Q", axis=axis, scale=alt.Scale(domain=[0, longest], nice=False)),
        x2="to:Q",
        color=alt.Color("color:N", scale=None),
    )
    signs = base.transform_filter(f"datum.count >= {least}").mark_text(color="#000000", fontWeight="bold")
    return specification(bars + signs.encode(x="middle:Q", text="text:N"), width, 44 + 34 * len(names))


MAX_METHODS = 12
COLOURS = ("#e69f00", "#56b4e9", "#d55e00", "#cc79a7", "#009e73", "#0072b2", "#f0e442")
"""Okabe and Ito's, which colour-blind readers tell apart."""
OTHER_COLOUR = "#b8b8b8"
STEP_COLOURS = dict(zip((spec.name for spec in specs().values() if spec.methods), COLOURS, strict=False))


def methods(summary: Summary, words: Translator, width: int) -> dict[str, Any] | None:
    """The specification, None where there is nothing to draw."""
    direct = [place for place in summary.places if place.path == DIRECT][:MAX_NETWORKS]
    there = sorted({method for _, method in summary.methods})[:MAX_METHODS]
    if not there or not direct:
        return None
    full = [words.say(f"method.{method}") for method in there]
    left, across = label_width(width, full), columns(len(direct), width)
    wide = inner(width, left, across)
    heads = unique_labels(full, left)
    names = dict(
        zip((place.label for place in direct), unique_labels([p.title(words) for p in direct], wide), strict=True)
    )
    counts = summary.methods
    rows: list[dict[str, Any]] = [
        {"panel": name, "order": number, "place": head, "count": counts.get((label, method), 0),
         "text": str(counts.get((label, method), 0)), "color": STEP_COLOURS.get(method.split(".")[0], OTHER_COLOUR)}
        for number, (label, name) in enumerate(names.items())
        for method, head in zip(there, heads, strict=True)
    ]  # fmt: skip
    longest = max(row["count"] for row in rows)
    scale = alt.Scale(domain=[0, longest * 1.25], nice=False)
    base = alt.Chart().encode(y=y_axis(heads, left))
    x = alt.X("count:Q", scale=scale, axis=None)
    bars = base.mark_bar().encode(x=x, color=alt.Color("color:N", scale=None))
    counted = base.mark_text(align="left", dx=5, color=INK).encode(x=x, text="text:N")
    return specification(panels(bars + counted, rows, list(names.values()), across, wide, 26 * len(there)), width)


MAX_HOURS_BARS = 24


def hours(summary: Summary, words: Translator, width: int) -> dict[str, Any] | None:
    """The specification, None where there is nothing to draw."""
    known = [
        one for one in summary.enforcements
        if (one.first_blocked is None and one.hours[0]) or (one.last_open and one.hours[1] is not None)
    ][:MAX_HOURS_BARS]  # fmt: skip
    if not known:
        return None
    inner = width - 8
    unit = 24 if max(one.hours[1] or one.hours[0] or 0 for one in known) > 96 else 1
    rows: list[dict[str, Any]] = []
    for one in sorted(known, key=lambda one: (one.target, one.network or "")):
        low, high = one.hours
        is_open = one.first_blocked is None
        start, end = (0.0, low or 0.0) if is_open else (low or 0.0, high or 0.0)
        name = f"{tables.short_target(one.target)} · {tables.network(one.network, summary, words)}"
        outcome = "reachable" if is_open else "blocked"
        rows.append({"place": name, "from": start / unit, "to": end / unit, "color": OUTCOMES[outcome],
                     "text": f"{OUTCOME_SIGNS[outcome]} {narrative.hours(one, words)}"})  # fmt: skip
    names = unique_labels([row["place"] for row in rows], inner)
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
    labels = base.mark_text(align="left", baseline="middle", dx=6, dy=9, color=INK)
    layers = span + name.encode(x=alt.value(0), text="place:N") + labels.encode(x="to:Q", text="text:N")
    return specification(layers, width, 46 + 40 * len(rows))


MARGIN = 3.0
"""How many times smaller and larger than any value the axis goes."""


def times(summary: Summary, words: Translator, width: int) -> dict[str, Any] | None:
    """The specification, None where there is nothing to draw."""
    steps = [step for step in tables.STEPS if any(one.step == step for one in summary.times)]
    places = [place for place in summary.places if any(one.place == place.label for one in summary.times)][
        :MAX_NETWORKS
    ]
    if not steps or not places:
        return None
    full = [place.title(words) for place in places]
    left, across = label_width(width, full), columns(len(steps), width)
    names = dict(zip((place.label for place in places), unique_labels(full, left), strict=True))
    rows: list[dict[str, Any]] = [
        {"panel": one.step.upper(), "place": names[one.place], "low": one.low * 1000, "middle": one.middle * 1000,
         "high": one.high * 1000, "text": words.number(one.middle * 1000)}
        for step in steps for one in summary.times if one.step == step and one.place in names
    ]  # fmt: skip
    low, high = min(row["low"] for row in rows) / MARGIN, max(row["high"] for row in rows) * MARGIN
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    axis = alt.Axis(title=words.say("picture.milliseconds"), values=_decades(low, high), format="~g")
    chart = alt.Chart().encode(y=y_axis(list(names.values()), left))
    x = alt.X("low:Q", scale=scale, axis=axis)
    span = chart.mark_rule(color=SOFT, strokeWidth=4, opacity=0.55).encode(x=x, x2="high:Q")
    middle = chart.mark_point(filled=True, size=80, color="#0072b2", opacity=1, stroke=INK, strokeWidth=0.5)
    labels = chart.mark_text(dy=-11, fontSize=SIZE - 1, color=INK)
    layers = span + middle.encode(x="middle:Q") + labels.encode(x="middle:Q", text="text:N")
    heads, wide = [step.upper() for step in steps], inner(width, left, across)
    return specification(panels(layers, rows, heads, across, wide, 34 * len(places)), width)


def _decades(low: float, high: float) -> list[float]:
    """1, 3, 10, 30 and so on, as far as they lie between; of a wide span the powers of ten alone."""
    digits = (1, 3) if high < 1000 * low else (1,)
    every = [digit * 10.0**power for power in range(-6, 9) for digit in digits]
    return [value for value in every if low <= value <= high]
