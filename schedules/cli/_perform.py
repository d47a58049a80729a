"""What `check` and `run` share: consent, lock, rounds, and what is seen of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from results.service import deciding
from schedules import consent, lock, loop
from schedules.interrupted import Interrupted
from schedules.show.output import out, print_json, talk

if TYPE_CHECKING:
    from probe.canary import NetworkReport
    from probe.model import Service, Target
    from results.finished import Finished
    from results.store import Store
    from schedules.app import App
    from schedules.choose import Choice
    from schedules.config import Config
    from schedules.show.watch import Watcher

NO_NETWORK = 69


def perform(app: App, config: Config, choices: Sequence[Choice], *, as_json: bool, by_service: bool) -> int:
    """Measure, judge, store and show; returns the exit code. The configuration and the targets have been read."""
    store = app.store()
    try:
        consent.ensure(app, store)
        with lock.held(app.database):
            return rounds(app, config, choices, store, as_json=as_json, by_service=by_service)
    finally:
        store.close()


def rounds(
    app: App, config: Config, choices: Sequence[Choice], store: Store, *, as_json: bool, by_service: bool
) -> int:
    from results.rows import row
    from schedules.choose import services
    from schedules.once import once
    from schedules.show.header import header
    from schedules.show.watch import JsonLines, Person

    code = 0
    for choice in choices:
        order = {(target.text, target.service): place for place, target in enumerate(choice.targets)}
        watcher = JsonLines(quiet=app.quiet) if as_json else Person(order, quiet=app.quiet)
        members = Members()

        def begun(report: NetworkReport, choice: Choice = choice, watcher: Watcher = watcher) -> None:
            watcher.begun(report, header(config, store, choice.path, report.state), len(choice.targets))

        def committed(finished: Finished, watcher: Watcher = watcher, members: Members = members) -> None:
            line = row(finished)
            watcher.committed(line)
            members.add(finished.measurement.target, line)

        try:
            report = loop.run(once(choice, config, store, begun=begun, committed=committed))
            code = NO_NETWORK if report.state in ("portal", "offline") else code
        except KeyboardInterrupt as error:
            raise Interrupted("interrupted; what was finished is kept") from error
        finally:
            said = members.rows(services(config)) if by_service else []
            watcher.ended(said, lambda measurement_id: f"{app.command_line} results show {store.short(measurement_id)}")
        for note in notes(choice, services(config)):
            talk(note, quiet=app.quiet)
    return code


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


def notes(choice: Choice, known: dict[str, Service]) -> list[str]:
    """What there is to say of the services themselves: which of them no longer exist."""
    names = dict.fromkeys(target.service for target in choice.targets if target.service)
    return [said for name in names if (said := ended(known.get(name)))]


def ended(service: Service | None) -> str | None:
    if service is None or service.ended is None:
        return None
    return f"{service.title} itself ended on {service.ended}. {service.note or ''}".strip()


def dry_run(config: Config, choices: Sequence[Choice], *, as_json: bool) -> int:
    """List every host that would be contacted, and contact none."""
    from schedules.contacts import contacts

    found = contacts(config, choices)
    if as_json:
        for contact in found:
            print_json(contact)
        return 0
    console = out()
    for contact in found:
        port = f":{contact.port}" if contact.port else ""
        console.print(f"{contact.host}{port}  ({contact.why})", soft_wrap=True)
    return 0
