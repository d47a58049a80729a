"""What a round gives to tell: turns, new listings, and what is listed and still open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.model import Target
from results.db import notification_queue
from results.db.notification_queue import SQL, Notice
from results.db.store import Store
from results.registers.expectation import Expectation
from results.registers.importing import ImportOptions, import_register
from schedules.config.schema import Config, VantageTable
from schedules.notify.events import notices_of, plain, sentence
from schedules.plan.model import Choice
from schedules.render.text import TerminalTranslator
from tests.results.records import finished, measurement, target, verdict

NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)
CONFIG = Config(vantage=VantageTable(name="home", country="RU"))
WECHAT = msgspec.structs.replace(target("https://www.wechat.com/"), service="wechat")


def measured(store: Store, *outcomes: str, of: Target = WECHAT, until: datetime = NOW, path: str = "direct") -> None:
    """One an hour, the last an hour before `until`."""
    for ago, outcome in zip(range(len(outcomes), 0, -1), outcomes, strict=True):
        at = (until - timedelta(hours=ago)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        name = f"{path}{at}{of.text}"
        vantage = CONFIG.vantage_by(path)
        made = msgspec.structs.replace(measurement(name), target=of, vantage=vantage, started_at=at, observations=())
        how = {"method": "tls.reset", "trigger": "name", "confidence": "confirmed"} if outcome == "blocked" else {}
        store.save([finished(name, outcome, measurement=made, verdict=verdict(outcome, **how))])


def publish(store: Store, folder: Path, hours_ago: float, *names: str, imported: float | None = None) -> None:
    file = folder / "register.txt"
    file.write_text("".join(f"{name}\n" for name in names))
    at = NOW - timedelta(hours=hours_ago)
    known = NOW - timedelta(hours=imported if imported is not None else hours_ago)
    import_register(store.db, [file], ImportOptions(name="list", country="RU", format="plain", updated=at, now=known))


def told(store: Store, *targets: Target, path: str = "direct", now: datetime = NOW) -> list[Notice]:
    return list(notices_of(CONFIG, store, [Choice(targets or (WECHAT,), path)], now.timestamp()))


def text(notice: Notice, language: str = "en") -> str:
    return sentence(notice, TerminalTranslator(language))


def test_a_queued_event_is_put_into_words_when_it_is_sent(store: Store) -> None:
    measured(store, "reachable", "reachable", "blocked", "blocked")
    notification_queue.enrol(store, ["me"], "2026-01-01T00:00:00Z")
    notification_queue.queue(store, told(store), {"me": ["changes"]})
    (queued,) = notification_queue.waiting(store.db, "me")
    assert text(queued, "ru") == (
        "www.wechat.com (wechat): блокируется с 20 июня 2026 года, 10:00 UTC (TLS: сброс, по имени, подтверждено)"
    )


def test_a_sentence_that_an_earlier_version_queued_is_sent_as_it_is(store: Store) -> None:
    notification_queue.enrol(store, ["me"], "2026-01-01T00:00:00Z")
    measured(store, "reachable", "reachable", "blocked", "blocked")
    notification_queue.queue(store, told(store), {"me": ["changes"]})
    store.db.execute("UPDATE notices SET said = ?", ["www.wechat.com is now blocked since 2026"])
    (queued,) = notification_queue.waiting(store.db, "me")
    assert text(queued, "ru") == "www.wechat.com is now blocked since 2026"


def test_a_block_is_told_once_it_is_confirmed_with_how_and_since_when(store: Store) -> None:
    measured(store, "reachable", "reachable", "blocked")
    assert told(store) == []
    measured(store, "blocked", until=NOW + timedelta(minutes=15))
    (notice,) = told(store)
    assert text(notice) == (
        "www.wechat.com (wechat) has been blocked since 20 June 2026, 11:00 UTC "
        "(TLS: reset, triggered by the name, confirmed)"
    )
    assert (notice.what, notice.at) == ("changes", "2026-06-20T11:15:00Z")
    measured(store, "blocked", until=NOW + timedelta(hours=3))
    assert [one.key for one in told(store, now=NOW + timedelta(hours=3))] == [notice.key]


def test_it_is_told_when_it_is_reachable_again(store: Store) -> None:
    measured(store, "blocked", "blocked", "reachable", "reachable")
    (notice,) = told(store)
    assert text(notice) == "www.wechat.com (wechat) has been reachable again since 20 June 2026, 10:00 UTC"


def test_what_changed_by_another_path_says_so(store: Store) -> None:
    measured(store, "reachable", "reachable", "blocked", "blocked", path="vpn")
    assert told(store) == []
    (notice,) = told(store, path="vpn")
    assert "has been blocked via vpn since" in text(notice)


def test_another_network_is_no_change(store: Store) -> None:
    measured(store, "reachable", "reachable")
    moved = msgspec.structs.replace(CONFIG.vantage_by("direct"), asn=64500)
    for minutes in (1, 2):
        at = (NOW + timedelta(minutes=minutes)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        made = msgspec.structs.replace(measurement(at), target=WECHAT, vantage=moved, started_at=at, observations=())
        store.save([finished(at, "blocked", measurement=made)])
    assert told(store, now=NOW + timedelta(hours=1)) == []


def test_no_table_is_scanned_for_what_was_said_lately(store: Store) -> None:
    values = {"target": "x", "name": "home", "path": "direct", "until": "2026", "limit": 40}
    steps = [row[3] for row in store.db.execute(f"EXPLAIN QUERY PLAN {SQL['RECENT_VERDICTS']}", values)]
    assert [step for step in steps if step.startswith("SCAN")] == []


def test_what_changed_long_ago_is_no_news(store: Store) -> None:
    measured(store, "reachable", "reachable", "blocked", "blocked", until=NOW - timedelta(days=31))
    assert told(store) == []


def test_a_register_that_newly_lists_a_target_of_ours_is_told_as_of_its_import(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path, 48, "old.test")
    publish(store, tmp_path, 5, "old.test", WECHAT.host, imported=2)
    other = target("https://free.test/")
    (notice,) = told(store, WECHAT, other, target("https://old.test/"))
    assert text(notice) == "register list now lists www.wechat.com (wechat) (since 20 June 2026)"
    assert (notice.what, notice.at) == ("listed", "2026-06-20T10:00:00Z")


def test_what_is_listed_and_still_open_a_day_later_is_told(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path, 48, "old.test")
    publish(store, tmp_path, 24.5, "old.test", WECHAT.host)
    measured(store, "reachable", "reachable", until=NOW)
    assert [one.what for one in told(store)] == ["listed"]
    measured(store, "reachable", until=NOW + timedelta(hours=2))
    found = {one.what: one for one in told(store, now=NOW + timedelta(hours=2))}
    assert text(found["open"]) == ("www.wechat.com (wechat) is still reachable 26 hours after register list listed it")
    measured(store, "blocked", until=NOW + timedelta(hours=3))
    assert [one.what for one in told(store, now=NOW + timedelta(hours=3))] == ["listed"]


def test_what_a_registers_first_version_lists_is_no_news(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path, 5, WECHAT.host)
    assert told(store) == []


def asked(store: Store, *listed: bool | None, register: str = "list") -> None:
    """One an hour, each with what the register's version of that hour said; None where no register was asked."""
    for ago, one in zip(range(len(listed), 0, -1), listed, strict=True):
        at = (NOW - timedelta(hours=ago)).isoformat().replace("+00:00", "Z")
        direct = CONFIG.vantage_by("direct")
        made = measurement(f"{register}{ago}")
        made = msgspec.structs.replace(made, target=WECHAT, vantage=direct, started_at=at, observations=())
        said = Expectation(target=WECHAT.text, register=register, listed=one, as_of=at) if one is not None else None
        store.save([finished(made.id, measurement=made, verdict=verdict("reachable"), expectation=said)])


def test_what_a_register_takes_off_is_told_once_as_of_the_version_that_did(store: Store) -> None:
    asked(store, True, True, None, False, False)
    (notice,) = told(store)
    assert text(notice) == ("register list no longer lists www.wechat.com (wechat) (as of 20 June 2026, 10:00 UTC)")
    assert (notice.what, notice.at) == ("listed", "2026-06-20T10:00:00Z")


@pytest.mark.parametrize("listed", [(True, False, True), (False, False), (True, True), (None, False), (True, None)])
def test_what_is_listed_still_or_again_or_never_was_is_not_told_as_taken_off(
    store: Store, listed: tuple[bool | None, ...]
) -> None:
    asked(store, *listed)
    assert told(store) == []


def test_another_register_that_does_not_list_it_has_taken_nothing_off(store: Store) -> None:
    asked(store, True, True, None)
    asked(store, False, register="other")
    assert told(store) == []


def test_a_hostile_target_is_told_in_harmless_letters_and_few(store: Store) -> None:
    hostile = "https://a.test/\x1b]0;x\x07<b>@everyone</b>[x](http://evil)\u202e" + "y" * 5000
    bad = msgspec.structs.replace(WECHAT, text=hostile, service="<script>")
    measured(store, "reachable", "reachable", "blocked", "blocked", of=bad)
    (notice,) = told(store, bad)
    assert not set("<>@[]`*|\x1b\x07\u202e") & set(text(notice))
    assert len(text(notice)) < 400


@given(st.text(max_size=300))
def test_plain_text_holds_no_mark_that_anything_could_act_on(text: str) -> None:
    shown = plain(text)
    assert len(shown) <= 120
    assert not set("<>@[]{}`*|#!$\\\"'\n\r\t\0\x1b") & set(shown)
    assert shown.isprintable()
