"""The targets that a person or the configuration names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from probe.model import Service, Target
from probe.services import built_in, named, targets
from probe.target import parse
from schedules.config.schema import seconds_of
from schedules.plan.exclusions import VPN, Exclusions, exclusion_sentences, exclusions_of, vpn_is_risky
from schedules.plan.lists import sampled, targets_of_list, waiting
from schedules.plan.model import BadChoice, Choice, PlannedTarget

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.config.schema import CampaignTable, Config

DEFAULT_EVERY_S = 6 * 3600
IS_TARGET = re.compile(r"[.:/\[]")


def services(config: Config) -> dict[str, Service]:
    """The built-in services and the configuration's own, which replace them, by name."""
    known = built_in()
    for table in config.service:
        before = known.get(table.name)
        known[table.name] = Service(
            name=table.name,
            title=table.title or (before.title if before else table.name),
            targets=targets(table.name, table.required, table.optional, allow_private=config.network.allow_private),
            ended=table.ended,
            note=table.note,
            category=table.category or (before.category if before else None),
        )
    return known


def refuse_excluded(found: Iterable[Target], config: Config, database: Path) -> None:
    """Raise BadChoice for the first target that `[care] leave_out` excludes.

    VPN services that are excluded only for the country are not refused to a person who names them.
    """
    codes = frozenset(config.care.leave_out)
    excluded = exclusions(config, database) if codes else Exclusions()
    for target in found:
        code = excluded.code_of(target)
        if code in codes:
            what = target.service or target.text
            raise BadChoice(f"{what}: [care] leave_out has {code}, which this is; --anyway measures it all the same")


def vpn_warning(found: Iterable[Target], config: Config) -> str | None:
    """A warning if a target is of a VPN service and the country may punish their use."""
    country = vpn_is_risky(config)
    excluded = exclusions_of(config, services(config), tuple)
    if country is None or not any(excluded.code_of(target) == VPN for target in found):
        return None
    return f"worth knowing: this contacts a VPN service's site, and using a VPN may be an offence in {country}"


def from_words(words: Iterable[str], config: Config) -> tuple[Target, ...]:
    """Targets and services as given on the command line, in order; raises for the first that cannot be read."""
    known = services(config)
    found: list[Target] = []
    for word in words:
        if IS_TARGET.search(word):
            found.append(parse(word, allow_private=config.network.allow_private))
        else:
            found += named(word, known).targets
    return tuple(found)


def planned_targets(config: Config, store: Store | None = None) -> tuple[PlannedTarget, ...]:
    """The targets of all campaigns, each once per path with its shortest interval, without excluded ones.

    Without campaigns: every service directly, every DEFAULT_EVERY_S. Register samples are drawn from the store.
    """
    excluded = exclusions(config, store.path if store is not None else None)
    return tuple(one for one in _planned(config, store, excluded) if excluded.code_of(one.target) is None)


def unmeasured(config: Config, store: Store | None = None) -> list[str]:
    """Sentences on what the campaigns do not measure: registers that are not stored, excluded targets."""
    excluded = exclusions(config, store.path if store is not None else None)
    codes = [code for one in _planned(config, store, excluded) if (code := excluded.code_of(one.target)) is not None]
    return [*waiting(config, store), *exclusion_sentences(config, codes)]


def exclusions(config: Config, database: Path | None) -> Exclusions:
    """The exclusions, by the categories in services and in the campaigns' lists."""

    def listed() -> Iterator[tuple[Target, str]]:
        for list_ in dict.fromkeys(campaign.list for campaign in config.campaign if campaign.list is not None):
            yield from targets_of_list(list_, config, database)

    return exclusions_of(config, services(config), listed)


def from_campaigns(config: Config, store: Store | None = None) -> tuple[Choice, ...]:
    """Everything that the campaigns measure, by path, due or not."""
    by_path: dict[str, list[Target]] = {}
    for one in planned_targets(config, store):
        by_path.setdefault(one.path, []).append(one.target)
    return tuple(Choice(tuple(chosen), path) for path, chosen in by_path.items())


def _planned(config: Config, store: Store | None, excluded: Exclusions) -> tuple[PlannedTarget, ...]:
    known = services(config)
    if not config.campaign:
        own = {table.name for table in config.service}
        chosen = [service for service in known.values() if service.name in own or not own]
        return tuple(PlannedTarget(target, "direct", DEFAULT_EVERY_S) for one in chosen for target in one.targets)
    found: dict[tuple[Target, str], PlannedTarget] = {}
    for campaign in config.campaign:
        every_s = int(seconds_of(campaign.every))
        for target in _of_campaign(campaign, known, config, store, excluded):
            before = found.get((target, campaign.path))
            shortest_s = min(every_s, before.every_s) if before else every_s
            found[target, campaign.path] = PlannedTarget(target, campaign.path, shortest_s)
    return tuple(found.values())


def _of_campaign(
    campaign: CampaignTable, known: dict[str, Service], config: Config, store: Store | None, excluded: Exclusions
) -> list[Target]:
    found = [target for name in campaign.services for target in named(name, known).targets]
    found += [parse(text, allow_private=config.network.allow_private) for text in campaign.targets]
    if campaign.list is not None:
        listed = targets_of_list(campaign.list, config, store.path if store is not None else None)
        found += [target for target, _ in listed]
    if campaign.register is not None and store is not None:
        found += sampled(campaign, store, excluded.listed)
    return found
