"""Explains one measurement: its steps, control measurements, register entry and the rules that decided."""

from __future__ import annotations

from gettext import gettext as _
from typing import TYPE_CHECKING

from probe.model import Measurement
from probe.text import safe
from results.db.json_codec import row
from results.fingerprints.library import Library
from results.i18n.language import ENGLISH, active
from results.judge.classify import evidence_of, nearly
from results.judge.judged import JudgedMeasurement
from results.judge.rules import rules
from results.judge.wording import request_text, result_text, sentences
from schedules.render.text import (
    SIGNS,
    STYLES,
    agreement_text,
    listing,
    method_text,
    outcome_text,
    seconds,
    words,
)

if TYPE_CHECKING:
    from rich.console import Console


MAX_NEAR_RULES = 5
ROLE_WIDTH = 16


def print_explanation(finished: JudgedMeasurement, console: Console, library: Library | None = None) -> None:
    """Print one measurement with its steps, control measurements, register entry and the rules that decided."""
    measurement, verdict = finished.measurement, finished.verdict
    how = [method_text(verdict.method)] if verdict.method else []
    how += [words().term("trigger", verdict.trigger)] if verdict.trigger else []
    how += [words().term("confidence", verdict.confidence)] if verdict.confidence else []
    sign = f"{SIGNS[verdict.outcome]} {outcome_text(verdict.outcome)}"
    console.print(f"{sign}: {', '.join(how)}" if how else sign, style=STYLES[verdict.outcome])
    console.print(f"  {safe(measurement.target.text)}")
    network = _("network {state}").format(state=words().term("network", finished.context.network))
    console.print(f"  {where(measurement)}, {network}")
    if finished.context.untrusted:
        sentence = _("intercepted in this round, so not trusted: {resolvers}")
        console.print(f"  {safe(sentence.format(resolvers=', '.join(finished.context.untrusted)))}")
    if measurement.repeats is not None:
        sentence = _("re-test of {id}, which looked abnormal").format(id=safe(measurement.repeats))
        console.print(f"  {sentence}")
    for sentence in sentences(evidence_of(finished, library), words()):
        console.print(f"  {safe(sentence)}")
    _register(finished, console)
    _steps(_("Steps"), measurement, console)
    for control in finished.controls:
        _steps(_("Control measurement {source}").format(source=_of(control)), control, console)
    _rules(finished, console)


def where(measurement: Measurement) -> str:
    """The time, vantage and path of a measurement, and how long it took."""
    vantage = measurement.vantage
    place = [safe(vantage.name), vantage.country, f"AS{vantage.asn}" if vantage.asn else None, safe(vantage.path)]
    return _("{when} from {place}; took {duration}").format(
        when=words().when(measurement.started_at),
        place=", ".join(filter(None, place)),
        duration=seconds(measurement.runtime_s),
    )


def _of(control: Measurement) -> str:
    """The path or vantage point of a control measurement, its country and network, and its time."""
    vantage = control.vantage
    name = _("at {name}").format(name=safe(vantage.name))
    if vantage.path != "direct":
        name = _("via {path}").format(path=safe(vantage.path))
    network = f"AS{vantage.asn}" if vantage.asn else vantage.network_name and safe(vantage.network_name)
    place = ", ".join(filter(None, (vantage.country, network))) or _("country unknown")
    return f"{name} ({place}), {words().when(control.started_at)}"


def _register(finished: JudgedMeasurement, console: Console) -> None:
    expectation = finished.expectation
    said = listing(row(finished))
    if expectation is not None and expectation.listed is not None:
        reason = safe(expectation.reason) if active() == ENGLISH else ""  # stored in English
        said = f"{safe(expectation.register or '')}: {reason or said}"
    sentence = _("Register: {entry}; so {agreement}")
    console.print("\n" + sentence.format(entry=said, agreement=agreement_text(finished.agreement)))


def _steps(title: str, measurement: Measurement, console: Console) -> None:
    from rich.table import Table

    console.print(f"\n{title}", style="bold")
    if not measurement.observations:
        console.print("  " + _("not measured"))
        return
    grid = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    grid.add_column("  " + _("start (s)"), no_wrap=True)
    grid.add_column(_("duration (s)"), no_wrap=True)
    grid.add_column(_("step"), no_wrap=True)
    varies = any(observation.role != "main" for observation in measurement.observations)
    point = words().say("evidence.decimal_point")
    grid.add_column(_("variant") if varies else "", max_width=ROLE_WIDTH)
    grid.add_column(_("request"), overflow="fold", ratio=3)
    grid.add_column(_("result"), overflow="fold", ratio=2)
    for observation in measurement.observations:
        grid.add_row(
            f"  {observation.offset_s:.3f}".replace(".", point),
            f"+{observation.duration_s:.3f}".replace(".", point),
            observation.step,
            words().term("role", observation.role) if observation.role != "main" else "",
            request_text(observation, words()),
            result_text(observation, words()),
            style="red" if observation.failure else None,
        )
    console.print(grid)


def _rules(finished: JudgedMeasurement, console: Console) -> None:
    known = {rule.id: rule for rule in rules()}
    title = _("Rules (version {version})").format(version=finished.verdict.rules_version)
    console.print(f"\n{title}", style="bold")
    for name in finished.verdict.rules:
        says = words().translated(f"rule.{name}", known[name].says) if name in known else words().say("m.rule_unknown")
        console.print("  " + _("{rule} decided: {explanation}").format(rule=name, explanation=safe(says)))


def print_near_rules(finished: JudgedMeasurement, console: Console, library: Library | None = None) -> None:
    """Print the rules that lack one signal to apply; `library` holds the fingerprints, None: the built-in ones."""
    close = nearly(finished.measurement, finished.controls, finished.context, library)
    near_misses = [
        (rule, lacked) for rule, lacked in close if len(rule.needs) > 1 and rule.id not in finished.verdict.rules
    ]
    for rule, lacked in near_misses[:MAX_NEAR_RULES]:
        sentence = _("{rule} ({outcome}) did not apply: no signal {signal}")
        said = sentence.format(rule=rule.id, outcome=outcome_text(rule.outcome), signal=lacked)
        console.print(f"  {said}", style="dim")
