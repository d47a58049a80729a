"""The checks of `doctor` on the network: resolvers, paths, reference sites, clock, the A/B server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from gettext import gettext as _

from probe import reference_sites
from probe.endpoint import attempt_all
from probe.model import Attempt
from probe.net.path import BadPath, usable
from probe.net.resolver import parse
from probe.recorder import Log
from probe.reference_sites import NetworkReport
from results.judge.verdict import NetworkState
from schedules.config.schema import Config
from schedules.doctor.checks import NO_NETWORK, CheckResult, fine, worth_knowing
from schedules.render.text import words
from schedules.round.session import session_of
from schedules.runtime import process


def network(config: Config, agreed: bool) -> Iterator[CheckResult]:
    """Check the resolvers and paths; with consent also contact the reference sites and the A/B server."""
    for text in config.network.resolvers:
        asked = ", ".join(resolver.address or resolver.text for resolver in parse(text))
        yield fine("resolver", f"{text}: {asked}")
    if not config.network.trusted_resolvers:
        yield worth_knowing("trusted resolvers", _("not set: DNS answers cannot be checked"))
    yield from _paths(config)
    if not agreed:
        yield worth_knowing("network", _("not checked: without consent nothing is contacted"))
        return
    report = process.run_async(reference_sites.check(session_of(config, "direct"), every_resolver=True))
    yield from _reported(config, report)
    for path in config.path_names:
        if path != "direct":
            yield from _path_state(config, path)
    if config.ab_endpoint is not None:
        yield process.run_async(_ab_server(config, *config.ab_endpoint))


def _reported(config: Config, report: NetworkReport) -> Iterator[CheckResult]:
    """The reference sites' answers, and what else they show of the network."""
    for site in report.measurements:
        answer = reference_sites.answer_of(site)
        says = words().say("site_answer." + answer.replace(" ", "_"), site=site.target.text)
        yield (fine if answer == "works" else worth_knowing)("reference site", says)
    for sentence in report.facts.interception:
        yield worth_knowing("DNS", sentence)
    if not report.facts.interception and (config.network.no_such_name or config.network.no_resolver):
        yield fine("DNS", _("no sign of DNS interception"))
    if report.facts.clock_off_s is not None:
        wrong_by = report.facts.clock
        agrees = _("agrees with the reference sites")
        yield fine("clock", agrees) if wrong_by is None else worth_knowing("clock", wrong_by)
    if report.facts.routes is not None:
        lacking = [family for family in config.network.families if family not in report.facts.routes]
        if lacking:
            yield worth_knowing("families", _("no route for {families}").format(families=", ".join(lacking)))
        else:
            yield fine("families", _("routes for {families}").format(families=", ".join(report.facts.routes)))
    if report.state == "online":
        yield fine("network", _network_state("online"))
    else:
        code = NO_NETWORK if report.state in ("offline", "portal") else 0
        yield CheckResult("network", "wrong", _network_state(report.state), code)


def _paths(config: Config) -> Iterator[CheckResult]:
    if not config.control.all_paths and not config.control.all_hubs:
        yield worth_knowing(
            "control", _('not set: without one, "blocked" is hard to tell from "site down"; set [control] path')
        )
    for path in config.path_names:
        about = "control" if path in config.control.all_paths else "path"
        try:
            usable(config.path_named(path))
        except BadPath as error:
            yield worth_knowing(about, str(error).removeprefix("path "))


def _path_state(config: Config, path: str) -> Iterator[CheckResult]:
    """Whether the reference sites answer via an available path."""
    about = "control" if path in config.control.all_paths else "path"
    try:
        report = process.run_async(reference_sites.check(session_of(config, path)))
    except BadPath:
        return  # already reported
    if report.state == "online":
        yield fine(about, _("{path} is online").format(path=path))
    else:
        says = _("{path}: {state}, so nothing can be measured via it; check its proxy or VPN")
        yield worth_knowing(about, says.format(path=path, state=_network_state(report.state)))


def _network_state(state: NetworkState) -> str:
    return words().term("network_state", state)


async def _ab_server(config: Config, address: str, port: int) -> CheckResult:
    """Whether the server of `network.ab_address` completes a handshake for any name."""
    session = session_of(config, "direct")
    for name in (config.network.innocent_name, f"{session.network.token()}.invalid"):
        attempt = Attempt(
            role="elsewhere_innocent", hop=0, scheme="tls", host=address, server_name=name, address=address, port=port
        )
        with closing(Log(session.network.token(), session.network)) as log:
            if await attempt_all([attempt], log, session) is None:
                says = _("{server} does not answer a handshake for {name}; change [network] ab_address")
                return worth_knowing("A/B server", says.format(server=f"{address}:{port}", name=name))
    return fine("A/B server", _("{server} answers handshakes for any name").format(server=f"{address}:{port}"))
