"""A report as one HTML file that needs nothing else: no script, no request, every foreign text escaped."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from itertools import groupby
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from results.i18n.signs import AGREEMENT_SIGNS, OUTCOME_SIGNS
from results.i18n.translator import Translator
from results.judge.wording import sentences
from results.report import narrative, tables
from results.report.pictures import Pictures, draw
from results.report.summary import Summary


def render(summary: Summary, words: Translator) -> str:
    """The whole page; with pictures where the extra that draws them is installed."""
    pictures = draw(summary, words)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string((files("results.report") / "page.html").read_text("utf-8"))
    return page.render(
        language=words.language,
        say=words.say,
        coded=_coded,
        style=Markup((files("results.report") / "page.css").read_text("utf-8")),  # noqa: S704 a file of our own
        made=words.say("general.made", when=words.moment(summary.generated_at), version=summary.version),
        in_short=narrative.in_short(summary, words),
        rows=[{"title": row.title, "sentences": narrative.of_row(summary, row, words)} for row in summary.rows],
        with_pictures=pictures is not None,
        sections=list(_sections(summary, words, pictures or Pictures())) if summary.rows else [],
        about=narrative.about(summary, words),
    )


def _sections(summary: Summary, words: Translator, pictures: Pictures) -> Iterator[dict[str, Any]]:
    yield _section("matrix", list(map(_part, tables.matrices(summary, words))), legend=_outcomes(summary, words))
    register = tables.register(summary, words)
    if register.rows:
        yield _section("register", [_part(register, pictures.register)], legend=_agreements(summary, words))
    histories = [
        _part(
            tables.timeline(row, summary, words),
            pictures.timelines.get(row.name),
            title=row.title,
            sentences=[sentence] if (sentence := narrative.listing(summary, row, words)) else [],
        )
        for row in summary.rows
    ]
    yield _section("timeline", histories, legend=_outcomes(summary, words))
    if summary.enforcements:
        part = _part(tables.hours(summary, words), pictures.hours)
        yield _section("hours", [part], sentences=list(narrative.delays(summary, words)))
    for name, table, picture in (
        ("outages", tables.outages(summary, words), None),
        ("methods", tables.methods(summary, words), pictures.methods),
        ("times", tables.times(summary, words), pictures.times),
    ):
        if table.rows:
            yield _section(name, [_part(table, picture)])
    if summary.evidence:
        yield _section("evidence", list(_proofs(summary, words)), left_out=summary.evidence_left_out)


def _coded(text: str) -> Markup:
    """A sentence of ours, with what stands between backticks as code."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


def _section(name: str, parts: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"name": name, "parts": parts, "legend": [], "sentences": [], "left_out": 0} | more


def _part(table: tables.ReportTable | None, picture: Any = None, **more: Any) -> dict[str, Any]:
    return {"table": table, "picture": picture, "title": "", "sentences": [], "proofs": []} | more


def _outcomes(summary: Summary, words: Translator) -> list[dict[str, Any]]:
    present = {cell.outcome for row in summary.rows for cell in row.cells}
    present |= {day.outcome for row in summary.rows for history in row.histories for day in history.days.values()}
    return [
        {"sign": sign, "kind": outcome or "gap", "text": words.say(f"outcome.{outcome or 'gap'}"), "swatch": False}
        for outcome, sign in OUTCOME_SIGNS.items()
        if outcome in present
    ]


def _agreements(summary: Summary, words: Translator) -> list[dict[str, Any]]:
    present = {agreement for _, agreement in summary.agreements}
    return [
        {"sign": sign, "kind": agreement, "text": words.say(f"agreement.{agreement}"), "swatch": True}
        for agreement, sign in AGREEMENT_SIGNS.items()
        if agreement in present
    ]


def _proofs(summary: Summary, words: Translator) -> Iterator[dict[str, Any]]:
    for target, proofs in groupby(summary.evidence, key=lambda one: one.target):
        shown = [
            {
                "network": tables.network(one.place, summary, words),
                "how": words.verdict(one.method, one.trigger, one.confidence),
                "sentences": sentences(one.evidence, words),
                "when": words.moment(one.at),
                "listing": one.listing,
                "rules": one.rules,
                "id": one.measurement_id,
            }
            for one in proofs
        ]
        yield _part(None, title=tables.short_target(target), proofs=shown)
