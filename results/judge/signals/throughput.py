"""Throttling: an answer that comes far slower than what else this vantage gets, again and again."""

from __future__ import annotations

from collections.abc import Iterator

from probe.timestamps import parse_time
from results.judge.evidence_text import clean
from results.judge.input import Case, Control
from results.judge.signals.network import OVER
from results.judge.throughput import SHARE, rate_of, suspected
from results.judge.verdict import Rate

TOLD = 1


def signs(case: Case) -> Iterator[tuple[str, str]]:
    """Nothing from one run alone, and nothing where a control is as slow or says nothing of it."""
    if not suspected(case.context):
        return
    first, last = case.context.rates[0], case.context.rates[-1]
    ours = rate_of(case.measurement)
    if ours is None or last.at != case.measurement.started_at:
        return
    if case.qualified:
        theirs = [(control, rate_of(control.measurement)) for control in case.qualified]
        known = [(control, rate) for control, rate in theirs if rate is not None]
        if not known or any(rate < SHARE * ours for _, rate in known):
            return
        yield "control.fast", _beside(*known[0])
    elif parse_time(last.at) - parse_time(first.at) >= OVER:
        yield "rate.no_control", f"{len(case.context.rates)} times in a row since {first.at}, and there is no control"
    else:
        return
    yield "rate.throttled", _tells(case, last)


def _tells(case: Case, last: Rate) -> str:
    rates = ", ".join(f"{_kib(rate.bytes_per_s)} ({_kib(rate.canary)})" for rate in case.context.rates[-3:])
    others = f"; the other targets of this round came at {_kib(last.others)}" if last.others is not None else ""
    return f"{clean(case.end.host)} comes at so many KiB a second (and a canary of like size at): {rates}{others}"


def _beside(control: Control, rate: float) -> str:
    return f"control {clean(control.name)} gets the same at {_kib(rate)} KiB a second"


def _kib(rate: float) -> str:
    return f"{rate / 1024:.0f}"
