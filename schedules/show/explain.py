"""Why: what was done step by step, what came back, and which rules say what of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from probe.model import Dns, Http, Measurement, Observation, Tls
from results.classify import nearly
from results.finished import Finished
from results.rows import row
from results.rules import rules
from schedules.show.words import FAILURES, METHODS, SIGNS, STYLES, listing, safe, seconds

if TYPE_CHECKING:
    from rich.console import Console

ROLES = {
    "again": "once more",
    "trusted": "by a trusted resolver",
    "innocent": "with an innocent name",
    "elsewhere": "at another address",
    "elsewhere_innocent": "with an innocent name, at another address",
    "system": "by the machine's own resolver",
}
MOST_NEARLY = 8


def explain(finished: Finished, console: Console) -> None:
    """Print one measurement with its reasons."""
    measurement, verdict = finished.measurement, finished.verdict
    how = [METHODS.get(verdict.method, verdict.method)] if verdict.method else []
    how += [f"by {verdict.trigger}"] if verdict.trigger else []
    how += [verdict.confidence] if verdict.confidence else []
    sign = f"{SIGNS[verdict.outcome]} {verdict.outcome}"
    console.print(f"{sign}: {', '.join(how)}" if how else sign, style=STYLES[verdict.outcome])
    console.print(f"  {safe(measurement.target.text)}")
    console.print(f"  {where(measurement)}, network {finished.context.network}")
    for sentence in verdict.evidence:
        console.print(f"  {safe(sentence)}")
    _register(finished, console)
    _steps("What was done", measurement, console)
    for control in finished.controls:
        _steps(f"The control, by {safe(control.vantage.path)}", control, console)
    _rules(finished, console)


def where(measurement: Measurement) -> str:
    """When, from where, by which path, and how long it took."""
    vantage = measurement.vantage
    place = [safe(vantage.name), vantage.country, f"AS{vantage.asn}" if vantage.asn else None, safe(vantage.path)]
    return (
        f"{safe(measurement.started_at)} from {', '.join(filter(None, place))}; took {seconds(measurement.runtime_s)}"
    )


def told(observation: Observation) -> str:
    """What came of a step, in plain words."""
    if observation.failure is None:
        return _came_back(observation)
    said = FAILURES.get(observation.failure, observation.failure)
    code = f" [{safe(observation.failure)}"
    code += f" {observation.error_code}]" if observation.error_code is not None else "]"
    return f"{said}{code}"


def _register(finished: Finished, console: Console) -> None:
    expectation = finished.expectation
    said = listing(row(finished))
    if expectation is not None and expectation.listed is not None:
        said = f"{safe(expectation.register or '')}: {safe(expectation.reason) or said}"
    console.print(f"\nThe register: {said}; so it is {finished.agreement}")


def _steps(title: str, measurement: Measurement, console: Console) -> None:
    from rich.table import Table

    console.print(f"\n{title}", style="bold")
    if not measurement.observations:
        console.print("  nothing: it was not measured")
        return
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_column(overflow="fold", ratio=1)
    for observation in measurement.observations:
        grid.add_row(
            f"  {observation.offset_s:.3f}",
            f"{observation.step} +{observation.duration_s:.3f}",
            " ".join(_about(observation)),
            told(observation),
            style="red" if observation.failure else None,
        )
    console.print(grid)


def _about(observation: Observation) -> Iterator[str]:
    detail = observation.detail
    if isinstance(detail, Dns):
        yield f"{safe(observation.host)} {safe(detail.query_type)} at {safe(detail.resolver)}"
    elif isinstance(detail, Http):
        yield safe(detail.url)
    else:
        yield f"{safe(observation.address or observation.host)} port {observation.port}"
        if isinstance(detail, Tls):
            yield f"for {safe(detail.server_name)}" if detail.server_name else "without a name"
    if observation.role != "main":
        yield f"({ROLES.get(observation.role, observation.role)})"


def _came_back(observation: Observation) -> str:
    detail = observation.detail
    if isinstance(detail, Dns):
        return safe(", ".join(answer.value for answer in detail.answers)) or "no records"
    if isinstance(detail, Tls):
        valid = {0: "valid", None: "not verified"}.get(detail.verify_code, f"invalid ({detail.verify_code})")
        return f"{safe(detail.version or '')} {safe(detail.alpn or '')} certificate {valid}".replace("  ", " ")
    if isinstance(detail, Http):
        said = [f"{detail.status}", f"{detail.length} bytes" if detail.length is not None else None]
        said += [f"“{safe(detail.title, 60)}”" if detail.title else None]
        said += [f"leads to {safe(detail.location)}" if detail.location else None]
        return ", ".join(filter(None, said))
    return "connected" if observation.step == "tcp" else "done"


def _rules(finished: Finished, console: Console) -> None:
    known = {rule.id: rule for rule in rules()}
    console.print(f"\nThe rules (version {finished.verdict.rules_version})", style="bold")
    for name in finished.verdict.rules:
        says = known[name].says if name in known else "a rule of another version"
        console.print(f"  {name} made the verdict: {safe(says)}")
    close = nearly(finished.measurement, finished.controls, finished.context)
    for rule, missing in close[:MOST_NEARLY]:
        if rule.id not in finished.verdict.rules:
            console.print(f"  {rule.id} would have said {rule.outcome}; it lacked {missing}", style="dim")
