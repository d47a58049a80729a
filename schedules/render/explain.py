"""Explains one measurement: its steps, control measurements, register entry and the rules that decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probe.model import Measurement
from probe.text import safe
from results.db.json_codec import row
from results.judge.classify import nearly
from results.judge.judged import JudgedMeasurement
from results.judge.rules import rules
from results.judge.step_text import request_text, result_text
from schedules.render.text import SIGNS, STYLES, agreement_text, listing, method_text, seconds

if TYPE_CHECKING:
    from rich.console import Console

    from results.fingerprints.library import Library

ROLES = {
    "main": "",
    "again": "retry",
    "trusted": "trusted resolver",
    "innocent": "innocuous name",
    "elsewhere": "other server",
    "elsewhere_innocent": "other server, innocuous name",
    "other_page": "another page",
    "made_up": "made-up name",
    "system": "system resolver",
    "offered": "QUIC offered",
    "small_segments": "small segments",
}
"""What an additional step varies."""
MAX_NEAR_RULES = 5
ROLE_WIDTH = 16


def print_explanation(finished: JudgedMeasurement, console: Console) -> None:
    """Print one measurement with its steps, control measurements, register entry and the rules that decided."""
    measurement, verdict = finished.measurement, finished.verdict
    how = [method_text(verdict.method)] if verdict.method else []
    how += [f"triggered by the {verdict.trigger}"] if verdict.trigger else []
    how += [verdict.confidence] if verdict.confidence else []
    sign = f"{SIGNS[verdict.outcome]} {verdict.outcome}"
    console.print(f"{sign}: {', '.join(how)}" if how else sign, style=STYLES[verdict.outcome])
    console.print(f"  {safe(measurement.target.text)}")
    console.print(f"  {where(measurement)}, network {finished.context.network}")
    if measurement.repeats is not None:
        console.print(f"  re-test of {safe(measurement.repeats)}, which looked abnormal")
    for sentence in verdict.evidence:
        console.print(f"  {safe(sentence)}")
    _register(finished, console)
    _steps("Steps", measurement, console)
    for control in finished.controls:
        _steps(f"Control measurement {_of(control)}", control, console)
    _rules(finished, console)


def where(measurement: Measurement) -> str:
    """The time, vantage and path of a measurement, and how long it took."""
    vantage = measurement.vantage
    place = [safe(vantage.name), vantage.country, f"AS{vantage.asn}" if vantage.asn else None, safe(vantage.path)]
    return (
        f"{safe(measurement.started_at)} from {', '.join(filter(None, place))}; took {seconds(measurement.runtime_s)}"
    )


def _of(control: Measurement) -> str:
    """The path or vantage point of a control measurement, its country and network, and its time."""
    vantage = control.vantage
    name = f"via {safe(vantage.path)}" if vantage.path != "direct" else f"at {safe(vantage.name)}"
    network = f"AS{vantage.asn}" if vantage.asn else vantage.network_name and safe(vantage.network_name)
    place = ", ".join(filter(None, (vantage.country, network))) or "country unknown"
    return f"{name} ({place}), {safe(control.started_at)}"


def _register(finished: JudgedMeasurement, console: Console) -> None:
    expectation = finished.expectation
    said = listing(row(finished))
    if expectation is not None and expectation.listed is not None:
        said = f"{safe(expectation.register or '')}: {safe(expectation.reason) or said}"
    console.print(f"\nRegister: {said}; so {agreement_text(finished.agreement)}")


def _steps(title: str, measurement: Measurement, console: Console) -> None:
    from rich.table import Table

    console.print(f"\n{title}", style="bold")
    if not measurement.observations:
        console.print("  not measured")
        return
    grid = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    grid.add_column("  start s", no_wrap=True)
    grid.add_column("took s", no_wrap=True)
    grid.add_column("step", no_wrap=True)
    if any(observation.role != "main" for observation in measurement.observations):
        grid.add_column("variant", max_width=ROLE_WIDTH)
    else:
        grid.add_column("")
    grid.add_column("request", overflow="fold", ratio=3)
    grid.add_column("result", overflow="fold", ratio=2)
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


def _rules(finished: JudgedMeasurement, console: Console) -> None:
    known = {rule.id: rule for rule in rules()}
    console.print(f"\nRules (version {finished.verdict.rules_version})", style="bold")
    for name in finished.verdict.rules:
        says = known[name].says if name in known else "a rule of another version"
        console.print(f"  {name} decided: {safe(says)}")


def print_near_rules(finished: JudgedMeasurement, console: Console, library: Library | None = None) -> None:
    """Print the rules that lack one signal to apply; `library` holds the fingerprints, None: the built-in ones."""
    close = nearly(finished.measurement, finished.controls, finished.context, library)
    near_misses = [
        (rule, lacked) for rule, lacked in close if len(rule.needs) > 1 and rule.id not in finished.verdict.rules
    ]
    for rule, lacked in near_misses[:MAX_NEAR_RULES]:
        console.print(f"  {rule.id} ({rule.outcome}) did not apply: no signal {lacked}", style="dim")
