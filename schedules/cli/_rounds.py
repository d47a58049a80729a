"""What `check` and `run` share: consent, lock, rounds, and what is seen of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from results.judge.verdict import deciding
from schedules.render.output import out, print_json, talk
from schedules.round import consent
from schedules.round.data_cap import Budget
from schedules.runtime import lock, process
from schedules.runtime.process import StoppedBySignal

if TYPE_CHECKING:
    from probe.model import Service, Target
    from probe.reference_sites import NetworkReport
    from results.db.store import Store
    from results.judge.judged import JudgedMeasurement
    from schedules.cli._app import App
    from schedules.config.schema import Config
    from schedules.location.location import Locator
    from schedules.plan.model import Choice
    from schedules.render.progress import Watcher
    from schedules.round.contacted_hosts import Contact
    from schedules.round.run import Cut

NO_NETWORK = 69
MOST_ROUNDS = 3
"""So often a machine may go elsewhere in the middle; then it is rather on a train."""


def perform(
    app: App,
    config: Config,
    choices: Sequence[Choice],
    *,
    as_json: bool,
    by_service: bool,
    side_by_side: bool = False,
) -> int:
    """Measure, judge, store and show; returns the exit code. The configuration and the targets have been read."""
    store = app.store()
    try:
        consent.ensure(app.environ, store)
        with lock.held(app.database):
            if (budget := Budget(config, store, datetime.now(UTC))).used_up:
                talk(budget.sentence, quiet=app.quiet)
                return 0
            return rounds(
                app, config, choices, store, as_json=as_json, by_service=by_service, side_by_side=side_by_side
            )
    finally:
        store.close()


def rounds(
    app: App,
    config: Config,
    choices: Sequence[Choice],
    store: Store,
    *,
    as_json: bool,
    by_service: bool,
    side_by_side: bool = False,
) -> int:
    """A round for each choice, one after the other. A path that is not there stops it only where it is the only one."""
    from probe.net.path import BadPath
    from schedules.plan.selection import services
    from schedules.render.progress import JsonLines, Person, SideBySide

    states: list[str] = []
    together = SideBySide(_order(choices[0]), [choice.path for choice in choices], quiet=app.quiet)

    def watcher_of(choice: Choice) -> Watcher:
        if as_json:
            return JsonLines(quiet=app.quiet)
        return together if side_by_side else Person(_order(choice), quiet=app.quiet)

    try:
        for choice in choices:
            try:
                at_once = as_json or not side_by_side
                states.append(
                    _to_the_end(app, config, choice, store, watcher_of, by_service=by_service, at_once=at_once)
                )
            except BadPath as error:
                if len(choices) == 1:
                    raise
                talk(f"reachprobe: {error}; the other paths are measured")
    finally:
        together.compare(_hint(app, store))
    for note in notes(choices, services(config)):
        talk(note, quiet=app.quiet)
    return NO_NETWORK if all(state in ("portal", "offline") for state in states) else 0


def _to_the_end(
    app: App,
    config: Config,
    choice: Choice,
    store: Store,
    watcher_of: Callable[[Choice], Watcher],
    *,
    by_service: bool,
    at_once: bool,
) -> str:
    """Round after round until all is measured, for one ends where the machine sleeps or goes to another network.

    `at_once` False leaves what is then left to the next run. The state of the network at the end.
    """
    here = app.locator()
    for place in range(MOST_ROUNDS):
        state, cut = _round(app, here, config, choice, store, watcher_of(choice), by_service=by_service)
        if cut is None:
            return state
        goes_on = at_once and cut.goes_on and bool(cut.left) and place + 1 < MOST_ROUNDS
        also = f"; {len(cut.left)} {'are measured here now' if goes_on else 'are left'}" if cut.left else ""
        talk(f"{cut.why}{also}", quiet=app.quiet)
        if not goes_on:
            break
        choice = msgspec.structs.replace(choice, targets=cut.left)
    return state


def _round(
    app: App, here: Locator, declared: Config, choice: Choice, store: Store, watcher: Watcher, *, by_service: bool
) -> tuple[str, Cut | None]:
    """One round, told to `watcher` as it goes; the state of the network at its end, and whether it had to end early."""
    from results.db.json_rows import row
    from schedules.plan.selection import services
    from schedules.render.tables import header
    from schedules.round.run import once

    config = here.locate(declared)
    members = Members()
    cuts: list[Cut] = []
    for sentence in config.place(choice.path).sentences:
        talk(f"worth knowing: {sentence}", quiet=app.quiet)

    def begun(report: NetworkReport) -> None:
        watcher.begun(report, header(config, store, choice.path, report.state), len(choice.targets))

    def committed(finished: JudgedMeasurement) -> None:
        line = row(finished)
        watcher.committed(line)
        members.add(finished.measurement.target, line)

    round_ = once(
        choice,
        config,
        store,
        begun=begun,
        committed=committed,
        again=watcher.again,
        here=here,
        cut=cuts.append,
    )
    try:
        report = process.run_async(round_)
    except KeyboardInterrupt as error:
        raise StoppedBySignal("interrupted; what was finished is kept") from error
    finally:
        said = members.rows(services(config)) if by_service else []
        watcher.ended(said, _hint(app, store))
    return report.state, cuts[0] if cuts else None


def _hint(app: App, store: Store) -> Callable[[str], str]:
    """How to ask why, of a measurement."""
    return lambda measurement_id: f"{app.command_line} results show {store.short(measurement_id)}"


def _order(choice: Choice) -> dict[tuple[str, str | None], int]:
    return {(target.text, target.service): place for place, target in enumerate(choice.targets)}


class Members:
    """The lines of each service's targets, to say at the end what became of the service."""

    def __init__(self) -> None:
        self._lines: dict[str, list[tuple[dict[str, Any], bool, str]]] = {}

    def add(self, target: Target, line: dict[str, Any]) -> None:
        if target.service is not None:
            self._lines.setdefault(target.service, []).append((line, target.required, line["outcome"]))

    def rows(self, known: dict[str, Service]) -> list[dict[str, Any]]:
        """A row for each service: that of the target which decides, as a row of kind `service`."""
        found = []
        for name, lines in sorted(self._lines.items()):
            chosen = deciding(lines) or {}
            more = [said] if (said := ended(known.get(name))) else []
            found.append(chosen | {"kind": "service", "evidence": [*chosen.get("evidence", []), *more]})
        return found


def notes(choices: Sequence[Choice], known: dict[str, Service]) -> list[str]:
    """What there is to say of the services themselves: which of them no longer exist."""
    names = dict.fromkeys(target.service for choice in choices for target in choice.targets if target.service)
    return [said for name in names if (said := ended(known.get(name)))]


def ended(service: Service | None) -> str | None:
    if service is None or service.ended is None:
        return None
    return f"{service.title} itself ended on {service.ended}. {service.note or ''}".strip()


def dry_run(config: Config, choices: Sequence[Choice], *, as_json: bool, more: Sequence[Contact] = ()) -> int:
    """List every host that would be contacted, with `more` of them, and contact none."""
    from schedules.round.contacted_hosts import contacts

    found = (*contacts(config, choices), *more)
    if as_json:
        for contact in found:
            print_json(contact)
        return 0
    console = out()
    for contact in found:
        port = f":{contact.port}" if contact.port else ""
        console.print(f"{contact.host}{port}  ({contact.why})", soft_wrap=True)
    return 0
