"""The targets that a person or the configuration names, and those excluded: by `[care]`, or where they are a risk."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from gettext import gettext as _
from gettext import ngettext
from pathlib import Path

import msgspec

from probe.model import Service, Target
from probe.services import built_in, named, targets
from probe.target import parse
from probe.timestamps import seconds_of
from results.db.store import Store
from schedules.config.schema import CampaignTable, Config
from schedules.plan.lists import sampled, targets_of_list, waiting
from schedules.plan.model import BadChoice, Choice, PlannedTarget

DEFAULT_EVERY_S = 6 * 3600
IS_TARGET = re.compile(r"[.:/\[]")
VPN = "ANON"
VPN_RISK_COUNTRIES = frozenset(("AE", "BY", "CN", "EG", "IQ", "IR", "KP", "MM", "OM", "PK", "RU", "TM", "TZ"))
"""Countries whose laws forbid VPNs, allow only licensed ones, or count their use against a person. Not legal advice."""
AUTHORITIES = {"GMB": ("ФНС",), "ALDR": ("Росалкогольрегулирование",)}
"""Authorities of Russia's register that list sites of one category only."""


class Exclusions(msgspec.Struct, frozen=True):
    """The excluded categories, and the services and hosts known to belong to one, each with its category."""

    codes: frozenset[str] = frozenset()
    services: Mapping[str, str] = {}
    hosts: Mapping[str, str] = {}
    listed: frozenset[str] = frozenset()
    """Authorities and articles whose hosts are never drawn from a register."""

    def code_of(self, target: Target) -> str | None:
        """The category for which a target is excluded, or None."""
        return self.services.get(target.service or "") or self.hosts.get(target.host)


def services(config: Config) -> dict[str, Service]:
    """The built-in services and the configuration's own, which replace them, by name."""
    known = dict(built_in())
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
            says = _("{target}: excluded by [care] leave_out ({category}); --anyway measures it")
            raise BadChoice(says.format(target=target.service or target.text, category=code))


def vpn_warning(found: Iterable[Target], config: Config) -> str | None:
    """A warning if a target is of a VPN service and the country may punish their use."""
    country = vpn_is_risky(config)
    excluded = exclusions(config, None, with_lists=False)
    if country is None or not any(excluded.code_of(target) == VPN for target in found):
        return None
    says = _("warning: this contacts a VPN service's site; using a VPN may be illegal in {country}")
    return says.format(country=country)


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


def vpn_is_risky(config: Config) -> str | None:
    """The current or declared country if VPN services are excluded there, or None."""
    countries = (config.vantage.country, config.vantage_by("direct").country)
    opted_in = config.care.vpn_services_in
    return next((country for country in countries if country in VPN_RISK_COUNTRIES and country not in opted_in), None)


def exclusions(config: Config, database: Path | None, *, with_lists: bool = True) -> Exclusions:
    """What `[care]` and the country exclude, by the categories in services and in the campaigns' lists."""
    codes = frozenset(config.care.leave_out) | (frozenset((VPN,)) if vpn_is_risky(config) else frozenset())
    by_code = [authority for code in config.care.leave_out for authority in AUTHORITIES.get(code, ())]
    never_drawn = frozenset((*config.care.leave_out_listed, *by_code))
    if not codes:
        return Exclusions(listed=never_drawn)
    known = services(config)
    excluded = {name: one.category for name, one in known.items() if one.category in codes}
    hosts = {target.host: code for name, code in excluded.items() for target in known[name].targets}
    lists = [campaign.list for campaign in config.campaign if campaign.list is not None] if with_lists else []
    for list_ in dict.fromkeys(lists):
        hosts |= {target.host: code for target, code in targets_of_list(list_, config, database) if code in codes}
    return Exclusions(codes, excluded, hosts, never_drawn)


def exclusion_sentences(config: Config, codes: Iterable[str]) -> list[str]:
    """The sentences about excluded targets; `codes` has one category for each target."""
    counts = Counter(codes)
    country = vpn_is_risky(config) if VPN not in config.care.leave_out else None
    sentences = []
    if country is not None and (number := counts.pop(VPN, 0)):
        says = ngettext(
            "skipped {count} VPN target: using a VPN may be illegal in {country}; {key} includes it",
            "skipped {count} VPN targets: using a VPN may be illegal in {country}; {key} includes them",
            number,
        )
        key = f'[care] vpn_services_in = ["{country}"]'
        sentences.append(says.format(count=number, country=country, key=key))
    if counts:
        each = ", ".join(f"{code} {number}" for code, number in sorted(counts.items()))
        sentences.append(_("excluded by [care]: {categories}").format(categories=each))
    return sentences


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
