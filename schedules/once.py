"""One round: canaries, measure, judge, store. Whoever calls it holds the lock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec

from probe import canary
from probe.canary import NetworkReport
from probe.limits import AddressLimits
from probe.means import Means
from probe.model import Measurement, Target, Vantage
from probe.network import RealNetwork, rfc3339
from probe.round import measure_all
from results.finished import Finished, Round
from results.follow_up import FollowUpSettings, follow_up, may_follow
from schedules.batches import Batches
from schedules.conclude import Conclusions

if TYPE_CHECKING:
    from results.store import Store
    from schedules.choose import Choice
    from schedules.config import Config


async def once(
    choice: Choice,
    config: Config,
    store: Store,
    *,
    begun: Callable[[NetworkReport], None],
    committed: Callable[[Finished], None],
) -> NetworkReport:
    """Measure the chosen targets and say what is found.

    `begun` hears what the canaries said, `committed` each record once it is in the database. Cancelled, it keeps what
    is finished. Without a working network every target is recorded as offline, and nothing is measured.
    """
    means = means_of(config, choice.path)
    report = await canary.check(means)
    now = means.network.now()
    round_ = Round(id=means.network.token(), started_at=rfc3339(now), network=report.state, evidence=report.evidence)
    store.save_round(round_)
    begun(report)
    conclusions = Conclusions(
        store,
        config,
        round_id=round_.id,
        network=report.state,
        control=control_of(config),
        at=now,
    )
    batches = Batches(store, committed)
    try:
        if report.state in ("portal", "offline"):
            for target in choice.targets:
                batches.add(await conclusions.finish(_unmeasured(target, means)))
        else:
            async with aclosing(measure_all(choice.targets, means, conclusions.finish)) as measured:
                async for finished in measured:
                    batches.add(finished)
    finally:
        batches.close()
    return report


def means_of(config: Config, path: str) -> Means:
    """The real network by one path, with the follow-ups that the rules ask for."""
    settings = config.settings()
    return Means(
        network=RealNetwork(config.path_named(path)),
        settings=settings,
        vantage=config.vantage_by(path),
        limits=AddressLimits(settings.per_address),
        follows_redirect=may_follow,
        follow_up=follow_up(
            FollowUpSettings(
                innocent_name=config.network.innocent_name,
                ab_endpoint=config.ab_endpoint,
                trusted=bool(settings.trusted_resolvers),
            )
        ),
    )


def control_of(config: Config) -> Means | None:
    """The control's path, where one is configured; its vantage is in the country where the path leaves, if known."""
    if config.control.path is None:
        return None
    means = means_of(config, config.control.path)
    country = next((path.country for path in config.path if path.name == config.control.path), None)
    elsewhere = Vantage(name=config.control.path, country=country, path=config.control.path)
    return msgspec.structs.replace(means, vantage=elsewhere)


def _unmeasured(target: Target, means: Means) -> Measurement:
    return Measurement(
        id=means.network.token(),
        target=target,
        vantage=means.vantage,
        started_at=rfc3339(means.network.now()),
        runtime_s=0.0,
        observations=(),
    )
