"""One round: canaries, measure, judge, store; new anomalies once more, alone. Whoever calls it holds the lock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from probe import canary, ja4
from probe.canary import NetworkReport
from probe.limits import AddressLimits
from probe.means import Means
from probe.network import RealNetwork, rfc3339
from probe.path import usable
from probe.round import measure_all
from results.finished import Finished, Round
from results.follow_up import FollowUpSettings, follow_up, may_follow, waits_for
from schedules.again import Anomalies, measure_again, unmeasured
from schedules.batches import Batches
from schedules.conclude import Conclusions
from schedules.controls import sources
from schedules.plan import within

if TYPE_CHECKING:
    from results.store import Store
    from schedules.choose import Choice
    from schedules.config import Config

NO_NETWORK = ("portal", "offline")


def _unheard(count: int, report: NetworkReport | None) -> None:
    """Nobody wants to know that anomalies are measured again."""


async def once(
    choice: Choice,
    config: Config,
    store: Store,
    *,
    begun: Callable[[NetworkReport], None],
    committed: Callable[[Finished], None],
    again: Callable[[int, NetworkReport | None], None] = _unheard,
) -> NetworkReport:
    """Measure the chosen targets and say what is found; gives what the canaries said last.

    `begun` hears what the canaries said, `committed` each record once it is in the database, `again` how many new
    anomalies are measured once more, and what the canaries say then, where they are asked. Cancelled, it keeps what is
    finished. Without a working network every target is recorded as offline, and nothing is measured.
    """
    means = means_of(config, choice.path)
    now = means.network.now()
    conclusions = Conclusions(store, config, means.vantage, controls=sources(config, store, choice.path), at=now)
    report = await look(means, store, conclusions)
    begun(report)
    batches = Batches(store, committed)
    anomalies = Anomalies(store)
    try:
        if report.state in NO_NETWORK:
            for target in choice.targets:
                batches.add(await conclusions.finish(unmeasured(target, means)))
            return report
        in_time = within(choice.targets, means.network.monotonic, choice.until)
        async with aclosing(measure_all(in_time, means, conclusions.finish)) as measured:
            async for finished in measured:
                if anomalies.is_new(finished):
                    batches.add(conclusions.waiting(finished), told=False)
                    anomalies.add(finished)
                else:
                    batches.add(finished)
        batches.close()
        if anomalies:
            now_seen = await look(means, store, conclusions) if anomalies.are_most else None
            again(len(anomalies), now_seen)
            report = now_seen or report
            works = report.state not in NO_NETWORK
            await measure_again(anomalies, means, conclusions, store, committed, works=works)
    finally:
        batches.close()
    return report


async def look(means: Means, store: Store, conclusions: Conclusions) -> NetworkReport:
    """Ask the canaries, and keep what they say as that of the measurements that follow."""
    at = rfc3339(means.network.now())
    report = await canary.check(means)
    looks = f"to a censor our TLS handshakes look like {ja4.ours(means.settings.ca_file)} (JA4), which is no browser's"
    evidence = (*report.evidence, *report.facts.sentences, looks)
    round_ = Round(id=means.network.token(), started_at=at, network=report.state, evidence=evidence)
    store.save_round(round_)
    conclusions.enter(round_, report)
    return report


def means_of(config: Config, path: str) -> Means:
    """The real network by one path, with the follow-ups that the rules ask for. BadPath where there is no such way."""
    settings = config.settings()
    way = config.path_named(path)
    usable(way)
    return Means(
        network=RealNetwork(way),
        settings=settings,
        vantage=config.vantage_by(path),
        limits=AddressLimits(settings.per_address),
        follow_up=follow_up(
            FollowUpSettings(
                innocent_name=config.network.innocent_name,
                ab_endpoint=config.ab_endpoint,
                trusted=bool(settings.trusted_resolvers),
                system="system" in settings.resolvers,
                quic=config.network.quic,
                waits=waits_for(settings.timeout_s),
            )
        ),
        follows_redirect=may_follow,
    )
