"""Where on the network this machine is now: which of its networks, via which tunnel, and in which AS and country.

What is observed takes precedence over what `[vantage]` declares. Own addresses are read here and never recorded.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from gettext import gettext as _
from pathlib import Path as File

import msgspec

from probe.model import Vantage
from probe.net import path as paths
from probe.net.identity import Whereabouts, WhereaboutsCache
from probe.net.path import BadPath, Path
from results.judge.judged import AsnSource
from schedules.config.schema import Config, VantageLocation, VantageTable
from schedules.location.geoip import AsnDatabases

SECRET_BYTES = 32
SLEPT_S = 2.0
"""Clocks differ by less than this unless the machine has slept."""
MIN_CHECK_INTERVAL_S = 1.0
Look = Callable[[Path], Whereabouts]
AddressLookup = Callable[[str], tuple[int | None, str | None]]
"""An address's ASN and country."""
HubSightings = Callable[[str], tuple[int | None, str | None]]
"""The ASN and country that a hub saw for one of this machine's networks, by its key."""


class Located(Config, frozen=True, kw_only=True):
    """A configuration with the locations behind its paths."""

    places: dict[str, VantageLocation] = msgspec.field(default_factory=dict)

    def place(self, path: str) -> VantageLocation:
        return self.places.get(path, VantageLocation())

    def vantage_by(self, path: str) -> Vantage:
        here = self.places.get(path, VantageLocation()).vantage
        found = self if here is None else msgspec.structs.replace(self, vantage=here, places={})
        return Config.vantage_by(found, path)


class Locator:
    """Finds where this machine is, for a round or for the life of an agent."""

    def __init__(
        self,
        secret: bytes,
        look: Look | None = None,
        lookup: AddressLookup | None = None,
        seen_by_hub: HubSightings = lambda network_key: (None, None),
    ) -> None:
        self._secret, self._look, self._lookup = secret, WhereaboutsCache() if look is None else look, lookup
        self._seen_by_hub = seen_by_hub

    def locate(self, config: Config) -> Located:
        """The configuration with the locations behind its paths; a located one is located anew."""
        lookup = self._lookup or asn_lookup(config)
        places = {name: self._place(config, name, lookup) for name in config.path_names}
        given = {field: getattr(config, field) for field in Config.__struct_fields__}
        return Located(**given, places=places)

    def keys(self, config: Config, name: str) -> VantageLocation:
        """The keys of the networks that a path leads through, and how long the machine has slept so far."""
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
    """Why measurements between two looks may be of different networks; else None."""
    if abs(now.slept_s - before.slept_s) >= SLEPT_S:
        return _("the machine slept")
    if now.line is not None and before.line is not None and now.line != before.line:
        return _("the network changed")
    if now.network_key is not None and before.network_key is not None and now.network_key != before.network_key:
        return _("the network of this path changed")
    return None


class MovementWatch:
    """Detects whether the machine moves to another network during a round."""

    def __init__(self, here: Locator, config: Config, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._here, self._config, self._path, self._clock = here, config, path, clock
        self.place = here.keys(config, path)
        self._asked = clock()

    def settle(self) -> VantageLocation:
        """The location at the start; looked at again if unknown, since the router is known only after traffic."""
        if self.place.network_key is None:
            self.place = self._here.keys(self._config, self._path)
        return self.place

    def moved(self, *, surely: bool) -> str | None:
        """Why measurements may be of another network; unless `surely`, it looks at most once a second."""
        if not surely and self._clock() - self._asked < MIN_CHECK_INTERVAL_S:
            return None
        self._asked = self._clock()
        return moved(self.place, self._here.keys(self._config, self._path))


def usable(config: Config, path: str) -> None:
    """Raise BadPath if packets cannot leave by this path now, or must not."""
    paths.usable(config.path_named(path))
    tunnel = config.place(path).tunnel
    if tunnel is not None and config.network.tunnel == "skip":
        says = _("path {path}: packets leave via {tunnel}; skipped, as set in [network] tunnel")
        raise BadPath(says.format(path=path, tunnel=tunnel))


def _vantage(
    config: Config, seen: Whereabouts, tunnel: str | None, lookup: AddressLookup
) -> tuple[VantageTable | None, AsnSource | None]:
    """The observed vantage (None: as declared), and the source of its ASN."""
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
    """The declared vantage with the observed ASN and country."""
    declared = config.vantage
    other = asn is not None and asn != declared.asn
    return VantageTable(
        name=declared.name,
        country=country or declared.country,
        asn=asn or declared.asn,
        network_name=None if other else declared.network_name,
    )


def asn_lookup(config: Config) -> AddressLookup:
    """Looks up an address in the databases of `[asn]`; finds nothing without any."""
    if config.asn.mmdb is None and config.asn.country_mmdb is None:
        return lambda address: (None, None)
    return AsnDatabases([file for file in (config.asn.mmdb, config.asn.country_mmdb) if file is not None]).lookup


def secret_of(database: File) -> bytes:
    """The secret, stored next to a database, that its network keys are derived with; created if missing.

    It must not leave this machine, since it allows guessing the router behind a key. If it cannot be stored, a
    temporary one is used, and network keys differ from run to run.
    """
    file = secret_file(database)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return secrets.token_bytes(SECRET_BYTES)
    with os.fdopen(descriptor, "r+b") as file_:
        found = file_.read(SECRET_BYTES)
        if len(found) == SECRET_BYTES:
            return found
        made = secrets.token_bytes(SECRET_BYTES)
        file_.seek(0)
        file_.write(made)
        return made


def secret_file(database: File) -> File:
    return database.with_name(f"{database.name}.networks")
