"""Is our own network fine? Asked before a round, so that a broken network is never read as a block."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from statistics import median
from typing import Literal

import msgspec

from probe import target as targets
from probe.interception import NetworkFacts, facts
from probe.measure import measure
from probe.model import Http, Measurement, Observation
from probe.session import Session, no_follow_up
from probe.steps import schemes, specs
from probe.timestamps import epoch

State = Literal["online", "restricted", "portal", "offline"]
NOTHING = 204
SUCCESS = b"success"


class NetworkReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the canaries say of the network, with one plain sentence for each."""

    state: State
    evidence: tuple[str, ...]
    measurements: tuple[Measurement, ...] = ()
    facts: NetworkFacts = NetworkFacts()
    """What else was seen of the network, by which nothing is blocked."""

    @property
    def families(self) -> tuple[str, ...]:
        """The families in which a canary was connected to: these are shown to work, of the others nothing is known."""
        connected = [o for m in self.measurements for o in m.observations if _connected(o)]
        return tuple(sorted({o.detail.family for o in connected} - {None}))


async def check(session: Session) -> NetworkReport:
    """Measure every canary once. Without any configured the network counts as online, and the report says so."""
    foreign, domestic = session.settings.canaries, session.settings.domestic_canaries
    if not foreign and not domestic:
        said = "no canaries are configured, so the network is taken for fine"
        return NetworkReport(state="online", evidence=(said,), facts=await facts(session))
    urls = foreign + domestic
    plain = msgspec.structs.replace(session, follow_up=no_follow_up, follows_redirect=_never)
    measured, seen = await asyncio.gather(
        asyncio.gather(
            *(measure(targets.parse(url, allow_private=plain.settings.allow_private), plain) for url in urls)
        ),
        facts(session),
    )
    answers = [answer_of(measurement) for measurement in measured]
    working = [measurement for measurement, answer in zip(measured, answers, strict=True) if answer == "works"]
    return NetworkReport(
        state=state_of(answers[: len(foreign)], answers[len(foreign) :]),
        evidence=tuple(f"canary {m.target.text}: {a}" for m, a in zip(measured, answers, strict=True)),
        measurements=tuple(measured),
        facts=msgspec.structs.replace(seen, clock_off_s=clock_off(working)),
    )


def clock_off(working: Iterable[Measurement]) -> float | None:
    """By how many seconds our clock is ahead of the canaries' servers, by the median of what these say.

    `Date` is when the answer was made (RFC 9110 section 6.6.1), to the second; `Age` for how long a cache kept it since
    (RFC 9111 section 5.1).
    """
    found = [off for m in working for o in m.observations if o.step == "http" and (off := _off(o)) is not None]
    return median(found) if found else None


def _off(step: Observation) -> float | None:
    answer: Http = step.detail
    said = {name.lower(): value for name, value in answer.headers}
    age = said.get("age", "0").strip()
    came = epoch(step.started_at) + (answer.curve[0][0] if answer.curve else 0.0)
    try:
        made = parsedate_to_datetime(said.get("date", ""))
        if made.tzinfo is None or not (age.isascii() and age.isdigit() and len(age) < 9):
            return None
        return came - (made.timestamp() + 0.5 + int(age))
    except (ValueError, TypeError, OverflowError):
        return None


SiteAnswer = Literal["works", "something else answers", "no answer"]


def answer_of(canary: Measurement) -> SiteAnswer:
    """Whether the very canary answered, at any address: over valid TLS, or with the body that only it gives."""
    last_step = schemes()[canary.target.scheme].name
    reached = [o for o in canary.observations if o.step == last_step and o.failure is None]
    if any(canary.target.scheme != "http" or _is_genuine(o.detail) for o in reached):
        return "works"
    return "something else answers" if reached or any(map(_is_forged, canary.observations)) else "no answer"


def _connected(step: Observation) -> bool:
    return step.failure is None and specs()[step.step].begins == "address"


def _is_genuine(answer: Http) -> bool:
    return answer.status == NOTHING or (answer.status == 200 and (answer.body or b"").strip() == SUCCESS)


def _is_forged(step: Observation) -> object:
    """A certificate that is not the canary's, or a name led to a private address: a portal does either."""
    return step.failure == "dns_bogon_error" or (step.failure is not None and step.step == "tls" and step.detail.chain)


def state_of(foreign: list[SiteAnswer], domestic: list[SiteAnswer]) -> State:
    """Any foreign canary that works means online; domestic ones alone mean restricted."""
    if "works" in foreign or (not foreign and "works" in domestic):
        return "online"
    if "works" in domestic:
        return "restricted"
    return "portal" if "something else answers" in foreign + domestic else "offline"


def _never(_: Http) -> bool:
    return False
