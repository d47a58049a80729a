"""What `check` and `run` share: consent, lock, rounds, and what is seen of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from schedules import consent, lock
from schedules.interrupted import Interrupted
from schedules.show.output import out, print_json

if TYPE_CHECKING:
    from probe.canary import NetworkReport
    from results.finished import Finished
    from results.store import Store
    from schedules.app import App
    from schedules.choose import Choice
    from schedules.config import Config

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
    from schedules.once import once
    from schedules.show.header import header
    from schedules.show.watch import JsonLines, Person

    code = 0
    for choice in choices:
        order = {(target.text, target.service): place for place, target in enumerate(choice.targets)}
        watcher = JsonLines(quiet=app.quiet) if as_json else Person(order, quiet=app.quiet)
        concluded: list[Finished] = []

        def begun(report: NetworkReport, choice: Choice = choice, watcher: Any = watcher) -> None:
            watcher.begun(report, header(config, store, choice.path, report.state), len(choice.targets))

        def committed(finished: Finished, watcher: Any = watcher, concluded: list[Finished] = concluded) -> None:
            concluded.append(finished)
            watcher.committed(finished)

        try:
            report = asyncio.run(once(choice, config, store, begun=begun, committed=committed))
            code = NO_NETWORK if report.state in ("portal", "offline") else code
        except KeyboardInterrupt as error:
            raise Interrupted("interrupted; what was finished is kept") from error
        finally:
            rows = service_rows(concluded, config) if by_service else []
            watcher.ended(rows, lambda measurement_id: f"{app.command_line} results show {store.short(measurement_id)}")
    return code


def service_rows(concluded: Sequence[Finished], config: Config) -> list[dict[str, Any]]:
    """A row for each service: that of the target which decides, as a row of kind `service`."""
    from results.rows import row
    from results.service import deciding
    from schedules.choose import services

    known = services(config)
    by_name: dict[str, list[Finished]] = {}
    for finished in concluded:
        if (name := finished.measurement.target.service) is not None:
            by_name.setdefault(name, []).append(finished)
    found = []
    for name, members in sorted(by_name.items()):
        chosen = deciding((one, one.measurement.target.required, one.verdict.outcome) for one in members)
        if chosen is None:
            continue
        line = row(chosen) | {"kind": "service"}
        service = known.get(name)
        if service is not None and service.ended is not None:
            line["evidence"] = [*line["evidence"], f"{service.title} itself ended on {service.ended}. {service.note}"]
        found.append(line)
    return found


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
