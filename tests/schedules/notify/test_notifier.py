"""People are told once, when they want to be, whatever happens in between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.db import notification_queue
from results.db.notification_queue import Notice, Receiver
from results.db.store import Store
from schedules.config.schema import Config, NotifyTable, UiTable, VantageTable
from schedules.notify import apprise_client
from schedules.notify.apprise_client import Message, NotifyUrl
from schedules.notify.notifier import LONGEST_RETRY_S, MAX_LINES, Notifier, is_due, is_quiet, message, retry_s
from tests.schedules.webhook import Webhook

NOON = datetime(2026, 6, 20, 12, tzinfo=UTC)
URL = "json://127.0.0.1:9/"


class World:
    """A database, a clock that a test moves, and receivers that take what they are told or do not."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "x.db"
        self.store = Store.open(self.path)
        self.now = NOON.timestamp()
        self.taken: list[tuple[str, Message]] = []
        self.trouble: str | None = None
        self.notifier = self.new()

    def new(self) -> Notifier:
        return Notifier(self.send, lambda now: datetime.fromtimestamp(now, UTC))

    def send(self, address: NotifyUrl, what: Message) -> str | None:
        if self.trouble is None:
            self.taken.append((address.name, what))
        return self.trouble

    def config(self, *urls: str, **changes: Any) -> Config:
        table = NotifyTable(name="me", urls=urls or (URL,), **changes)
        return Config(vantage=VantageTable(name="home", country="RU", asn=12389), notify=(table,))

    def happens(self, config: Config, *keys: str, what: str = "changes") -> None:
        """Something to tell comes about now."""
        at = datetime.fromtimestamp(self.now, UTC).isoformat().replace("+00:00", "Z")
        made = [Notice(key=key, what=what, at=at, facts={"event": "text", "text": f"{key} is blocked"}) for key in keys]
        notification_queue.queue(
            self.store, made, dict.fromkeys(apprise_client.notify_urls(config), config.notify[0].what)
        )

    def step(self, config: Config) -> list[str]:
        """One look, and what came of it."""
        said = self.notifier.send_due(config, self.store, self.now)
        return said + self.notifier.finish(self.store, self.now, 5)

    def passes(self, **time: float) -> None:
        self.now += timedelta(**time).total_seconds()

    @property
    def lines(self) -> list[str]:
        return [line for _, told in self.taken for line in told.body.splitlines()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.store.close()


def test_a_change_is_told_once_however_often_it_comes_up(world: World) -> None:
    config = world.config()
    assert world.step(config) == []
    for _ in range(3):
        world.happens(config, "a")
        world.step(config)
        world.passes(hours=1)
    assert world.lines == ["- a is blocked"]
    assert world.taken[0][1].title == "reachprobe at home (AS12389): 1 change"


def test_what_a_round_finds_together_is_one_message(world: World) -> None:
    config = world.config()
    world.step(config)
    world.happens(config, *(f"{number:03}" for number in range(40)))
    world.step(config)
    ((_, told),) = world.taken
    assert told.title.endswith("40 changes")
    assert len(told.body.splitlines()) == MAX_LINES + 1
    assert told.body.splitlines()[-2:] == ["- 039 is blocked", "and 28 older ones; see `reachprobe results list`"]


def test_what_came_about_before_somebody_was_to_be_told_is_not_told(world: World) -> None:
    config = world.config()
    world.happens(config, "before")
    world.passes(minutes=1)
    world.step(config)
    world.happens(config, "before", "after")
    world.step(config)
    assert world.lines == ["- after is blocked"]


def test_nobody_is_told_what_he_did_not_ask_for(world: World) -> None:
    config = world.config(what=("listed",))
    world.step(config)
    world.happens(config, "a")
    world.happens(config, "b", what="listed")
    world.step(config)
    assert world.lines == ["- b is blocked"]


def test_a_failure_is_said_and_tried_again_later_and_later(world: World) -> None:
    config = world.config()
    world.step(config)
    world.happens(config, "a")
    world.trouble = "error=503"
    assert world.step(config) == ["me: notification failed, will retry: error=503"]
    tries = 0
    for _ in range(24 * 60):
        world.passes(minutes=1)
        tries += len(world.step(config))
    assert tries == 9  # after 5, 10, 20, 40, 80, 160, 320, 360 and 360 minutes
    world.trouble = None
    world.passes(seconds=LONGEST_RETRY_S)
    assert world.step(config) == []
    assert world.lines == ["- a is blocked"]


def test_a_restart_between_finding_and_telling_loses_nothing_and_tells_nothing_twice(world: World) -> None:
    config = world.config()
    world.step(config)
    world.happens(config, "a")
    world.store.close()
    world.store, world.notifier = Store.open(world.path), world.new()
    world.step(config)
    world.store.close()
    world.store, world.notifier = Store.open(world.path), world.new()
    world.happens(config, "a")
    world.step(config)
    assert world.lines == ["- a is blocked"]


def test_a_crash_while_telling_is_a_failure_and_told_again_five_minutes_later(world: World) -> None:
    config = world.config()
    world.step(config)
    world.happens(config, "a")
    (receiver,) = notification_queue.receivers(world.store.db)
    assert notification_queue.claim(world.store, receiver, "2026-06-20T12:05:00Z")
    world.step(config)
    assert world.taken == []
    world.passes(minutes=5)
    world.step(config)
    assert world.lines == ["- a is blocked"]


def test_two_processes_do_not_tell_the_same(world: World) -> None:
    config = world.config()
    world.step(config)
    world.happens(config, "a")
    (receiver,) = notification_queue.receivers(world.store.db)
    assert notification_queue.claim(world.store, receiver, "2026-06-20T12:05:00Z")
    assert not notification_queue.claim(world.store, receiver, "2026-06-20T12:05:00Z")


def test_in_quiet_hours_it_waits_and_in_the_morning_it_is_told(world: World) -> None:
    config = world.config(quiet_hours="22:00-07:00")
    world.step(config)
    world.passes(hours=11)
    world.happens(config, "a")
    for _ in range(8 * 60):
        world.step(config)
        world.passes(minutes=1)
    assert world.taken == []
    world.step(config)
    assert world.lines == ["- a is blocked"]


def test_a_digest_tells_at_most_once_in_its_time(world: World) -> None:
    config = world.config(digest="1d")
    world.step(config)
    for hour in range(50):
        world.happens(config, f"{hour:02}")
        world.step(config)
        world.passes(hours=1)
    assert [len(told.body.splitlines()) for _, told in world.taken] == [1, MAX_LINES + 1, MAX_LINES + 1]
    assert [told.title.split(": ")[1] for _, told in world.taken] == ["1 change"] + ["24 changes"] * 2


def test_a_receiver_that_is_no_longer_configured_keeps_nothing_waiting(world: World) -> None:
    config = world.config()
    world.trouble = "gone"
    world.step(config)
    world.happens(config, "a")
    world.step(config)
    world.step(Config())
    assert notification_queue.waiting_counts(world.store.db) == {}


def test_a_clock_that_ran_years_ahead_does_not_silence_anybody_for_years(world: World) -> None:
    config = world.config(digest="1d")
    world.passes(days=4000)
    world.step(config)
    world.happens(config, "a")
    world.trouble = "gone"
    world.step(config)
    world.passes(minutes=5)
    world.trouble = None
    world.step(config)
    assert world.lines == ["- a is blocked"]
    world.happens(config, "b")
    world.passes(days=-4000)
    world.step(config)
    assert world.lines == ["- a is blocked", "- b is blocked"]


def test_what_nobody_could_be_told_for_two_months_is_let_go_and_that_is_said(world: World) -> None:
    config = world.config()
    world.step(config)
    world.happens(config, "a")
    world.trouble = "gone"
    world.step(config)
    world.passes(days=61)
    assert "dropped notifications that could not be delivered for two months" in world.step(config)
    assert world.store.db.execute("SELECT count(*) FROM notices").fetchone() == (0,)


def test_a_service_that_never_answers_holds_nobody_up(world: World) -> None:
    config, held = world.config(), threading.Event()

    def send(_: NotifyUrl, what: Message) -> str | None:
        held.wait(10)
        world.taken.append(("me", what))
        return None

    world.notifier = Notifier(send, lambda now: datetime.fromtimestamp(now, UTC))
    world.step(config)
    world.happens(config, "a")
    assert world.notifier.send_due(config, world.store, world.now) == []
    assert world.notifier.finish(world.store, world.now, 0.01) == []
    world.passes(hours=1)
    assert world.notifier.send_due(config, world.store, world.now) == []
    held.set()
    world.step(config)
    assert world.lines == ["- a is blocked"]


def test_a_webhook_that_is_down_is_told_when_it_is_up_again(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    with Webhook() as hook:
        config = world.config(hook.url)
        port = hook.port
    world.notifier = Notifier(local=lambda now: datetime.fromtimestamp(now, UTC))
    world.step(config)
    world.happens(config, "www.wechat.com (wechat)")
    (said,) = world.step(config)
    assert said.startswith("me: notification failed, will retry")
    assert "hunter2secret" not in said
    with Webhook(port) as hook:
        world.passes(minutes=5)
        assert world.step(config) == []
        world.passes(minutes=5)
        assert world.step(config) == []
        assert [told["message"] for told in hook.told] == ["- www.wechat.com (wechat) is blocked"]
    assert notification_queue.waiting_counts(world.store.db) == {"me": 0}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("hours", "quiet", "loud"),
    [
        ("22:00-07:00", ("22:00", "23:59", "00:00", "06:59"), ("07:00", "12:00", "21:59")),
        ("13:00-15:00", ("13:00", "14:59"), ("12:59", "15:00", "00:00")),
        ("00:00-00:00", (), ("00:00", "12:00")),
        (None, (), ("00:00",)),
    ],
)
def test_quiet_hours_may_go_over_midnight(hours: str | None, quiet: tuple[str, ...], loud: tuple[str, ...]) -> None:
    def at(text: str) -> datetime:
        return datetime.fromisoformat(f"2026-06-20T{text}")

    assert [text for text in quiet if not is_quiet(hours, at(text))] == []
    assert [text for text in loud if is_quiet(hours, at(text))] == []


@given(st.integers(-5, 200))
def test_the_wait_never_shrinks_and_has_an_end(failures: int) -> None:
    assert 300 <= retry_s(failures) <= retry_s(failures + 1) <= LONGEST_RETRY_S


@given(st.integers(0, 10**6), st.integers(0, 10), st.sampled_from([None, "1h", "1d"]))
def test_everybody_is_told_in_the_end(waited: int, failures: int, digest: Any) -> None:
    table = NotifyTable(name="me", urls=(URL,), digest=digest, quiet_hours="22:00-07:00")
    now = NOON.timestamp()
    text = datetime.fromtimestamp(now - waited, UTC).isoformat().replace("+00:00", "Z")
    receiver = Receiver(name="me", since=text, told_at=text, failures=failures, not_before=text)
    ever = [is_due(receiver, table, now + hour * 3600, NOON + timedelta(hours=hour)) for hour in range(49)]
    assert any(ever)


STEPS = st.lists(
    st.sampled_from(["happens", "looks", "restarts", "an hour", "ten minutes", "refused", "taken"]), max_size=40
)


@settings(max_examples=40, deadline=None)
@given(STEPS, st.sampled_from([None, "1h", "1d"]), st.sampled_from([None, "22:00-07:00"]))
def test_whatever_happens_everything_is_told_once_and_in_order(steps: list[str], digest: Any, quiet: Any) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        config = world.config(digest=digest, quiet_hours=quiet)
        world.step(config)
        made: list[str] = []
        for step in steps:
            if step == "happens":
                made.append(f"{len(made):02}")
                world.happens(config, made[-1])
            elif step == "looks":
                world.step(config)
            elif step == "restarts":
                world.store.close()
                world.store, world.notifier = Store.open(world.path), world.new()
            elif step in ("refused", "taken"):
                world.trouble = "error=500" if step == "refused" else None
            else:
                world.passes(hours=1) if step == "an hour" else world.passes(minutes=10)
        world.trouble = None
        for _ in range(48):
            world.passes(hours=1)
            world.step(config)
        world.store.close()
    told = [line for line in world.lines if line.startswith("- ")]
    assert told == sorted(set(told))
    assert len(told) == len(made) or len(made) > MAX_LINES


def test_a_message_names_the_vantage_in_harmless_letters() -> None:
    config = Config(vantage=VantageTable(name="<b>@all"))
    told = message([Notice(key="a", what="changes", at="2026", facts={"event": "text", "text": "x"})], config)
    assert told.title == "reachprobe at ·b··all: 1 change"


@pytest.mark.parametrize(("count", "changes"), [(1, "1 изменение"), (3, "3 изменения"), (40, "40 изменений")])
def test_a_message_is_in_the_configured_language(count: int, changes: str) -> None:
    config = Config(vantage=VantageTable(name="дом"), ui=UiTable(language="ru"))
    facts = {"event": "open", "register": "rkn", "target": "a.test", "hours": "26"}
    queued = [Notice(key=str(number), what="open", at="2026", facts=facts) for number in range(count)]
    sent = message(queued, config)
    assert sent.title == f"reachprobe, дом: {changes}"
    assert sent.body.startswith("- a.test: всё ещё доступно, хотя внесено в реестр rkn 26 часов назад")
