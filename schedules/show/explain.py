"""Why: what was done step by step, what came back, and which rules say what of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probe.model import Dns, Http, Measurement, Observation, Svcb, Tls
from results.classify import nearly
from results.finished import Finished
from results.rows import row
from results.rules import rules
from schedules.show.words import FAILURES, METHODS, SIGNS, STYLES, listing, safe, seconds

if TYPE_CHECKING:
    from rich.console import Console

    from results.fingerprints.library import Library

ROLES = {"main": "", "elsewhere_innocent": "both", "other_page": "page"}
ROLES_TOLD = """\
again: the same once more. trusted: by or at what a trusted resolver says. innocent: the same address under an
innocent name. elsewhere: the name at an address set aside for it. both: the innocent name there. page: another
page of the name. system: this
machine's resolver. offered: QUIC, where the answer offers it.
"""
MOST_NEARLY = 5


def explain(finished: Finished, console: Console, library: Library | None = None) -> None:
    """Print one measurement with its reasons; `library` is what pages are known by, our own set where none is given."""
    measurement, verdict = finished.measurement, finished.verdict
    how = [METHODS.get(verdict.method, verdict.method)] if verdict.method else []
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
        console.print(ROLES_TOLD.replace("\n", " ").strip(), style="dim")
    for control in finished.controls:
        _steps(f"The control, {_of(control)}", control, console)
    _rules(finished, console, library)


def where(measurement: Measurement) -> str:
    """When, from where, by which path, and how long it took."""
    vantage = measurement.vantage
    place = [safe(vantage.name), vantage.country, f"AS{vantage.asn}" if vantage.asn else None, safe(vantage.path)]
    return (
        f"{safe(measurement.started_at)} from {', '.join(filter(None, place))}; took {seconds(measurement.runtime_s)}"
    )


def _of(control: Measurement) -> str:
    """By which path or at which vantage, in which country and network, and when."""
    vantage = control.vantage
    name = f"by {safe(vantage.path)}" if vantage.path != "direct" else f"at {safe(vantage.name)}"
    network = f"AS{vantage.asn}" if vantage.asn else vantage.network_name and safe(vantage.network_name)
    place = ", ".join(filter(None, (vantage.country, network))) or "country not known"
    return f"{name} ({place}), {safe(control.started_at)}"


def told(observation: Observation) -> str:
    """What came of a step, in plain words."""
    if observation.failure is None:
        return _came_back(observation)
    said = FAILURES.get(observation.failure) or safe(observation.failure)
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
            _about(observation),
            told(observation),
            style="red" if observation.failure else None,
        )
    console.print(grid)


def _about(observation: Observation) -> str:
    detail = observation.detail
    if isinstance(detail, Dns):
        return f"{safe(observation.host)} {safe(detail.query_type)} at {safe(detail.resolver)}"
    if isinstance(detail, Svcb):
        return f"{safe(observation.host)} HTTPS at {safe(detail.resolver)}"
    if isinstance(detail, Http):
        return safe(detail.url)
    where_to = f"{safe(observation.address or observation.host)} port {observation.port}"
    name = getattr(detail, "server_name", None)
    return f"{where_to} for {safe(name)}" if name else where_to


def _came_back(observation: Observation) -> str:
    detail = observation.detail
    if isinstance(detail, Dns):
        return safe(", ".join(answer.value for answer in detail.answers)) or "no records"
    if isinstance(detail, Svcb):
        ech = [f"ECH under {detail.ech_public_name}"] if detail.ech_public_name else []
        return safe(", ".join([*detail.alpn, *ech])) or "no record"
    if isinstance(detail, Tls):
        valid = {0: "valid", None: "not verified"}.get(detail.verify_code, f"invalid ({detail.verify_code})")
        return f"{safe(detail.version or '')} {safe(detail.alpn or '')} certificate {valid}".replace("  ", " ")
    if isinstance(detail, Http):
        said = [f"{detail.status}", f"{detail.length} bytes" if detail.length is not None else None]
        said += [f"“{safe(detail.title, 60)}”" if detail.title else None]
        said += [f"leads to {safe(detail.location)}" if detail.location else None]
        return ", ".join(filter(None, said))
    return "connected" if observation.step == "tcp" else "done"


def _rules(finished: Finished, console: Console, library: Library | None) -> None:
    known = {rule.id: rule for rule in rules()}
    console.print(f"\nThe rules (version {finished.verdict.rules_version})", style="bold")
    for name in finished.verdict.rules:
        says = known[name].says if name in known else "a rule of another version"
        console.print(f"  {name} made the verdict: {safe(says)}")
    close = nearly(finished.measurement, finished.controls, finished.context, library)
    telling = [
        (rule, lacked) for rule, lacked in close if len(rule.needs) > 1 and rule.id not in finished.verdict.rules
    ]
    for rule, lacked in telling[:MOST_NEARLY]:
        console.print(f"  {rule.id} would have said {rule.outcome}; it lacked {lacked}", style="dim")
