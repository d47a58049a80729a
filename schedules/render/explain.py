"""Explains one measurement: its steps, its controls, its register entry, and the rules that decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probe.model import Measurement
from probe.text import safe
from results.db.json_codec import row
from results.judge.classify import nearly
from results.judge.judged import JudgedMeasurement
from results.judge.rules import rules
from results.judge.step_text import ROLES, request_text, result_text
from schedules.render.text import SIGNS, STYLES, listing, method_text, seconds

if TYPE_CHECKING:
    from rich.console import Console

    from results.fingerprints.library import Library

ROLE_LEGEND = """\
again: the same once more. trusted: by or at what a trusted resolver says. innocent: the same address under an
innocent name. elsewhere: the name at an address set aside for it. both: the innocent name there. page: another
page of the name. system: this
machine's resolver. offered: QUIC, where the answer offers it.
"""
MAX_NEAR_RULES = 5


def print_explanation(finished: JudgedMeasurement, console: Console, library: Library | None = None) -> None:
    """Print one measurement with its reasons; `library` holds the fingerprints, None: our own."""
    measurement, verdict = finished.measurement, finished.verdict
    how = [method_text(verdict.method)] if verdict.method else []
    how += [f"by {verdict.trigger}"] if verdict.trigger else []
    how += [verdict.confidence] if verdict.confidence else []
    sign = f"{SIGNS[verdict.outcome]} {verdict.outcome}"
    console.print(f"{sign}: {', '.join(how)}" if how else sign, style=STYLES[verdict.outcome])
    console.print(f"  {safe(measurement.target.text)}")
    console.print(f"  {where(measurement)}, network {finished.context.network}")
    if measurement.repeats is not None:
        console.print(f"  measured alone at the end of the round, since {safe(measurement.repeats)} had found it odd")
    for sentence in verdict.evidence:
        console.print(f"  {safe(sentence)}")
    _register(finished, console)
    _steps("What was done", measurement, console)
    if any(observation.role != "main" for observation in measurement.observations):
        console.print(ROLE_LEGEND.replace("\n", " ").strip(), style="dim")
    for control in finished.controls:
        _steps(f"The control, {_of(control)}", control, console)
    _rules(finished, console, library)


def where(measurement: Measurement) -> str:
    """The time, vantage and path of a measurement, and how long it took."""
    vantage = measurement.vantage
    place = [safe(vantage.name), vantage.country, f"AS{vantage.asn}" if vantage.asn else None, safe(vantage.path)]
    return (
        f"{safe(measurement.started_at)} from {', '.join(filter(None, place))}; took {seconds(measurement.runtime_s)}"
    )


def _of(control: Measurement) -> str:
    """The path or vantage of a control, its country and network, and its time."""
    vantage = control.vantage
    name = f"by {safe(vantage.path)}" if vantage.path != "direct" else f"at {safe(vantage.name)}"
    network = f"AS{vantage.asn}" if vantage.asn else vantage.network_name and safe(vantage.network_name)
    place = ", ".join(filter(None, (vantage.country, network))) or "country not known"
    return f"{name} ({place}), {safe(control.started_at)}"


def _register(finished: JudgedMeasurement, console: Console) -> None:
    expectation = finished.expectation
    said = listing(row(finished))
    if expectation is not None and expectation.listed is not None:
        said = f"{safe(expectation.register or '')}: {safe(expectation.reason) or said}"
    console.print(f"\nThe register: {said}; so it is {finished.agreement}")


def _steps(title: str, measurement: Measurement, console: Console) -> None:
    from rich.table import Table

    console.print(f"\n{title}: seconds from the start, how long, what, what came back", style="bold")
    if not measurement.observations:
        console.print("  nothing: it was not measured")
        return
    grid = Table.grid(padding=(0, 1, 0, 0))
    for _ in range(4):
        grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", ratio=3)
    grid.add_column(overflow="fold", ratio=2)
    for observation in measurement.observations:
        grid.add_row(
            f"  {observation.offset_s:.3f}",
            f"+{observation.duration_s:.3f}",
            observation.step,
            ROLES.get(observation.role, observation.role),
            request_text(observation),
            result_text(observation),
            style="red" if observation.failure else None,
        )
    console.print(grid)


def _rules(finished: JudgedMeasurement, console: Console, library: Library | None) -> None:
    known = {rule.id: rule for rule in rules()}
    console.print(f"\nThe rules (version {finished.verdict.rules_version})", style="bold")
    for name in finished.verdict.rules:
        says = known[name].says if name in known else "a rule of another version"
        console.print(f"  {name} made the verdict: {safe(says)}")
    close = nearly(finished.measurement, finished.controls, finished.context, library)
    near_misses = [
        (rule, lacked) for rule, lacked in close if len(rule.needs) > 1 and rule.id not in finished.verdict.rules
    ]
    for rule, lacked in near_misses[:MAX_NEAR_RULES]:
        console.print(f"  {rule.id} would have said {rule.outcome}; it lacked {lacked}", style="dim")
