"""What its owner does not want this machine to touch, and what could bring its owner into trouble."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from probe.model import Service, Target
    from schedules.config.schema import Config

# fmt: off
VPN = "ANON"
RISKY = frozenset(("AE", "BY", "CN", "EG", "IQ", "IR", "KP", "MM", "OM", "PK", "RU", "TM", "TZ"))
"""Countries whose laws forbid VPNs, allow only licensed ones, or count their use against a person. Not legal advice."""
# fmt: on
AUTHORITIES = {"GMB": ("ФНС",), "ALDR": ("Росалкогольрегулирование",)}
"""Who lists for the sake of a category alone, in Russia's register."""


class Left(msgspec.Struct, frozen=True):
    """What is left out: categories, and with them the services and hosts that are known to be of one."""

    codes: frozenset[str] = frozenset()
    services: Mapping[str, str] = {}
    hosts: Mapping[str, str] = {}
    """Each with its category."""
    listed: frozenset[str] = frozenset()
    """Authorities and articles whose hosts are never drawn from a register."""

    def code_of(self, target: Target) -> str | None:
        """The category for which a target is left out; None where it is not."""
        return self.services.get(target.service or "") or self.hosts.get(target.host)


def vpn_is_risky(config: Config) -> str | None:
    """The country in which VPN services are left alone: where the machine is, or is declared to be."""
    countries = (config.vantage.country, config.vantage_by("direct").country)
    opted_in = config.care.vpn_services_in
    return next((country for country in countries if country in RISKY and country not in opted_in), None)


def left_out(config: Config, known: Mapping[str, Service], listed: Callable[[], Iterable[tuple[Target, str]]]) -> Left:
    """What `[care]` and the country leave out; `listed` gives what the lists have, each with its category."""
    codes = frozenset(config.care.leave_out) | (frozenset((VPN,)) if vpn_is_risky(config) else frozenset())
    by_code = [authority for code in config.care.leave_out for authority in AUTHORITIES.get(code, ())]
    never_drawn = frozenset((*config.care.leave_out_listed, *by_code))
    if not codes:
        return Left(listed=never_drawn)
    services = {name: one.category for name, one in known.items() if one.category in codes}
    hosts = {target.host: code for name, code in services.items() for target in known[name].targets}
    hosts |= {target.host: code for target, code in listed() if code in codes}
    return Left(codes, services, hosts, never_drawn)


def sentences(config: Config, codes: Iterable[str]) -> list[str]:
    """What is said of targets that were left out for these categories, one for each target."""
    counts: dict[str, int] = {}
    for code in codes:
        counts[code] = counts.get(code, 0) + 1
    country = vpn_is_risky(config) if VPN not in config.care.leave_out else None
    said = []
    if country is not None and (number := counts.pop(VPN, 0)):
        what = "a target about VPNs is" if number == 1 else f"{number} targets about VPNs are"
        way_out = f'[care] vpn_services_in = ["{country}"] has them measured'
        said.append(f"{what} left out, for using one may be an offence in {country}; {way_out}")
    if counts:
        each = ", ".join(f"{code} {number}" for code, number in sorted(counts.items()))
        said.append(f"left out, as [care] says: {each}")
    return said
