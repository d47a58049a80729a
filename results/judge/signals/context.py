"""Signals from the context: the network's state, earlier failures, the isolated re-test, and throughput."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import takewhile

from probe.model import Http, Measurement, Observation
from probe.timestamps import parse_time
from results.i18n.translator import Phrase
from results.judge.failure_point import BEGINS, OWN_NETWORK, TIMEOUT, ending, last_attempt, method_of
from results.judge.input import Case
from results.judge.packet_size import SMALL_SEGMENT, may_be_size, passes_small, shows_full_size, small_attempt
from results.judge.verdict import MAX_CHANCE, Context, Evidence, Rate
from results.judge.wording import evidence, method, place, word

MIN_FAILURES, MIN_SPAN = 3, timedelta(hours=6)
"""How often, and over how long, a failure has to repeat."""
MIN_BYTES = 64 * 1024
"""Below this the time is mostly latency and a TCP window that has only begun to open."""
MAX_SLOW_BYTES_PER_S = 64 * 1024
"""A faster answer is never called slow: known throttles give a fourth of this."""
MIN_RATIO = 8
"""How many times faster a comparable answer has to be."""
MIN_SLOW_ANSWERS = 3
DAY_S, KIB = 86_400, 1024
MIN_DURATION_S = 0.001
SHOWN_RATES = 3
INTERNAL_ERROR = "error.internal"
"""The signal, and the rule, of a measurement that a bug ended."""


def circumstances(case: Case) -> Iterator[Evidence]:
    """What the round's reference sites and its re-test showed, and what happened to the target before."""
    if case.measurement.internal_error is not None:
        yield evidence(INTERNAL_ERROR, error=case.measurement.internal_error)
    repeat = case.context.repeat
    if repeat is not None and repeat.outcome is None:
        yield evidence("alone.unmeasured")
    elif repeat is not None and repeat.outcome != "blocked":
        yield evidence("alone.not_blocked", outcome=Phrase(f"outcome.{repeat.outcome}"))
    found = case.context.allow_list
    if case.context.network != "online":
        yield evidence(f"network.{case.context.network}" + (":list" if found is not None else ""))
    if found is not None:
        places = {"listed_place": found.listed_place, "unlisted_place": found.unlisted_place}
        yield evidence(f"network.allowlist:{found.by}", listed=found.listed, unlisted=found.unlisted, **places)
    if case.context.recording is not None:
        yield from _recording(case, case.context.recording)
    if case.clock_is_off and (off := case.context.clock_off_s) is not None:
        yield evidence("clock.off:ahead" if off > 0 else "clock.off:behind", count=max(1, round(abs(off) / DAY_S)))
    yield from _packet_size(case)
    yield from _closed_port(case)
    yield from _losses(case)
    if case.context.earlier and (how := case.end.method) is not None:
        yield from _history(case, how)


def _recording(case: Case, program: str) -> Iterator[Evidence]:
    """That another program made the measurement, and what then says nothing about the target."""
    failed = case.end.observation.failure if case.end.observation is not None else None
    yield evidence("recording.single", program=program)
    if failed in OWN_NETWORK:
        yield evidence("recording.no_route", failure=word("failure", failed))
    elif failed == "ssl_invalid_certificate":
        yield evidence("recording.out_of_date")


def earlier_run(case: Case) -> list[str]:
    """When the same failure was measured before in an unbroken run up to now, latest first."""
    latest_first = sorted(case.context.earlier, key=lambda earlier: earlier.at, reverse=True)
    return [earlier.at for earlier in takewhile(lambda earlier: earlier.method == case.end.method, latest_first)]


def _history(case: Case, how: str) -> Iterator[Evidence]:
    """The same failure again and again, for hours."""
    run = earlier_run(case)
    now = case.measurement.started_at
    if len(run) + 1 >= MIN_FAILURES and parse_time(now) - parse_time(run[-1]) >= MIN_SPAN:
        yield evidence("history.repeats", method=method(how), count=len(run) + 1, since=run[-1])


def _packet_size(case: Case) -> Iterator[Evidence]:
    """Whether full-size packets are what is lost, on this path or for the reference sites too."""
    failed, observations = case.end.observation, case.measurement.observations
    if failed is None or case.end.complete or not may_be_size(failed):
        return
    if passes_small(failed, small_attempt(observations, case.end.hop)):
        yield evidence("path.narrow", size=SMALL_SEGMENT, place=place(failed))
    if case.context.full_size_fails and not shows_full_size(last_attempt(observations, "innocent", case.end.hop)):
        yield evidence("network.full_size_fails")


def _closed_port(case: Case) -> Iterator[Evidence]:
    """Whether reference sites fail to connect to the same port in the same way."""
    failed = case.end.observation
    if failed is None or failed.port is None or failed.step not in BEGINS or failed.failure is None:
        return
    if case.context.closed_ports.get(str(failed.port)) == failed.failure:
        yield evidence("network.port_closed", port=failed.port)


def _losses(case: Case) -> Iterator[Evidence]:
    """Whether connects fall silent by chance on this line, so often that those of this target may have."""
    losses, failed = case.context.losses, case.end.observation
    if losses is None or failed is None or case.end.complete or not _is_silent(failed):
        return
    own = [o for o in case.measurement.observations if o.role in ("main", "again") and _is_silent(o)]
    tries = len({o.role for o in own} if failed.step == "dns" else [o for o in own if o.address == failed.address])
    if (chance := losses.chance(tries)) >= MAX_CHANCE:
        tried = losses.lost + losses.passed
        yield evidence("network.loses_connections", lost=losses.lost, tried=tried, tries=tries, odds=1 / chance)


def _is_silent(o: Observation) -> bool:
    """Whether a question or a connect got no answer at all."""
    return (o.step == "dns" or o.step in BEGINS) and o.failure == TIMEOUT


def throughput(case: Case) -> Iterator[Evidence]:
    """Throttling: nothing from one run alone, and nothing where a control is as slow or was not measured."""
    if not suspected(case.context):
        return
    first, last = case.context.rates[0], case.context.rates[-1]
    ours = rate_of(case.measurement)
    if ours is None or last.at != case.measurement.started_at:
        return
    if case.qualified:
        rates = [(control, rate_of(control.measurement)) for control in case.qualified]
        known = [(control, rate) for control, rate in rates if rate is not None]
        if not known or any(rate < MIN_RATIO * ours for _, rate in known):
            return
        control, rate = known[0]
        yield evidence("control.fast", control=control.name, rate=rate / KIB)
    elif parse_time(last.at) - parse_time(first.at) >= MIN_SPAN:
        yield evidence("rate.no_control", count=len(case.context.rates), since=first.at)
    else:
        return
    shown = case.context.rates[-SHOWN_RATES:]
    speeds: list[str | Phrase] = [f"{rate.bytes_per_s / KIB:.0f} ({rate.canary / KIB:.0f})" for rate in shown]
    if last.others is None:
        yield evidence("rate.throttled", host=case.end.host, rates=speeds)
    else:
        yield evidence("rate.throttled:others", host=case.end.host, rates=speeds, others=last.others / KIB)


def rate_of(measurement: Measurement) -> float | None:
    """Bytes per second of the final answer, from its first bytes to its last; None below MIN_BYTES."""
    observation = ending(measurement.target, measurement.observations).observation
    answer = observation.detail if observation is not None else None
    if observation is None or not isinstance(answer, Http) or len(answer.curve) < 2:
        return None
    if method_of(observation) is not None:
        return None  # what broke off or stalled has no rate
    (begun, first), (ended, last) = answer.curve[0], answer.curve[-1]
    return (last - first) / max(ended - begun, MIN_DURATION_S) if last >= MIN_BYTES else None


def is_slow(rate: Rate) -> bool:
    """Whether a rate is low in itself, and far below what it is compared with."""
    expected = rate.canary if rate.others is None else min(rate.canary, rate.others)
    return rate.bytes_per_s < MAX_SLOW_BYTES_PER_S and rate.bytes_per_s * MIN_RATIO < expected


def suspected(context: Context) -> bool:
    """Whether enough answers in a row were slow that a control is worth measuring."""
    return len(context.rates) >= MIN_SLOW_ANSWERS and all(map(is_slow, context.rates))
