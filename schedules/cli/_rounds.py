"""What `check`, `run` and `demo` share: consent, lock, rounds, and their display."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from gettext import gettext as _
from typing import TYPE_CHECKING, Any

import msgspec

from probe.model import Service, Target
from probe.net.path import BadPath
from results.db.json_codec import row
from results.db.store import Store
from results.i18n.language import ENGLISH, activate
from results.i18n.translator import Translator
from results.judge.verdict import deciding
from schedules.cli._app import App
from schedules.config.schema import Config
from schedules.render.output import out, print_json, talk
from schedules.render.text import words
from schedules.round import consent
from schedules.round.data_cap import Budget
from schedules.runtime import lock, process
from schedules.runtime.process import StoppedBySignal

if TYPE_CHECKING:
    from schedules.location.location import Locator
    from schedules.plan.model import Choice
    from schedules.render.progress import Display
    from schedules.round.contacted_hosts import Contact
    from schedules.round.round import Interrupted, Round

NO_NETWORK = 69
MAX_ROUNDS = 3
"""Rounds that network changes may start in one run: a machine that moves more often is on a train."""


class OutputOptions(msgspec.Struct, frozen=True):
    """How the measurements are printed."""

    as_json: bool
    by_service: bool = False
    side_by_side: bool = False


def measure_with_consent(app: App, config: Config, choices: Sequence[Choice], view: OutputOptions) -> int:
    """Ask for consent, take the lock, open the database and measure; returns the exit code."""
    with app.store() as store:
        consent.ensure(app.environ, store)
        with lock.held(app.database):
            if (budget := Budget(config, store, datetime.now(UTC))).used_up:
                talk(budget.sentence, quiet=app.quiet)
                return 0
            return measure(app, config, choices, store, view)


def measure(app: App, config: Config, choices: Sequence[Choice], store: Store, view: OutputOptions) -> int:
    """A round for each choice in turn; returns the exit code. BadPath only if the only choice's path is unavailable."""
    from schedules.plan.selection import services
    from schedules.render.progress import JsonDisplay, PathsDisplay, TableDisplay

    states: list[str] = []
    paths = PathsDisplay(_order(choices[0]), [choice.path for choice in choices], quiet=app.quiet)

    def display_of(choice: Choice) -> Display:
        if view.as_json:
            return JsonDisplay(quiet=app.quiet)
        return paths if view.side_by_side else TableDisplay(_order(choice), quiet=app.quiet)

    rounds = _Rounds(app, config, store, view, display_of)
    try:
        for choice in choices:
            try:
                states.append(rounds.measure(choice))
            except BadPath as error:
                if len(choices) == 1:
                    raise
                talk(_("reachprobe: {error}; measuring the other paths").format(error=error))
    finally:
        paths.compare(_hint(app, store))
    for note in notes(choices, services(config)):
        talk(note, quiet=app.quiet)
    return NO_NETWORK if all(state in ("portal", "offline") for state in states) else 0


class _Rounds:
    """Runs the rounds of one choice and shows their events."""

    def __init__(
        self, app: App, config: Config, store: Store, view: OutputOptions, display_of: Callable[[Choice], Display]
    ) -> None:
        self._app, self._config, self._store, self._view, self._display_of = app, config, store, view, display_of

    def measure(self, choice: Choice) -> str:
        """Measure the choice and return the network's last state. An interrupted round continues in a new one.

        Paths side by side leave what remains to the next run.
        """
        locator = self._app.locator()
        for number in range(1, MAX_ROUNDS + 1):
            state, interrupted = self._round(choice, locator)
            if interrupted is None:
                return state
            remaining = interrupted.remaining
            at_once = self._view.as_json or not self._view.side_by_side
            continues = at_once and interrupted.can_continue and bool(remaining) and number < MAX_ROUNDS
            sentence = "{reason}"
            if remaining and continues:
                sentence = _("{reason}; continuing with the remaining targets: {count}")
            elif remaining:
                sentence = _("{reason}; targets not measured: {count}")
            talk(sentence.format(reason=interrupted.reason, count=len(remaining)), quiet=self._app.quiet)
            if not continues:
                break
            choice = msgspec.structs.replace(choice, targets=remaining)
        return state

    def _round(self, choice: Choice, locator: Locator) -> tuple[str, Interrupted | None]:
        from schedules.plan.selection import services
        from schedules.round.round import Round

        config = locator.locate(self._config)
        services_shown = ServiceRows()
        display = self._display_of(choice)
        for sentence in config.place(choice.path).sentences:
            talk(_("note: {text}").format(text=sentence), quiet=self._app.quiet)
        try:
            round_ = Round(choice, config, self._store, locator)
            return process.run_async(self._show(round_, choice, config, display, services_shown))
        except KeyboardInterrupt as error:
            raise StoppedBySignal(_("interrupted; finished measurements are saved")) from error
        finally:
            rows = services_shown.rows(services(config)) if self._view.by_service else []
            display.finished(rows, _hint(self._app, self._store))

    async def _show(
        self, round_: Round, choice: Choice, config: Config, display: Display, services_shown: ServiceRows
    ) -> tuple[str, Interrupted | None]:
        """Show a round's events; the state of the network at its end, and why it ended early if it did."""
        from schedules.render.tables import header
        from schedules.round.round import Finished, Interrupted, Measured, Retesting, Started

        state, interrupted = "", None
        async with aclosing(round_.events()) as events:
            async for event in events:
                match event:
                    case Started(network):
                        title = header(config, self._store, choice.path, network.state)
                        display.started(network, title, len(choice.targets))
                    case Measured(record):
                        line = row(record)
                        display.measured(line)
                        services_shown.add(record.measurement.target, line)
                    case Retesting(count, network):
                        display.retesting(count, network)
                    case Interrupted():
                        interrupted = event
                    case Finished(network):
                        state = network.state
        return state, interrupted


def _hint(app: App, store: Store) -> Callable[[str], str]:
    """The command that shows a measurement, by its id."""
    return lambda measurement_id: f"{app.command_line} results show {store.short(measurement_id)}"


def _order(choice: Choice) -> dict[tuple[str, str | None], int]:
    return {(target.text, target.service): index for index, target in enumerate(choice.targets)}


class ServiceRows:
    """The rows of each service's targets, and the row that sums up each service."""

    def __init__(self) -> None:
        self._lines: dict[str, list[tuple[dict[str, Any], bool, str]]] = {}

    def add(self, target: Target, line: dict[str, Any]) -> None:
        if target.service is not None:
            self._lines.setdefault(target.service, []).append((line, target.required, line["outcome"]))

    def rows(self, known: dict[str, Service]) -> list[dict[str, Any]]:
        """A row of kind `service` for each service: that of the target which decides."""
        rows, english = [], Translator(ENGLISH)
        for name, lines in sorted(self._lines.items()):
            chosen = deciding(lines) or {}
            more = [note] if (note := ended(known.get(name), english)) else []
            rows.append(chosen | {"kind": "service", "evidence": [*chosen.get("evidence", []), *more]})
        return rows


def notes(choices: Sequence[Choice], known: dict[str, Service]) -> list[str]:
    """A sentence for each measured service that no longer exists."""
    names = dict.fromkeys(target.service for choice in choices for target in choice.targets if target.service)
    return [note for name in names if (note := ended(known.get(name), words()))]


def ended(service: Service | None, language: Translator) -> str | None:
    """When a service was shut down."""
    if service is None or service.ended is None:
        return None
    sentence = language.say("service.ended", service=service.title, date=language.when(service.ended))
    return f"{sentence} {service.note or ''}".strip()


def dry_run(config: Config, choices: Sequence[Choice], *, as_json: bool, more: Iterable[Contact] = ()) -> int:
    """List every host that would be contacted, and those of `more`; contact none."""
    from schedules.round.contacted_hosts import contacts

    if as_json:
        activate(ENGLISH)
    hosts = (*contacts(config, choices), *more)
    if as_json:
        for contact in hosts:
            print_json(contact)
        return 0
    console = out()
    for contact in hosts:
        port = f":{contact.port}" if contact.port else ""
        console.print(f"{contact.host}{port}  ({contact.why})", soft_wrap=True)
    return 0
