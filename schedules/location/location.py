"""Where on the network this machine is now: which of its networks, a tunnel before it, and whose network it is.

What is found goes before what `[vantage]` declares. Own addresses are looked at here, and go into no record.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path as File
from typing import TYPE_CHECKING

import msgspec

from probe.net import path as paths
from probe.net.identity import Lookout, Whereabouts
from probe.net.path import BadPath, Path
from results.judge.judged import AsnSource
from schedules.config.schema import Config, VantageLocation, VantageTable

if TYPE_CHECKING:
    from probe.model import Vantage

SECRET_BYTES = 32
SLEPT_S = 2.0
"""Clocks differ by less than this without the machine having slept."""
EVERY_S = 1.0
Look = Callable[[Path], Whereabouts]
AddressLookup = Callable[[str], tuple[int | None, str | None]]
"""An address's ASN and country."""
HubSightings = Callable[[str], tuple[int | None, str | None]]
"""The ASN and country that a hub saw for one of this machine's networks, by its key."""


class Located(Config, frozen=True, kw_only=True):
    """A configuration as it holds where the machine is now."""

    places: dict[str, VantageLocation] = msgspec.field(default_factory=dict)

    def place(self, path: str) -> VantageLocation:
        return self.places.get(path, VantageLocation())

    def vantage_by(self, path: str) -> Vantage:
        here = self.places.get(path, VantageLocation()).vantage
        found = self if here is None else msgspec.structs.replace(self, vantage=here, places={})
        return Config.vantage_by(found, path)


class Locator:
    """Looks where this machine is. One for a round or an agent's life; it opens the databases of `[asn]` once."""

    def __init__(
        self,
        secret: bytes,
        look: Look | None = None,
        lookup: AddressLookup | None = None,
        seen_by_hub: HubSightings = lambda network_key: (None, None),
    ) -> None:
        self._secret, self._look, self._lookup = secret, Lookout() if look is None else look, lookup
        self._seen_by_hub = seen_by_hub

    def locate(self, config: Config) -> Located:
        """The configuration with what is known of this place; of an already located one, as it was declared."""
        lookup = self._lookup or reader(config)
        places = {name: self._place(config, name, lookup) for name in config.path_names}
        given = {field: getattr(config, field) for field in Config.__struct_fields__}
        return Located(**given, places=places)

    def keys(self, config: Config, name: str) -> VantageLocation:
        """Which network a path leads through, and for how long the machine has slept by now."""
        path, line = config.path_named(name), self._look(Path())
        key = line.key(self._secret)
        if path.proxy is not None:
            return VantageLocation(line=key, slept_s=line.slept_s)
        bound = key if path.bind is None else self._look(path).key(self._secret)
        return VantageLocation(network_key=bound, line=key, slept_s=line.slept_s)

    def _place(self, config: Config, name: str, lookup: AddressLookup) -> VantageLocation:
        path, place = config.path_named(name), self.keys(config, name)
        if path.proxy is not None or path.bind is not None:
            source: AsnSource | None = "declared" if config.vantage_by(name).asn is not None else None
            return msgspec.structs.replace(place, asn_source=source)
        seen = self._look(path)
        tunnel = None if config.network.tunnel == "ignore" else seen.tunnel
        vantage, source = _vantage(config, seen, tunnel if config.network.tunnel == "mark" else None, lookup)
        if config.asn.echo and tunnel is None and source != "mmdb":
            asn, country = self._seen_by_hub(place.network_key or "")
            if asn is not None:
                vantage, source = _observed_vantage(config, asn, country), "echoed"
        return msgspec.structs.replace(place, asn_source=source, tunnel=tunnel, vantage=vantage)


def moved(before: VantageLocation, now: VantageLocation) -> str | None:
    """A sentence where what was measured between two looks cannot be told to be of one network; else None."""
    if abs(now.slept_s - before.slept_s) >= SLEPT_S:
        return "the machine slept"
    if now.line is not None and before.line is not None and now.line != before.line:
        return "the network changed"
    if now.network_key is not None and before.network_key is not None and now.network_key != before.network_key:
        return "the network of this path changed"
    return None


class MovementWatch:
    """Asks during a round whether the machine is still where the round began."""

    def __init__(self, here: Locator, config: Config, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._here, self._config, self._path, self._clock = here, config, path, clock
        self.place = here.keys(config, path)
        self._asked = clock()

    def settle(self) -> VantageLocation:
        """Where the round begins, looked at anew where it was not known yet: a router is met by talking to it."""
        if self.place.network_key is None:
            self.place = self._here.keys(self._config, self._path)
        return self.place

    def moved(self, *, surely: bool) -> str | None:
        """A sentence where it is not; where it need not be sure, it looks once a second at most."""
        if not surely and self._clock() - self._asked < EVERY_S:
            return None
        self._asked = self._clock()
        return moved(self.place, self._here.keys(self._config, self._path))


def usable(config: Config, path: str) -> None:
    """Raise BadPath where packets cannot leave by this path now, or must not."""
    paths.usable(config.path_named(path))
    tunnel = config.place(path).tunnel
    if tunnel is not None and config.network.tunnel == "skip":
        raise BadPath(f"path {path}: packets leave by {tunnel}, and [network] tunnel says to skip that")


def _vantage(
    config: Config, seen: Whereabouts, tunnel: str | None, lookup: AddressLookup
) -> tuple[VantageTable | None, AsnSource | None]:
    """What is known of this vantage in place of what is declared, and whence its ASN is known."""
    if tunnel is not None:
        return VantageTable(name=config.vantage.name), None
    for address in seen.public:
        asn, country = lookup(address)
        if asn is not None or country is not None:
            break
    else:
        return None, "declared" if config.vantage.asn is not None else None
    source: AsnSource | None = "declared" if config.vantage.asn is not None else None
    return _observed_vantage(config, asn, country), "mmdb" if asn is not None else source


def _observed_vantage(config: Config, asn: int | None, country: str | None) -> VantageTable:
    """The declared vantage with what somebody else tells of its network."""
    declared = config.vantage
    other = asn is not None and asn != declared.asn
    return VantageTable(
        name=declared.name,
        country=country or declared.country,
        asn=asn or declared.asn,
        network_name=None if other else declared.network_name,
    )


def reader(config: Config) -> AddressLookup:
    """Tells an address's ASN and country by the databases of `[asn]`; nothing where none is given."""
    if config.asn.mmdb is None and config.asn.country_mmdb is None:
        return lambda address: (None, None)
    from schedules.location.geoip import Databases

    return Databases([file for file in (config.asn.mmdb, config.asn.country_mmdb) if file is not None]).told


def secret_of(database: File) -> bytes:
    """The secret beside a database by which its networks are told apart, made where there is none.

    It never leaves this machine: whoever has it could try which router a key stands for. Where it cannot be kept, a
    passing one serves, and every round is a series of its own.
    """
    file = secret_file(database)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return secrets.token_bytes(SECRET_BYTES)
    with os.fdopen(descriptor, "r+b") as kept:
        found = kept.read(SECRET_BYTES)
        if len(found) == SECRET_BYTES:
            return found
        made = secrets.token_bytes(SECRET_BYTES)
        kept.seek(0)
        kept.write(made)
        return made


def secret_file(database: File) -> File:
    return database.with_name(f"{database.name}.networks")
