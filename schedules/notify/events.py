"""The events after a round: changed outcomes, new and removed listings, and listed targets that are still open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import msgspec

from probe.timestamps import epoch, parse_time, rfc3339, rfc3339_of_epoch
from results.db import notification_queue
from results.db.notification_queue import Notice, PastVerdict
from schedules.plan.due import NewListing, NewlyListed, is_flapping
from schedules.render.text import method_text, what

if TYPE_CHECKING:
    from probe.model import Target
    from results.db.store import Store
    from schedules.config.schema import Config
    from schedules.plan.model import Choice

MAX_RESULTS_READ = 40
MAX_EVENT_AGE_S = 30 * 86400
STILL_OPEN_S = 86400
"""The time a network has to block a newly listed target before it is reported as open."""
CONFIRMING_RUN = 2
"""Equal outcomes in a row that confirm a change."""
HARMLESS = " .,:;/()-_%?&=+~"
MAX_WORD_CHARACTERS = 120


class ConfirmedChange(msgspec.Struct, frozen=True):
    """The outcome before a change, the first measurement after it, and the one that confirmed it."""

    before: str
    first: PastVerdict
    confirmed: PastVerdict


def plain(text: str, limit: int = MAX_WORD_CHARACTERS) -> str:
    """Letters, digits and a few marks, the rest as ·, so that no messenger interprets it."""
    shown = "".join(c if c.isalnum() or c in HARMLESS else "·" for c in text)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def notices_of(config: Config, store: Store, measured: Iterable[Choice], now: float) -> Iterator[Notice]:
    """The notices for the targets of a round, including those already sent."""
    until = datetime.fromtimestamp(now, UTC)
    registers = NewlyListed(store, config.vantage.country, until)
    for choice in measured:
        for target in choice.targets:
            recent = notification_queue.recent_verdicts(
                store.db, target.text, config.vantage.name, choice.path, rfc3339(until), MAX_RESULTS_READ
            )
            found = state_change(recent)
            if found is not None and now - epoch(found.confirmed.at) < MAX_EVENT_AGE_S:
                yield change_notice(target, choice.path, found)
            if choice.path == "direct" and (listing := registers.listing(target.text)) is not None:
                yield from _listed(store, target, listing, recent, until)
            elif choice.path == "direct" and (notice := _removed(target, recent, now)) is not None:
                yield notice


def change_notice(target: Target, path: str, found: ConfirmedChange) -> Notice:
    """The notice of a confirmed change."""
    by = f" via {plain(path)}" if path != "direct" else ""
    again = "reachable again" if found.first.outcome == "reachable" else f"now {found.first.outcome}"
    how = f": {_how(found.confirmed)}" if found.first.outcome == "blocked" else ""
    said = f"{_name(target)} is {again}{by} since {_moment(found.first.at)} (before: {found.before}){how}"
    return _notice(f"changes {found.first.id}", "changes", found.confirmed.at, said)


def _notice(key: str, what: str, at: str, said: str) -> Notice:
    return Notice(key=key, what=what, at=rfc3339(parse_time(at), "seconds"), said=said)


def _listed(
    store: Store, target: Target, listing: NewListing, recent: Sequence[PastVerdict], now: datetime
) -> Iterator[Notice]:
    at = rfc3339(listing.at, "seconds")
    since = f", since {plain(listing.since)}" if listing.since else ""
    basis = f" ({plain(listing.basis)})" if listing.basis else ""
    key = f"listed {listing.register} {at} {target.text}"
    sentence = f"register {plain(listing.register)} now lists {_name(target)}{since}{basis}"
    yield _notice(key, "listed", _imported_at(store, listing) or at, sentence)
    hours = (now - listing.at).total_seconds() / 3600
    last = next((one for one in recent if one.outcome != "offline"), None)
    if hours * 3600 < STILL_OPEN_S or last is None or last.outcome != "reachable":
        return
    if epoch(last.at) - listing.at.timestamp() >= STILL_OPEN_S:
        sentence = (
            f"{_name(target)} is still reachable {hours:.0f} hours after its listing in {plain(listing.register)}"
        )
        yield _notice(f"open {key}", "open", last.at, sentence)


def _removed(target: Target, recent: Sequence[PastVerdict], now: float) -> Notice | None:
    """A notice if a measurement found the target removed from the register that listed it before."""
    asked = [one for one in recent if one.listed is not None]
    found = next(((off, before) for off, before in pairwise(asked) if before.listed), None)
    if found is None or asked[0].listed:
        return None
    off, before = found
    if off.register is None or off.register != before.register or now - epoch(off.at) >= MAX_EVENT_AGE_S:
        return None
    sentence = f"register {plain(off.register)} no longer lists {_name(target)}, as of {_moment(off.as_of or off.at)}"
    key = f"off {off.register} {off.as_of} {target.text}"
    return _notice(key, "listed", off.at, sentence)


def _imported_at(store: Store, listing: NewListing) -> str | None:
    """When the version that first lists it was imported."""
    query = """SELECT v.imported_at FROM register_versions v JOIN registers r ON r.id = v.register_id
        WHERE r.name = ? AND v.at = ?"""
    found = store.db.execute(query, [listing.register, int(listing.at.timestamp())]).fetchone()
    return rfc3339_of_epoch(found[0]) if found else None


def _name(target: Target) -> str:
    return plain(what(target.text)) + (f" ({plain(target.service)})" if target.service else "")


def _how(said: PastVerdict) -> str:
    words = [method_text(said.method or "blocked")]
    if said.trigger is not None:
        words.append(f"triggered by the {said.trigger}")
    if said.confidence is not None:
        words.append(said.confidence)
    return plain(", ".join(words))


def _moment(text: str) -> str:
    return plain(f"{text[:16].replace('T', ' ')} UTC")


def state_change(results: Sequence[PastVerdict]) -> ConfirmedChange | None:
    """The last confirmed change of these results, newest first; None if there was none.

    Only `reachable` and `blocked` count. A flapping target has no confirmed change.
    """
    known = [one for one in results if one.outcome in ("reachable", "blocked")]
    runs = [list(same) for _, same in groupby(known, key=lambda one: one.outcome)]
    if len(runs) < 2 or len(runs[0]) < CONFIRMING_RUN or is_flapping([one.outcome for one in known]):
        return None
    # The oldest run may be cut off, so its length does not count.
    before = next((run for run in runs[1:] if len(run) >= CONFIRMING_RUN), runs[-1])
    now = runs[0]
    if before[0].outcome == now[0].outcome:
        return None
    return ConfirmedChange(before[0].outcome, now[-1], now[-CONFIRMING_RUN])
