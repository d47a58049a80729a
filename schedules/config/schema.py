"""The configuration's tables: every key, its type and its default."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Container
from gettext import gettext as _
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from probe.model import Vantage
from probe.net.address_policy import Gate
from probe.net.path import Path as NetworkPath
from probe.session import Settings
from probe.timestamps import seconds_of
from results.judge.judged import AsnSource
from schedules.config.toml import ConfigError

Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
Country = Annotated[str, Meta(pattern="^[A-Z]{2}$")]
Asn = Annotated[int, Meta(ge=1, le=4294967295)]
Every = Annotated[str, Meta(pattern="^[1-9][0-9]{0,5}[smhd]$")]
Count = Annotated[int, Meta(ge=1, le=10_000)]

# fmt: off
CODES = frozenset((
    "ALDR", "REL", "PORN", "PROV", "POLR", "HUMR", "ENV", "MILX", "HATE", "NEWS", "XED", "PUBH", "GMB", "ANON", "DATE",
    "GRP", "LGBT", "FILE", "HACK", "COMT", "MMED", "HOST", "SRCH", "GAME", "CULTR", "ECON", "GOVT", "COMM", "CTRL",
    "IGO", "MISC",
))
"""Citizen Lab's categories (test-lists/lists/00-LEGEND-new_category_codes.csv)."""
# fmt: on

MAX_AGE_DAYS = 3.0
"""The age at which a register's version no longer decides, unless configured."""
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class ConfigTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all tables: frozen, and without unknown keys."""


class VantageTable(ConfigTable, frozen=True, kw_only=True):
    name: Name = "home"
    country: Country | None = None
    """Which registers apply."""
    asn: Asn | None = None
    network_name: Name | None = None


class NetworkTable(ConfigTable, frozen=True, kw_only=True):
    resolvers: Annotated[tuple[str, ...], Meta(min_length=1, max_length=8)] = ("system",)
    """The resolvers that users of this network have."""
    trusted_resolvers: Annotated[tuple[str, ...], Meta(max_length=8)] = (
        "https://1.1.1.1/dns-query",
        "https://8.8.8.8/dns-query",
        "tls://9.9.9.9",
    )
    """Resolvers of several operators to compare with, by address, so that no name has to be looked up."""
    canaries: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)] = (
        "http://cp.cloudflare.com/generate_204",
        "http://connectivitycheck.gstatic.com/generate_204",
        "http://detectportal.firefox.com/success.txt",
        "https://www.wikipedia.org/",
        "https://www.apple.com/",
    )
    domestic_canaries: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    no_such_name: Annotated[str, Meta(max_length=253, pattern=r"^[a-z0-9.-]*$")] = "nowhere.invalid"
    """A name that cannot exist (RFC 6761); an address for it shows a resolver that forges answers."""
    no_resolver: str = "192.0.2.1"
    """An address that runs no resolver (RFC 5737); an answer from it shows that the network intercepts DNS."""
    ca_file: str | None = None
    allow_private: bool = False
    private_hosts: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    """Your own hosts that may have private addresses: a hub, the source of a list, a webhook; never a target."""
    families: Annotated[tuple[Literal["ipv4", "ipv6"], ...], Meta(min_length=1, max_length=2)] = ("ipv4", "ipv6")
    timeout_s: Annotated[float, Meta(gt=0, le=300)] = 10.0
    concurrency: Count = 64
    per_address: Count = 2
    user_agent: Annotated[str, Meta(min_length=1, max_length=512, pattern=r"^[\x20-\x7e]*$")] = BROWSER
    max_body_bytes: Annotated[int, Meta(ge=1024, le=16 * 1024 * 1024)] = 524288
    max_addresses: Annotated[int, Meta(ge=1, le=64)] = 3
    """For each family of a name."""
    https_records: bool = False
    """Whether to query HTTPS records too, which show HTTP/3 and Encrypted ClientHello."""
    quic: bool = False
    """Whether to also try QUIC with services that answered over TLS and offer it."""
    innocent_name: str = "www.example.com"
    """The innocuous name of the A/B step."""
    ab_address: str | None = None
    """ADDR:PORT of a server that answers TLS for any name, for the A/B step at another address."""
    tunnel: Literal["mark", "skip", "ignore"] = "mark"
    """If packets leave via a VPN that is not a configured path: record an unknown network, skip, or ignore it."""
    metered: Literal["skip", "measure"] = "skip"
    """Whether `run` and the agent measure on a metered network."""

    @property
    def gate(self) -> Gate:
        """What hubs, downloads and notifications may lead to."""
        hosts = frozenset(host.lower() for host in self.private_hosts)
        return Gate(allow_private=self.allow_private, hosts=hosts)


class ControlTable(ConfigTable, frozen=True, kw_only=True):
    hub: str | Annotated[tuple[str, ...], Meta(max_length=4)] | None = None
    """A group's hub, or several, each asked if those before it do not answer."""
    path: str | None = None
    paths: Annotated[tuple[str, ...], Meta(max_length=4)] = ()
    """Several paths instead of one; if they disagree, a verdict is less sure."""
    vantages: Annotated[tuple[Name, ...], Meta(max_length=64)] = ()
    """Vantages whose recorded failures also count as controls."""
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


class PathTable(ConfigTable, frozen=True, kw_only=True):
    name: Name
    bind: str | None = None
    proxy: str | None = None
    country: Country | None = None
    """The country it leaves in; one in the vantage's own country does not serve as a control."""
    asn: Asn | None = None
    network_name: Name | None = None
    dns: Literal["remote", "local"] = "remote"
    """Where names are looked up on a path through a proxy: at the proxy, or here."""


class RegisterTable(ConfigTable, frozen=True, kw_only=True):
    name: Name
    country: Country | None = None
    format: str | None = None
    source: str | None = None
    sources: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    """Mirrors, in their order, after `source`."""
    max_age_days: Annotated[float, Meta(gt=0)] = MAX_AGE_DAYS

    @property
    def all_sources(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*([self.source] if self.source is not None else []), *self.sources)))

    @property
    def import_command(self) -> str:
        """The command that imports the newest version."""
        name = shlex.quote(self.name)
        if self.all_sources:
            return f"reachprobe register update {name}"
        return f"reachprobe register import FILE --as {name}" + (f" --country {self.country}" if self.country else "")


class ServiceTable(ConfigTable, frozen=True, kw_only=True):
    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]
    title: Name | None = None
    category: Annotated[str, Meta(pattern="^[A-Z]{2,8}$")] | None = None
    """Citizen Lab's category code."""
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    ended: Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None = None
    """The day the service itself was shut down."""
    note: Annotated[str, Meta(max_length=300)] | None = None


class CampaignTable(ConfigTable, frozen=True, kw_only=True):
    name: Name
    services: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    list: str | None = None
    register: str | None = None
    sample: Count | None = None
    """The number of hosts drawn at random from the register."""
    seed: Annotated[int, Meta(ge=0, le=2**53)] = 1
    """Vantages with the same seed, size and register version draw the same hosts."""
    include: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    """Authorities whose hosts may be drawn although they may be about drugs, suicide or child abuse."""
    every: Every = "6h"
    path: str = "direct"


class FingerprintsTable(ConfigTable, frozen=True, kw_only=True):
    sources: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    """Published lists of block pages, files or URLs: what `fingerprints update` reads."""


class StoreTable(ConfigTable, frozen=True, kw_only=True):
    keep_days: Annotated[int, Meta(ge=1, le=36500)] = 400
    max_mb: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    """Above this size the oldest measurements are deleted."""

    @property
    def max_bytes(self) -> int | None:
        return None if self.max_mb is None else self.max_mb * 1_000_000


class AsnTable(ConfigTable, frozen=True, kw_only=True):
    mmdb: str | None = None
    """A local database of ASNs in MaxMind's format."""
    country_mmdb: str | None = None
    """Another one for countries, if the first has none."""
    echo: bool = False
    """Whether to ask the group's hub which network it sees this vantage in."""


class CareTable(ConfigTable, frozen=True, kw_only=True):
    leave_out: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    """Citizen Lab's category codes."""
    leave_out_listed: Annotated[tuple[Name, ...], Meta(max_length=64)] = ()
    """Authorities and articles, as a register writes them."""
    vpn_services_in: Annotated[tuple[Country, ...], Meta(max_length=64)] = ()
    """Countries where VPN services are measured although using one may be an offence there."""
    data_cap_mb: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    """The traffic allowed in a month."""

    @property
    def cap_bytes(self) -> int | None:
        return None if self.data_cap_mb is None else self.data_cap_mb * 1_000_000


What = Literal["changes", "open", "listed"]
CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"


class NotifyTable(ConfigTable, frozen=True, kw_only=True):
    name: Name
    urls: Annotated[
        tuple[Annotated[str, Meta(max_length=2000, pattern=r"^[a-zA-Z0-9]+://")], ...], Meta(min_length=1, max_length=8)
    ]
    """In apprise's notation. They hold passwords and are never printed."""
    what: Annotated[tuple[What, ...], Meta(min_length=1)] = ("changes", "open", "listed")
    quiet_hours: Annotated[str, Meta(pattern=f"^{CLOCK}-{CLOCK}$")] | None = None
    """On this machine's clock."""
    digest: Every | None = None
    """Send notices together, at most once in this time."""

    @property
    def digest_s(self) -> float:
        return seconds_of(self.digest) if self.digest is not None else 0.0


class MetricsTable(ConfigTable, frozen=True, kw_only=True):
    textfile: Annotated[str, Meta(pattern=r"\.prom$")] | None = None
    """Written after each round, for node_exporter's textfile collector."""
    listen: str | None = None
    """The loopback address where the agent serves GET /metrics."""


Pin = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]

Password = Annotated[str, Meta(pattern="^scrypt:[0-9a-f]{32}:[0-9a-f]{64}$")]


class HubTable(ConfigTable, frozen=True, kw_only=True):
    url: str | None = None
    """Where results are uploaded, once `reachprobe init --hub` has enrolled this vantage."""
    path: str = "direct"
    """The path to hubs."""
    pins: Annotated[tuple[Pin, ...], Meta(max_length=8)] = ()
    """SHA-256 of public keys; a hub's certificate must have one of them, and then needs no known issuer."""
    reading: Literal["public", "password", "members"] | None = None
    """Who may read this hub; unset: everyone on the loopback, else members."""
    reading_password: Password | None = None
    """For `reading = "password"`: what `reachprobe hub password` prints."""
    operator_password: Password | None = None
    """For `/metrics` of this hub, likewise."""
    store: str | None = None
    """The URL of a warehouse that a separate process loads this hub's data into."""
    pages: Literal["own", "store"] = "own"
    """What pages over many vantages query: this hub's database, or the `store` that hubs share."""
    member_mb_per_day: Annotated[int, Meta(ge=1, le=1_000_000)] = 512
    """What one member may upload to this hub, in MiB as it is unpacked."""
    proxies: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    """Public addresses or networks from which this hub believes X-Forwarded-For, with `--behind-proxy`."""
    targets: str | None = None
    """A file of targets that this hub shares with its vantages at `/v1/targets`."""


class VantageLocation(msgspec.Struct, frozen=True, kw_only=True):
    """The network that a path leads through."""

    network_key: str | None = None
    """Which of this machine's networks; None if unknown, and behind a proxy, which looks the same from all."""
    line: str | None = None
    """The same for the machine itself, whatever the path."""
    asn_source: AsnSource | None = None
    tunnel: str | None = None
    """The tunnel that packets leave by although no path names it."""
    slept_s: float = 0.0
    vantage: VantageTable | None = None
    """The observed vantage, which replaces the declared one; None: as declared."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a person should know about it, in the reader's language."""
        return self.worded(_)

    def worded(self, _: Callable[[str], str] = str) -> tuple[str, ...]:
        """The same through a translation; in English, to be stored, without one."""
        if self.tunnel is None or self.vantage is None:
            return ()
        says = _("packets leave via {tunnel}, so results are recorded without country and network")
        return (says.format(tunnel=self.tunnel),)


class UiTable(ConfigTable, frozen=True, kw_only=True):
    language: Annotated[str, Meta(pattern="^[a-z]{2,3}$")] | None = None
    """Of messages, notifications and reports; None for the locale's."""


def no_path(name: str, known: tuple[str, ...]) -> str:
    return _("there is no path {name}; known: {names}").format(name=repr(name), names=", ".join(known))


class Config(ConfigTable, frozen=True, kw_only=True):
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
    ui: UiTable = UiTable()

    def settings(self) -> Settings:
        """The settings for measuring."""
        given = {key: getattr(self.network, key) for key in Settings.__struct_fields__ if hasattr(self.network, key)}
        return Settings(**given)

    def path_named(self, name: str) -> NetworkPath:
        """The path of that name; `direct` always exists. Raises ConfigError."""
        for path in self.path:
            if path.name == name:
                return NetworkPath(path.name, path.bind, path.proxy, remote_names=path.dns == "remote")
        if name == "direct":
            return NetworkPath("direct")
        raise ConfigError(no_path(name, self.path_names))

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

    def place(self, path: str) -> VantageLocation:
        """The location behind `path`: empty here, known in a located configuration."""
        return VantageLocation()

    def max_age_days(self, register: str) -> float:
        """The maximum age in days of the version of a register that decides."""
        return next((table.max_age_days for table in self.register if table.name == register), MAX_AGE_DAYS)

    def not_imported(self, stored: Container[str], country: str) -> list[RegisterTable]:
        """The registers of this country or of none that are not among the `stored` ones."""
        return [one for one in self.register if one.country in (None, country) and one.name not in stored]

    def path_table(self, name: str) -> PathTable:
        """The table of a path; an empty one where there is none."""
        return next((table for table in self.path if table.name == name), PathTable(name=name))

    def vantage_by(self, path: str) -> Vantage:
        """This vantage as seen via `path`: the path's own country and network, else the vantage's.

        A path with a country of its own is not in the vantage's network.
        """
        mine = self.vantage
        way = self.path_table(path)
        here = VantageTable() if way.country is not None else mine
        return Vantage(
            name=mine.name,
            country=way.country or mine.country,
            asn=way.asn or here.asn,
            network_name=way.network_name or here.network_name,
            path=path,
        )
