"""The configuration: every key, what it is when nobody says, and where it comes from (file < environment < flags)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta

from schedules.config.care import AsnTable, CareTable
from schedules.config.hub import HubTable
from schedules.config.load import ConfigError, complaint, decode, dotted, from_words, mistake, read
from schedules.config.notify import MetricsTable, NotifyTable
from schedules.config.types import Asn, Count, Country, Every, Name, Table, seconds_of

if TYPE_CHECKING:
    from probe.model import Vantage
    from probe.net.path import Path as NetworkPath
    from probe.settings import Settings
    from schedules.location.location import Place


BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class VantageTable(Table, frozen=True, kw_only=True):
    name: Name = "home"
    country: Country | None = None
    """Which registers apply."""
    asn: Asn | None = None
    network_name: Name | None = None


class NetworkTable(Table, frozen=True, kw_only=True):
    resolvers: Annotated[tuple[str, ...], Meta(min_length=1, max_length=8)] = ("system",)
    """What this network's users use."""
    trusted_resolvers: Annotated[tuple[str, ...], Meta(max_length=8)] = (
        "https://1.1.1.1/dns-query",
        "https://8.8.8.8/dns-query",
        "tls://9.9.9.9",
    )
    """A second opinion, of several owners, by address, so that nothing has to be looked up."""
    canaries: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)] = (
        "http://cp.cloudflare.com/generate_204",
        "http://connectivitycheck.gstatic.com/generate_204",
        "http://detectportal.firefox.com/success.txt",
        "https://www.wikipedia.org/",
        "https://www.apple.com/",
    )
    domestic_canaries: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    no_such_name: Annotated[str, Meta(max_length=253, pattern=r"^[a-z0-9.-]*$")] = "nowhere.invalid"
    """A name that cannot exist (RFC 6761); an address for it shows that the network's resolver makes up answers."""
    no_resolver: str = "192.0.2.1"
    """An address that runs no resolver (RFC 5737); an answer from it shows that the network intercepts DNS."""
    ca_file: str | None = None
    allow_private: bool = False
    families: Annotated[tuple[Literal["ipv4", "ipv6"], ...], Meta(min_length=1, max_length=2)] = ("ipv4", "ipv6")
    timeout_s: Annotated[float, Meta(gt=0, le=300)] = 10.0
    concurrency: Count = 64
    per_address: Count = 2
    user_agent: Annotated[str, Meta(min_length=1, max_length=512, pattern=r"^[\x20-\x7e]*$")] = BROWSER
    max_body_bytes: Annotated[int, Meta(ge=1024, le=16 * 1024 * 1024)] = 524288
    max_addresses: Annotated[int, Meta(ge=1, le=64)] = 3
    """For each family of a name."""
    https_records: bool = False
    """Whether names are asked for their HTTPS record too: HTTP/3 and encrypted ClientHello, as facts."""
    quic: bool = False
    """Whether QUIC is tried as well where a service that answered over TLS offers it."""
    innocent_name: str = "www.example.com"
    """The name that the A/B step sends where the target's fails."""
    ab_address: str | None = None
    """ADDR:PORT of a server that answers TLS for any name, for the A/B step away from the target's address."""
    tunnel: Literal["mark", "skip", "ignore"] = "mark"
    """What to do where packets leave by a VPN that no path names: record that the network is not known, or nothing."""
    metered: Literal["skip", "measure"] = "skip"
    """Whether `run` and the agent measure on a network that is paid for by the byte."""


class ControlTable(Table, frozen=True, kw_only=True):
    hub: str | Annotated[tuple[str, ...], Meta(max_length=4)] | None = None
    """A group's hub, or several: each is asked where those before it do not answer."""
    path: str | None = None
    paths: Annotated[tuple[str, ...], Meta(max_length=4)] = ()
    """Several, instead of one: where they disagree, a verdict is less sure."""
    vantages: Annotated[tuple[Name, ...], Meta(max_length=64)] = ()
    """Vantages whose recorded measurements are believed also where they failed."""
    recorded_within: Every = "6h"
    """How old another vantage's recorded measurement may be to serve as a control."""

    @property
    def all_paths(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*([self.path] if self.path is not None else []), *self.paths)))

    @property
    def all_hubs(self) -> tuple[str, ...]:
        return (self.hub,) if isinstance(self.hub, str) else self.hub or ()

    @property
    def within_s(self) -> float:
        return seconds_of(self.recorded_within)


class PathTable(Table, frozen=True, kw_only=True):
    name: Name
    bind: str | None = None
    proxy: str | None = None
    country: Country | None = None
    """Where it leaves; one that leaves in the vantage's own country is no control."""
    asn: Asn | None = None
    network_name: Name | None = None
    dns: Literal["remote", "local"] = "remote"
    """Where names are looked up on a path through a proxy: at its far end, or here."""


class RegisterTable(Table, frozen=True, kw_only=True):
    name: Name
    country: Country | None = None
    format: str | None = None
    source: str | None = None
    sources: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    """Mirrors, in their order, after `source`."""
    signature: str | None = None
    """Where its detached signature is."""
    signed_by: str | None = None
    """A PEM file with the certificate that must have made it, or the one above that."""
    max_age_days: Annotated[float, Meta(gt=0)] = 3.0

    @property
    def all_sources(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*([self.source] if self.source is not None else []), *self.sources)))


class ServiceTable(Table, frozen=True, kw_only=True):
    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]
    title: Name | None = None
    category: Annotated[str, Meta(pattern="^[A-Z]{2,8}$")] | None = None
    """Citizen Lab's category code."""
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    ended: Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None = None
    """The day the service itself was shut down."""
    note: Annotated[str, Meta(max_length=300)] | None = None


class CampaignTable(Table, frozen=True, kw_only=True):
    name: Name
    services: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    list: str | None = None
    register: str | None = None
    sample: Count | None = None
    """So many hosts of the register, drawn at random."""
    seed: Annotated[int, Meta(ge=0, le=2**53)] = 1
    """Vantages with the same seed, size and register version draw the same hosts."""
    include: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    """Authorities whose hosts may be drawn although they may be about drugs, suicide or child abuse."""
    every: Every = "6h"
    path: str = "direct"


class FingerprintsTable(Table, frozen=True, kw_only=True):
    sources: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    """Published lists of block pages, files or URLs: what `fingerprints update` reads."""


class StoreTable(Table, frozen=True, kw_only=True):
    keep_days: Annotated[int, Meta(ge=1, le=36500)] = 400
    max_mb: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    """The oldest measurements leave where the database holds more."""

    @property
    def max_bytes(self) -> int | None:
        return None if self.max_mb is None else self.max_mb * 1_000_000


class Config(Table, frozen=True, kw_only=True):
    vantage: VantageTable = VantageTable()
    network: NetworkTable = NetworkTable()
    control: ControlTable = ControlTable()
    path: tuple[PathTable, ...] = ()
    register: tuple[RegisterTable, ...] = ()
    service: tuple[ServiceTable, ...] = ()
    campaign: tuple[CampaignTable, ...] = ()
    fingerprints: FingerprintsTable = FingerprintsTable()
    store: StoreTable = StoreTable()
    asn: AsnTable = AsnTable()
    care: CareTable = CareTable()
    notify: tuple[NotifyTable, ...] = ()
    metrics: MetricsTable = MetricsTable()
    hub: HubTable = HubTable()

    def settings(self) -> Settings:
        """What the network edge is told."""
        from probe.settings import Settings

        said = {key: getattr(self.network, key) for key in Settings.__struct_fields__ if hasattr(self.network, key)}
        return Settings(**said)

    def path_named(self, name: str) -> NetworkPath:
        """The path of that name; `direct` is always there."""
        from probe.net.path import Path as NetworkPath

        for path in self.path:
            if path.name == name:
                return NetworkPath(path.name, path.bind, path.proxy, remote_names=path.dns == "remote")
        if name == "direct":
            return NetworkPath("direct")
        raise ConfigError(f"there is no path {name!r}; known: {', '.join(self.path_names)}")

    @property
    def ab_endpoint(self) -> tuple[str, int] | None:
        """Address and port of `network.ab_address`."""
        if self.network.ab_address is None:
            return None
        address, _, port = self.network.ab_address.rpartition(":")
        return address.strip("[]"), int(port)

    @property
    def path_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(("direct", *(path.name for path in self.path))))

    def place(self, path: str) -> Place:
        """What is known of the network behind `path`; nothing unless `schedules.location.location` has looked."""
        from schedules.location.location import Place

        return Place()

    def vantage_by(self, path: str) -> Vantage:
        """This vantage, as its packets leave by `path`: what the path says of itself, else what the vantage does.

        A path that leaves in a country of its own is in no network of the vantage's.
        """
        from probe.model import Vantage

        mine = self.vantage
        way = next((table for table in self.path if table.name == path), PathTable(name=path))
        here = VantageTable() if way.country is not None else mine
        return Vantage(
            name=mine.name,
            country=way.country or mine.country,
            asn=way.asn or here.asn,
            network_name=way.network_name or here.network_name,
            path=path,
        )


def load(path: Path | None, environ: Mapping[str, str], flags: Mapping[str, Any]) -> Config:
    """The file at `path` (None: no file), over it REACHPROBE_SECTION_KEY of `environ`, over that `flags`.

    Flags are by dotted key, `{"vantage.name": "home-fibre"}`. ConfigError names the first wrong key and its line.
    """
    text = read(path) if path is not None else ""
    where = path or Path("configuration")
    config = decode(text, where, Config)
    for variable, (section, key, kind) in variables().items():
        if variable in environ:
            try:
                value = from_words(environ[variable], kind)
            except msgspec.ValidationError as error:
                raise ConfigError(f"{variable}={environ[variable]!r}: {complaint(error)[0]}") from error
            config = _with(config, section, key, value)
    _refuse_unknown_variables(environ)
    for dotted_key, value in flags.items():
        section, key = dotted_key.split(".")
        try:
            value = msgspec.convert(value, get_type_hints(_section(section), include_extras=True)[key])
        except msgspec.ValidationError as error:
            raise ConfigError(f"{dotted_key} = {value!r}: {complaint(error)[0]}") from error
        config = _with(config, section, key, value)
    from schedules.config.checks import contradictions

    for keys, what in contradictions(config):
        raise mistake(text, where, keys, what) if path is not None else ConfigError(f"{dotted(keys)}: {what}")
    return config


def variables() -> dict[str, tuple[str, str, Any]]:
    """Every environment variable that sets a key: its section, its key, its type."""
    found: dict[str, tuple[str, str, Any]] = {}
    for section, kind in get_type_hints(Config, include_extras=True).items():
        if isinstance(kind, type) and issubclass(kind, Table):
            for key, key_kind in get_type_hints(kind, include_extras=True).items():
                found[f"REACHPROBE_{section}_{key}".upper()] = (section, key, key_kind)
    return found


def _section(name: str) -> type[Table]:
    kind: type[Table] = get_type_hints(Config)[name]
    return kind


def _with(config: Config, section: str, key: str, value: Any) -> Config:
    table = msgspec.structs.replace(getattr(config, section), **{key: value})
    return msgspec.structs.replace(config, **{section: table})


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    known = variables()
    prefixes = tuple({f"REACHPROBE_{section}_".upper() for section, _, _ in known.values()})
    for variable in sorted(environ):
        if variable.startswith(prefixes) and variable not in known:
            raise ConfigError(f"{variable}: no such key; docs/configuration.md lists them")
