"""Every host that a round would contact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from gettext import gettext as _
from urllib.parse import urlsplit

import msgspec

from probe.allow_list import domestic_sites
from probe.net.path import proxy_of
from probe.net.resolver import parse as parse_resolver
from probe.target import parse as parse_target
from results.judge.follow_up import PLAIN, SECURE
from schedules.config.schema import Config
from schedules.plan.lists import is_published
from schedules.plan.model import Choice


class Contact(msgspec.Struct, frozen=True):
    """A host, its port (None if the system chooses it), and the purpose of the contact."""

    host: str
    port: int | None
    why: str


def contacts(config: Config, choices: Sequence[Choice]) -> tuple[Contact, ...]:
    """Targets first; hosts behind redirects are not known beforehand."""
    found = [*_targets(choices), *_of_every_round(config)]
    for choice in choices:
        found += _proxy(config, choice.path, _("proxy of path {path}"))
    for path in config.control.all_paths:
        found += _proxy(config, path, _("proxy of control path {path}"))
    found += _hubs(config)
    return tuple(dict.fromkeys(found))


def _targets(choices: Iterable[Choice]) -> Iterator[Contact]:
    alone, of_service = _("target"), _("target of {service}")
    for choice in choices:
        for target in choice.targets:
            why = of_service.format(service=target.service) if target.service else alone
            yield Contact(target.host, target.port, why)


def _of_every_round(config: Config) -> Iterator[Contact]:
    network = config.network
    for url in network.canaries:
        yield _reference_site(url, _("reference site"), network.allow_private)
    for url in network.domestic_canaries:
        yield _reference_site(url, _("domestic reference site"), network.allow_private)
    if not network.domestic_canaries:
        for url in domestic_sites(config.vantage.country):
            yield _reference_site(url, _("domestic reference site, if no other responds"), network.allow_private)
    resolvers = ((_("resolver"), network.resolvers), (_("trusted resolver"), network.trusted_resolvers))
    for kind, texts in resolvers:
        for text in texts:
            for resolver in parse_resolver(text):
                yield Contact(resolver.address or resolver.text, resolver.port or None, kind)
    if network.no_resolver:
        silent = parse_resolver(f"udp://{network.no_resolver}")[0]
        why = _("no resolver there: tests for DNS interception")
        yield Contact(silent.address or network.no_resolver, silent.port, why)
    if config.ab_endpoint is not None:
        address, port = config.ab_endpoint
        yield Contact(address, port, _("A/B step, if a handshake fails"))
        if port == SECURE:
            yield Contact(address, PLAIN, _("A/B step, if a plain HTTP request fails"))


def _reference_site(url: str, why: str, allow_private: bool) -> Contact:
    target = parse_target(url, allow_private=allow_private)
    return Contact(target.host, target.port, why)


def _hubs(config: Config) -> Iterator[Contact]:
    from probe.http.api_client import server_of

    named = [(url, _("hub: control measurements")) for url in config.control.all_hubs]
    named += [(config.hub.url, _("hub: uploads"))] if config.hub.url is not None else []
    for url, why in named:
        server = server_of(url)
        yield Contact(server.host, server.port, why)
    if named:
        yield from _proxy(config, config.hub.path, _("proxy of the path to the hub, {path}"))


def publishers(config: Config) -> Iterator[Contact]:
    """The hosts that the campaigns' published lists are fetched from."""
    for campaign in config.campaign:
        if campaign.list is not None and is_published(campaign.list):
            url = urlsplit(campaign.list)
            why = _("list of campaign {name}").format(name=campaign.name)
            yield Contact(url.hostname or "", url.port or 443, why)


def notification_hosts(config: Config) -> Iterator[Contact]:
    """The hosts that notifications go to, as apprise reads their URLs; a URL may hold a secret, so none is shown."""
    from schedules.notify.apprise_client import hosts, notify_urls

    for address in notify_urls(config).values():
        known = hosts(address)
        for host, port in known:
            yield Contact(host, port, _("notifications: {name}").format(name=address.name))
        if not known:
            yield Contact(address.name, None, _("notifications: unknown host; see `reachprobe doctor`"))


def _proxy(config: Config, path: str, why: str) -> Iterator[Contact]:
    proxy = proxy_of(config.path_named(path))
    if proxy is not None:
        yield Contact(proxy.host, proxy.port, why.format(path=path))
