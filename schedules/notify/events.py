"""The events after a round: changed outcomes, new and removed listings, and listed targets that are still open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby, pairwise

import msgspec

from probe.model import Target
from probe.timestamps import epoch, parse_time, rfc3339, rfc3339_of_epoch
from results.db import notification_queue
from results.db.notification_queue import Notice, PastVerdict
from results.db.store import Store
from results.i18n.translator import Translator
from schedules.config.schema import Config
from schedules.plan.due import NewListing, NewlyListed, is_flapping
from schedules.plan.model import Choice
from schedules.render.text import what

MAX_RESULTS_READ = 40
MAX_EVENT_AGE_S = 30 * 86400
STILL_OPEN_S = 86400
"""The time a network has to block a newly listed target before it is reported as open."""
CONFIRMING_RUN = 2
"""Equal outcomes in a row that confirm a change."""
HARMLESS = " .,:;/()-_%?&=+~"
MAX_WORD_CHARACTERS, MAX_SENTENCE_CHARACTERS = 120, 400
HOW = ("method", "trigger", "confidence")


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
    facts = {"event": found.first.outcome, **_about(target), "when": found.first.at}
    if path != "direct":
        facts |= {"event": f"{found.first.outcome}_via", "path": path}
    if found.first.outcome == "blocked":
        last = found.confirmed
        how = {"method": last.method, "trigger": last.trigger, "confidence": last.confidence}
        facts |= {name: word for name, word in how.items() if word is not None}
    return _notice(f"changes {found.first.id}", "changes", found.confirmed.at, facts)


def sentence(notice: Notice, words: Translator) -> str:
    """A notice in words; foreign text in it is `plain`."""
    limit = MAX_SENTENCE_CHARACTERS if "text" in notice.facts else MAX_WORD_CHARACTERS
    facts = {name: plain(value, limit) for name, value in notice.facts.items() if name != "when"}
    if "service" in facts:
        facts["target"] += f" ({facts['service']})"
    if (when := notice.facts.get("when")) is not None:
        facts["when"] = plain(words.when(when))
    since = [words.say("notice.listed_since", when=facts["when"])] if when is not None else []
    details = ", ".join([*since, facts["basis"]] if "basis" in facts else since)
    how = plain(words.verdict(*(notice.facts.get(name) for name in HOW)) or words.term("outcome", "blocked"))
    count = int(facts.pop("hours", "0"))
    return words.say(f"notice.{facts.pop('event')}", **facts, details=details, how=how, count=count)


def _about(target: Target) -> dict[str, str]:
    name = what(target.text)
    return {"target": name, "service": target.service} if target.service else {"target": name}


def _notice(key: str, what: str, at: str, facts: dict[str, str]) -> Notice:
    return Notice(key=key, what=what, at=rfc3339(parse_time(at), "seconds"), facts=facts)


def _listed(
    store: Store, target: Target, listing: NewListing, recent: Sequence[PastVerdict], now: datetime
) -> Iterator[Notice]:
    at = rfc3339(listing.at, "seconds")
    about = {"register": listing.register, **_about(target)}
    key = f"listed {listing.register} {at} {target.text}"
    details = {name: text for name, text in (("when", listing.since), ("basis", listing.basis)) if text}
    facts = {"event": "listed" if details else "listed_only", **about, **details}
    yield _notice(key, "listed", _imported_at(store, listing) or at, facts)
    hours = (now - listing.at).total_seconds() / 3600
    last = next((one for one in recent if one.outcome != "offline"), None)
    if hours * 3600 < STILL_OPEN_S or last is None or last.outcome != "reachable":
        return
    if epoch(last.at) - listing.at.timestamp() >= STILL_OPEN_S:
        yield _notice(f"open {key}", "open", last.at, {"event": "open", **about, "hours": f"{hours:.0f}"})


def _removed(target: Target, recent: Sequence[PastVerdict], now: float) -> Notice | None:
    """A notice if a measurement found the target removed from the register that listed it before."""
    asked = [one for one in recent if one.listed is not None]
    found = next(((off, before) for off, before in pairwise(asked) if before.listed), None)
    if found is None or asked[0].listed:
        return None
    off, before = found
    if off.register is None or off.register != before.register or now - epoch(off.at) >= MAX_EVENT_AGE_S:
        return None
    facts = {"event": "removed", "register": off.register, **_about(target), "when": off.as_of or off.at}
    return _notice(f"off {off.register} {off.as_of} {target.text}", "listed", off.at, facts)


def _imported_at(store: Store, listing: NewListing) -> str | None:
    """When the version that first lists it was imported."""
    query = """SELECT v.imported_at FROM register_versions v JOIN registers r ON r.id = v.register_id
        WHERE r.name = ? AND v.at = ?"""
    found = store.db.execute(query, [listing.register, int(listing.at.timestamp())]).fetchone()
    return rfc3339_of_epoch(found[0]) if found else None


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
