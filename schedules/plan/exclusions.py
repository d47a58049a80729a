"""Targets that are excluded: by the owner's `[care]` settings, and where measuring them could bring legal trouble."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from probe.model import Service, Target
    from schedules.config.schema import Config

VPN = "ANON"
RISKY = frozenset(("AE", "BY", "CN", "EG", "IQ", "IR", "KP", "MM", "OM", "PK", "RU", "TM", "TZ"))
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


def vpn_is_risky(config: Config) -> str | None:
    """The current or declared country if VPN services are excluded there, or None."""
    countries = (config.vantage.country, config.vantage_by("direct").country)
    opted_in = config.care.vpn_services_in
    return next((country for country in countries if country in RISKY and country not in opted_in), None)


def exclusions_of(
    config: Config, known: Mapping[str, Service], listed: Callable[[], Iterable[tuple[Target, str]]]
) -> Exclusions:
    """What `[care]` and the country exclude; `listed` gives the targets of lists with their categories."""
    codes = frozenset(config.care.leave_out) | (frozenset((VPN,)) if vpn_is_risky(config) else frozenset())
    by_code = [authority for code in config.care.leave_out for authority in AUTHORITIES.get(code, ())]
    never_drawn = frozenset((*config.care.leave_out_listed, *by_code))
    if not codes:
        return Exclusions(listed=never_drawn)
    services = {name: one.category for name, one in known.items() if one.category in codes}
    hosts = {target.host: code for name, code in services.items() for target in known[name].targets}
    hosts |= {target.host: code for target, code in listed() if code in codes}
    return Exclusions(codes, services, hosts, never_drawn)


def exclusion_sentences(config: Config, codes: Iterable[str]) -> list[str]:
    """The sentences about excluded targets; `codes` has one category for each target."""
    counts = Counter(codes)
    country = vpn_is_risky(config) if VPN not in config.care.leave_out else None
    sentences = []
    if country is not None and (number := counts.pop(VPN, 0)):
        what = "a target about VPNs is" if number == 1 else f"{number} targets about VPNs are"
        remedy = f'[care] vpn_services_in = ["{country}"] has them measured'
        sentences.append(f"{what} left out, for using one may be an offence in {country}; {remedy}")
    if counts:
        each = ", ".join(f"{code} {number}" for code, number in sorted(counts.items()))
        sentences.append(f"left out, as [care] says: {each}")
    return sentences
