"""Register against reality: bars of targets by agreement, a bar for each network."""

from __future__ import annotations

from typing import Any

import altair as alt

from results.i18n.signs import AGREEMENT_SIGNS
from results.i18n.translator import Translator
from results.report import tables
from results.report.charts.base import AGREEMENTS, MOST_PLACES, PAPER, finished, labelled, room, rows_of, values
from results.report.summary import Summary


def register(summary: Summary, words: Translator, width: int) -> dict[str, Any] | None:
    """The specification, None where there is nothing to draw."""
    places = tables.decided(summary)[:MOST_PLACES]
    full = [place.title(words) for place in places]
    left = room(width, full)
    names = dict(zip((place.label for place in places), labelled(full, left), strict=True))
    counts = {(one.place, one.agreement): one.targets for one in summary.tallies}
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
    base = alt.Chart(values(rows)).encode(y=rows_of(list(names.values()), left))
    bars = base.mark_rect(stroke=PAPER, strokeWidth=1.5).encode(
        x=alt.X("from:Q", axis=axis, scale=alt.Scale(domain=[0, longest], nice=False)),
        x2="to:Q",
        color=alt.Color("color:N", scale=None),
    )
    signs = base.transform_filter(f"datum.count >= {least}").mark_text(color="#000000", fontWeight="bold")
    return finished(bars + signs.encode(x="middle:Q", text="text:N"), width, 44 + 34 * len(names))
