"""Sends notifications after rounds, in threads of its own, and retries until they are accepted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from gettext import gettext as _

import msgspec

from probe.timestamps import epoch, rfc3339_of_epoch
from results.db import notification_queue as notices
from results.db.notification_queue import Notice, Receiver
from results.db.store import Store, StoreError
from results.i18n.language import active
from schedules.config.schema import Config, NotifyTable
from schedules.notify import apprise_client
from schedules.notify.apprise_client import Message, NotifyUrl
from schedules.notify.events import MAX_EVENT_AGE_S, notices_of, plain, sentence
from schedules.plan.model import Choice
from schedules.render.text import TerminalTranslator

FIRST_RETRY_S, LONGEST_RETRY_S = 300, 6 * 3600
MAX_LINES = 12
"""Sentences in one message; some services accept only short ones."""
MAX_WAIT_S = 2 * MAX_EVENT_AGE_S

Send = Callable[[NotifyUrl, Message], str | None]
"""Sends a message; returns None if it was accepted, else why not."""
Say = Callable[[str], None]
Local = Callable[[float], datetime]
"""A moment (Unix time) on this machine's clock."""


def local(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC).astimezone()


def is_quiet(hours: str | None, at: datetime) -> bool:
    """Whether a time is in `22:00-07:00`, its first minute included and its last excluded."""
    if hours is None:
        return False
    begins, ends = hours.split("-")
    shows = f"{at:%H:%M}"
    return begins <= shows < ends if begins <= ends else shows >= begins or shows < ends


def retry_s(failures: int) -> float:
    """The wait after this many failures in a row: five minutes, doubled each time, at most six hours."""
    return float(min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(max(0, failures - 1), 20)))


def is_due(receiver: Receiver, table: NotifyTable, now: float, at: datetime) -> bool:
    """Whether a message may be sent now: outside quiet hours, after the retry wait and the digest interval.

    A time further ahead than any wait was written while the clock was wrong, and is ignored.
    """
    if is_quiet(table.quiet_hours, at):
        return False
    wait = epoch(receiver.not_before) - now if receiver.not_before is not None else 0.0
    if 0 < wait <= LONGEST_RETRY_S:
        return False
    since = now - epoch(receiver.told_at) if receiver.told_at is not None else table.digest_s
    return not 0 <= since < table.digest_s


def message(waiting: Sequence[Notice], config: Config) -> Message:
    """The waiting notices as one message, a sentence a line; of many the newest."""
    words = TerminalTranslator(config.ui.language or active())
    asn = f" (AS{config.vantage.asn})" if config.vantage.asn is not None else ""
    lines = [f"- {sentence(notice, words)}" for notice in waiting[-MAX_LINES:]]
    if len(waiting) > MAX_LINES:
        lines.append(words.say("notice.older", count=len(waiting) - MAX_LINES))
    vantage = plain(config.vantage.name) + asn
    return Message(words.say("notice.title", vantage=vantage, count=len(waiting)), "\n".join(lines))


class _Sending(msgspec.Struct):
    """A message that a thread is sending."""

    address: NotifyUrl
    notices: Sequence[Notice]
    thread: threading.Thread
    outcome: list[str | None]


class Notifier:
    """Queues notices and sends them; its threads use the network and never the database."""

    def __init__(self, send: Send = apprise_client.send, local: Local = local) -> None:
        self._send, self._local = send, local
        self._under_way: dict[str, _Sending] = {}

    @property
    def is_busy(self) -> bool:
        """Whether a message is being sent."""
        return bool(self._under_way)

    def queue(self, config: Config, store: Store, measured: Iterable[Choice], now: float) -> str | None:
        """Queue the notices of a round; returns a sentence if that failed."""
        if not config.notify:
            return None
        try:
            self._enrol(config, store, now)
            kinds = {name: table.what for name, table in _tables(config).items()}
            notices.queue(store, list(notices_of(config, store, measured, now)), kinds)
        except StoreError as error:
            return _("notifications could not be queued: {error}").format(error=error)
        return None

    def send_due(self, config: Config, store: Store, now: float) -> list[str]:
        """Record finished messages and start sending due ones without waiting; a sentence for each failure."""
        try:
            self._enrol(config, store, now)
            failures = self._collect(store, now)
            known, tables = apprise_client.notify_urls(config), _tables(config)
            if notices.forget(store, rfc3339_of_epoch(now - MAX_WAIT_S)):
                failures.append(_("dropped notifications that could not be delivered for two months"))
            for receiver in notices.receivers(store.db):
                name = receiver.name
                if name in self._under_way or not is_due(receiver, tables[name], now, self._local(now)):
                    continue
                waiting = notices.waiting(store.db, name)
                if waiting and notices.claim(store, receiver, rfc3339_of_epoch(now + retry_s(receiver.failures + 1))):
                    self._under_way[name] = self._start(known[name], waiting, message(waiting, config))
        except StoreError as error:
            return [_("notifications are delayed: {error}").format(error=error)]
        return failures

    def finish(self, store: Store, now: float, longest_s: float) -> list[str]:
        """Wait at most `longest_s` in all for messages being sent; a slower one is sent again later."""
        left = longest_s
        for sending in self._under_way.values():
            began = time.monotonic()
            sending.thread.join(max(0.0, left))
            left -= time.monotonic() - began
        try:
            return self._collect(store, now)
        except StoreError as error:
            return [_("notifications may be sent twice: {error}").format(error=error)]

    def _enrol(self, config: Config, store: Store, now: float) -> None:
        notices.enrol(store, list(apprise_client.notify_urls(config)), rfc3339_of_epoch(now))

    def _start(self, address: NotifyUrl, waiting: Sequence[Notice], what: Message) -> _Sending:
        outcome: list[str | None] = []
        thread = threading.Thread(target=lambda: outcome.append(self._send(address, what)), daemon=True)
        thread.start()
        return _Sending(address, waiting, thread, outcome)

    def _collect(self, store: Store, now: float) -> list[str]:
        failures = []
        for name, sending in list(self._under_way.items()):
            if sending.thread.is_alive():
                continue
            del self._under_way[name]
            why = sending.outcome[0] if sending.outcome else _("no response")
            if why is None:
                notices.mark_delivered(store, name, sending.notices, rfc3339_of_epoch(now))
            else:
                says = _("{recipient}: notification failed, will retry: {reason}")
                failures.append(says.format(recipient=plain(name), reason=why))
        return failures


def _tables(config: Config) -> dict[str, NotifyTable]:
    """The configuration table of each recipient."""
    names = iter(apprise_client.notify_urls(config))
    return {next(names): table for table in config.notify for _ in table.urls}
