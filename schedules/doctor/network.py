"""Whether the network, its paths, its resolvers and its clock are fit to measure by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from schedules.doctor.check_result import NO_NETWORK, Finding, State
from schedules.runtime import event_loop

if TYPE_CHECKING:
    from probe.reference_sites import NetworkReport
    from schedules.config.schema import Config


def found(config: Config, agreed: bool) -> Iterator[Finding]:
    from probe import reference_sites
    from probe.net.resolver import parse
    from schedules.round.session import means_of

    for text in config.network.resolvers:
        asked = ", ".join(resolver.address or resolver.text for resolver in parse(text))
        yield Finding("resolver", "fine", f"{text}: {asked}")
    if not config.network.trusted_resolvers:
        yield Finding("trusted resolvers", "worth knowing", "none, so no second opinion on names")
    yield from controls(config)
    if not agreed:
        yield Finding("network", "worth knowing", "not asked: without consent nothing is contacted")
        return
    report = event_loop.run(reference_sites.check(means_of(config, "direct")))
    yield from _reported(config, report)
    for path in config.path_names:
        if path != "direct":
            yield from _reached(config, path)
    if config.ab_endpoint is not None:
        yield event_loop.run(set_aside(config, *config.ab_endpoint))


def _reported(config: Config, report: NetworkReport) -> Iterator[Finding]:
    """What the canaries say, and what else was seen of the network."""
    for sentence in report.evidence:
        state: State = "fine" if sentence.endswith("works") else "worth knowing"
        yield Finding("canary", state, sentence.removeprefix("canary "))
    for sentence in report.facts.interception:
        yield Finding("DNS", "worth knowing", sentence)
    if not report.facts.interception and (config.network.no_such_name or config.network.no_resolver):
        yield Finding("DNS", "fine", "no sign that this network answers in others' place")
    if report.facts.clock_off_s is not None:
        says = report.facts.clock or "agrees with the canaries"
        yield Finding("clock", "fine" if report.facts.clock is None else "worth knowing", says)
    if report.facts.routes is not None:
        lacking = [family for family in config.network.families if family not in report.facts.routes]
        says = f"no way out for {', '.join(lacking)}" if lacking else f"a way out for {', '.join(report.facts.routes)}"
        yield Finding("families", "worth knowing" if lacking else "fine", says)
    if report.state == "online":
        yield Finding("network", "fine", "online")
    else:
        code = NO_NETWORK if report.state in ("offline", "portal") else 0
        yield Finding("network", "wrong", report.state, code)


def controls(config: Config) -> Iterator[Finding]:
    from probe.net.path import BadPath, usable

    if not config.control.all_paths and not config.control.all_hubs:
        says = "none, so blocked and down can hardly be told apart; set [control] path"
        yield Finding("control", "worth knowing", says)
    for path in config.path_names:
        about = "control" if path in config.control.all_paths else "path"
        try:
            usable(config.path_named(path))
        except BadPath as error:
            yield Finding(about, "worth knowing", str(error).removeprefix("path "))


def _reached(config: Config, path: str) -> Iterator[Finding]:
    """Whether the canaries answer by a path that is there."""
    from probe import reference_sites
    from probe.net.path import BadPath
    from schedules.round.session import means_of

    about = "control" if path in config.control.all_paths else "path"
    try:
        report = event_loop.run(reference_sites.check(means_of(config, path)))
    except BadPath:
        return  # that is a finding already
    if report.state == "online":
        yield Finding(about, "fine", f"{path} is online")
    else:
        says = f"{path} is {report.state}, so nothing can be measured by it; see that its proxy or VPN works"
        yield Finding(about, "worth knowing", says)


async def set_aside(config: Config, address: str, port: int) -> Finding:
    """Whether the server of `network.ab_address` answers handshakes, whatever name is sent."""
    from contextlib import closing

    from probe.endpoint import attempt_all
    from probe.model import Attempt
    from probe.recorder import Log
    from schedules.round.session import means_of

    means = means_of(config, "direct")
    for name in (config.network.innocent_name, f"{means.network.token()}.invalid"):
        attempt = Attempt(
            role="elsewhere_innocent", hop=0, scheme="tls", host=address, server_name=name, address=address, port=port
        )
        with closing(Log(means.network.token(), means.network)) as log:
            if await attempt_all([attempt], log, means) is None:
                says = (
                    f"{address}:{port} does not answer a handshake for {name}; [network] ab_address needs one that does"
                )
                return Finding("address set aside", "worth knowing", says)
    return Finding("address set aside", "fine", f"{address}:{port} answers handshakes for any name")
