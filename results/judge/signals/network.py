"""What the round's canaries said, and what happened to the target before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import takewhile

from probe.timestamps import parse_time
from results.judge.input import Case

TOLD = 0
TIMES = 3
OVER = timedelta(hours=6)


def signs(case: Case) -> Iterator[tuple[str, str]]:
    match case.context.network:
        case "offline":
            yield "network.offline", "no canary answered: the network itself does not work"
        case "portal":
            yield "network.portal", "something else answered in the canaries' place, as a captive portal does"
        case "restricted":
            yield "network.restricted", "only the domestic canaries answered: the network is cut off from abroad"
        case "online":
            pass
    if case.context.earlier and (method := case.end.method) is not None:
        yield from _history(case, method)


def _history(case: Case, method: str) -> Iterator[tuple[str, str]]:
    """The unbroken run of the same failure up to now."""
    latest_first = sorted(case.context.earlier, key=lambda earlier: earlier.at, reverse=True)
    run = [earlier.at for earlier in takewhile(lambda earlier: earlier.method == method, latest_first)]
    now = case.measurement.started_at
    if len(run) + 1 >= TIMES and parse_time(now) - parse_time(run[-1]) >= OVER:
        yield "history.repeats", f"the same failure ({method}) {len(run) + 1} times since {run[-1]}"
