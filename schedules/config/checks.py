"""Checks that span keys: unknown paths, names given twice, unreadable targets."""

from __future__ import annotations

from collections.abc import Iterator
from gettext import gettext as _
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

from probe.http.api_client import server_of
from probe.net.address_policy import literal
from probe.net.path import BadPath, proxy_of
from probe.net.resolver import BadResolver
from probe.net.resolver import parse as parse_resolver
from probe.target import BadTarget
from probe.target import parse as parse_target
from results.i18n.language import languages
from schedules.config.schema import CODES, Config, no_path
from schedules.config.toml import Keys

Mistakes = Iterator[tuple[Keys, str]]


def mistakes(config: Config) -> Mistakes:
    """The mistakes in a configuration, each with the key it is about."""
    paths = config.path_names
    for index, path in enumerate(config.path):
        if (path.bind is None) == (path.proxy is None):
            yield ("path", index), _("use either bind or proxy, not both")
    for table in ("path", "register", "service", "campaign", "notify"):
        seen: set[str] = set()
        for index, entry in enumerate(getattr(config, table)):
            if entry.name in seen:
                yield (table, index, "name"), _("{name} is given twice").format(name=repr(entry.name))
            seen.add(entry.name)
    yield from _hubs(config)
    for key, named in (("path", [config.control.path] if config.control.path else []), ("paths", config.control.paths)):
        for name in named:
            if name not in paths:
                yield ("control", key), no_path(name, paths)
    for index, path in enumerate(config.path):
        if path.dns == "local" and path.proxy is None:
            yield ("path", index, "dns"), _("applies only to a path with a proxy")
    for index, campaign in enumerate(config.campaign):
        if campaign.list is not None and "://" in campaign.list and not campaign.list.startswith("https://"):
            yield ("campaign", index, "list"), _("a published list needs an https:// URL")
        if campaign.path not in paths:
            yield ("campaign", index, "path"), no_path(campaign.path, paths)
    if config.network.ca_file is not None and not Path(config.network.ca_file).is_file():
        yield ("network", "ca_file"), _no_file(config.network.ca_file)
    if config.metrics.listen is not None and loopback_endpoint(config.metrics.listen) is None:
        yield ("metrics", "listen"), _is_not(config.metrics.listen, "127.0.0.1:PORT", "[::1]:PORT")
    if config.ui.language is not None and config.ui.language not in languages():
        says = _("there is no language {name}; known: {names}")
        yield ("ui", "language"), says.format(name=repr(config.ui.language), names=", ".join(languages()))
    yield from _categories(config)
    for index, campaign in enumerate(config.campaign):
        if (campaign.register is None) != (campaign.sample is None):
            yield ("campaign", index, "register"), _("register and sample go together")
        if campaign.include and campaign.register is None:
            yield ("campaign", index, "include"), _needs("register")
    yield from _unreadable_addresses(config)
    yield from _unreadable_targets(config)


def loopback_endpoint(text: str) -> tuple[str, int] | None:
    """The loopback address and port of a text such as `127.0.0.1:9877`; None for anything else."""
    endpoint = _endpoint(text)
    return (str(endpoint[0]), endpoint[1]) if endpoint is not None and endpoint[0].is_loopback else None


def _endpoint(text: str) -> tuple[IPv4Address | IPv6Address, int] | None:
    host, _colon, port = text.rpartition(":")
    address = literal(host.strip("[]"))
    if address is None or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        return None
    return address, int(port)


def _hubs(config: Config) -> Mistakes:
    hub = config.hub
    named: list[tuple[Keys, str]] = [(("control", "hub"), url) for url in config.control.all_hubs]
    named += [(("hub", "url"), hub.url)] if hub.url is not None else []
    for keys, url in named:
        try:
            server_of(url)
        except ValueError as error:
            yield keys, str(error)
    if hub.reading == "password" and hub.reading_password is None:
        yield ("hub", "reading"), _("needs hub.reading_password, as printed by `reachprobe hub password`")
    if config.asn.echo and hub.url is None:
        yield ("asn", "echo"), _needs("hub.url")
    if hub.targets is not None and not Path(hub.targets).is_file():
        yield ("hub", "targets"), _no_file(hub.targets)
    for text in hub.proxies:
        try:
            ip_network(text, strict=False)
        except ValueError:
            yield ("hub", "proxies"), _("{text} is not an address or network").format(text=repr(text))
    if hub.path not in config.path_names:
        yield ("hub", "path"), no_path(hub.path, config.path_names)


def _categories(config: Config) -> Mistakes:
    named: list[tuple[Keys, str | None]] = [(("care", "leave_out"), code) for code in config.care.leave_out]
    named += [(("service", index, "category"), service.category) for index, service in enumerate(config.service)]
    for keys, code in named:
        if code is not None and code not in CODES:
            says = _("{code} is not a category code; known: {names}")
            yield keys, says.format(code=repr(code), names=", ".join(sorted(CODES)))


def _unreadable_addresses(config: Config) -> Mistakes:
    network = config.network
    if network.ab_address and _endpoint(network.ab_address) is None:
        yield ("network", "ab_address"), _is_not(network.ab_address, "ADDRESS:PORT")
    for key in ("resolvers", "trusted_resolvers"):
        for text in getattr(network, key):
            try:
                if text != "system":
                    parse_resolver(text)
            except BadResolver as error:
                yield ("network", key), str(error)
    try:
        parse_resolver(f"udp://{network.no_resolver or '192.0.2.1'}")
    except BadResolver:
        yield ("network", "no_resolver"), _is_not(network.no_resolver, "ADDRESS", "ADDRESS:PORT")
    for index, path in enumerate(config.path):
        try:
            proxy_of(config.path_named(path.name))
        except BadPath as error:
            yield ("path", index, "proxy"), str(error)


def _unreadable_targets(config: Config) -> Mistakes:
    groups: list[tuple[Keys, tuple[str, ...]]] = [
        (("network", key), getattr(config.network, key)) for key in ("canaries", "domestic_canaries")
    ]
    for index, service in enumerate(config.service):
        groups.append((("service", index, "required"), service.required))
        groups.append((("service", index, "optional"), service.optional))
    groups += [(("campaign", index, "targets"), campaign.targets) for index, campaign in enumerate(config.campaign)]
    for keys, texts in groups:
        for text in texts:
            try:
                parse_target(text, allow_private=config.network.allow_private)
            except BadTarget as error:
                yield keys, str(error)


def _no_file(name: str) -> str:
    return _("no such file: {path}").format(path=name)


def _needs(key: str) -> str:
    return _("needs {key}").format(key=key)


def _is_not(text: str, *forms: str) -> str:
    return _("{text} is not {form}").format(text=repr(text), form=" / ".join(forms))
