"""Situations on the wire: real steps against the small censored network on loopback, judged by the real rules."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import dns.rcode

from probe import target as targets
from probe.measure import measure, measure_control
from probe.session import Session
from results.judge.classify import classify
from results.judge.control_steps import at_failed_addresses
from results.judge.follow_up import wants_control
from results.judge.verdict import Context, Verdict
from schedules.config.load import load
from schedules.demo import censor, sites
from schedules.demo.listener import ServerStream
from schedules.demo.network import Site
from schedules.demo.resolver import addresses, code
from schedules.round.session import control_session, session_of
from tests.lab import censor_actions, certificates, site_answers
from tests.lab.dns_behaviours import injected, silence
from tests.lab.network import LabNetwork

HEADLESS = b"<html><body>Access denied</body></html>"
QUIRKY = b"HTTP/1.1 200 OK\r\na line without a colon\r\nContent-Length: 2\r\n\r\nok"
STUB = "127.77.0.66"
CHALLENGE = sites.challenge()
MAY_HAVE_MOVED = "Blocked at first; a site that has moved looks the same without a second sign."
BY_ONE_CONTROL = "One control is no proof of a block by address: the service may refuse this country itself."
ONE_IN_THE_OPEN = "Probable at first; one control in the open may have been answered by its own country's filter."


@dataclass(frozen=True)
class Wire:
    """One situation: how its site is built, and what the verdict has to be."""

    name: str
    build: Callable[[LabNetwork, str], Site]
    outcome: str
    method: str | None = None
    trigger: str | None = None
    confidence: str | None = None
    control: bool = True
    scheme: str | None = None
    """Another scheme than the site's own: the endpoint at its port."""
    changed: str | None = None
    """Why this expectation is another than when it was first written."""
    why: str | None = None
    """Why this is right."""
    xfail: str | None = None
    """What the program still gets wrong here. Once it is right, this has to go."""


def _site(**how: object) -> Callable[[LabNetwork, str], Site]:
    return lambda net, name: net.add_site(name, **how)  # type: ignore[arg-type]


def _page(responder: sites.Responder, **how: object) -> Callable[[LabNetwork, str], Site]:
    return lambda net, name: net.add_site(name, responder, **how)  # type: ignore[arg-type]


def _certificate(make: Callable[[LabNetwork, str], ssl.SSLContext]) -> Callable[[LabNetwork, str], Site]:
    return lambda net, name: net.add_site(name, tls=make(net, name))


def _intercepted(net: LabNetwork, name: str) -> Site:
    return net.add_site(name, censored=censor.diverts(net.add_interceptor(sites.page("Intercepted"))))


def _led_to_stub(net: LabNetwork, name: str) -> Site:
    site = net.add_site(name, lie=addresses(STUB))
    net.add_stub(STUB, site.port, sites.answers(censor.block_answer()), net.interceptor.context("stub.x.test"))
    return site


def _led_to_a_plain_stub(net: LabNetwork, name: str) -> Site:
    site = net.add_site(name, sites.page("News", kib=30), tls=False, lie=addresses(STUB))
    net.add_stub(STUB, site.port, sites.answers(censor.block_answer(encoding="cp1251")))
    return site


def _led_nowhere(net: LabNetwork, name: str) -> Site:
    return net.add_site(name, lie=addresses("127.77.0.67"))


def _injected(net: LabNetwork, name: str) -> Site:
    site = net.add_site(name)
    net.lies[name] = injected(addresses("127.77.0.67"), addresses(site.address))
    return site


def _lingering(net: LabNetwork, name: str) -> Site:
    site = net.add_site(name, censored=censor.resets)
    net.policy = censor_actions.lingers(net.policy, site.address, 1.0)
    return site


def _ill_for_its_own_name(net: LabNetwork, name: str) -> Site:
    async def respond(request: sites.SiteRequest, stream: ServerStream) -> None:
        await (site_answers.closes if request.host == name else sites.page("Another"))(request, stream)

    return net.add_site(name, respond, tls=False)


def _gone(rcode: dns.rcode.Rcode) -> Callable[[LabNetwork, str], Site]:
    def build(net: LabNetwork, name: str) -> Site:
        site = net.add_site(name)
        net.honest_zone[name] = code(rcode)
        return site

    return build


def _loop(net: LabNetwork, name: str) -> Site:
    return net.add_site(
        name, site_answers.by_path({"/": site_answers.redirect("/b"), "/b": site_answers.redirect("/")})
    )


def _upgrades_to_the_reset(net: LabNetwork, name: str) -> Site:
    secure = net.add_site(f"www.{name}", tls=net.authority.context(f"www.{name}"), censored=censor.resets)
    return net.add_site(name, site_answers.redirect(secure.url), tls=False)


def _upgrades(net: LabNetwork, name: str) -> Site:
    secure = net.add_site(f"www.{name}", tls=net.authority.context(f"www.{name}"))
    return net.add_site(name, site_answers.redirect(secure.url), tls=False)


def _cdn(net: LabNetwork, name: str) -> Site:
    """Two addresses with the same certificate and port; each resolver knows one."""
    site = net.add_site(name, at=("127.77.3.1", "127.77.3.2"))
    net.lies[name], net.honest_zone[name] = addresses("127.77.3.1"), addresses("127.77.3.2")
    return site


BAN = sites.html("Уведомление", "<p>Доступ к этому сайту ограничен по решению суда.</p>")
REAL = sites.answers(sites.response(200, sites.html("News of today", kib=30), Server="honest", X_Cache="hit"))


def _ban(encoding: str = "utf-8") -> censor.Action:
    """A notice of a ban that no fingerprint knows, in a character set that nothing declares."""
    return censor.answers(
        sites.response(200, BAN.replace(b"<meta charset=utf-8>", b"").decode().encode(encoding), "text/html")
    )


def _backend(responder: sites.Responder) -> Callable[[LabNetwork, str], Site]:
    """A site whose visitors here are answered by another machine of the service's own, and the control's are not."""

    def build(net: LabNetwork, name: str) -> Site:
        other = net.add_site(f"backend.{name}", responder, tls=False)
        return net.add_site(name, REAL, tls=False, censored=censor.diverts((other.address, other.port)))

    return build


def _leads_to(page: bytes) -> Callable[[LabNetwork, str], Site]:
    """A site from which everybody here is led to another one, which has this page."""

    def build(net: LabNetwork, name: str) -> Site:
        notice = net.add_site(f"notice-{name}", sites.answers(sites.response(200, page)), tls=False)
        led = sites.response(302, Location=f"http://{notice.name}:{notice.port}/")
        return net.add_site(name, REAL, tls=False, censored=censor.answers(led))

    return build


_OWN = {"Server": "openresty", "X_Edge": "msk"}
SHOP = site_answers.by_path(
    {"/": sites.answers(sites.response(200, sites.html("Магазин", "Товары дня", kib=2), **_OWN))},
    sites.answers(sites.response(404, sites.html("Нет такой страницы"), **_OWN)),
)
APP = b'<title>App</title><div id=root></div><script src="/app.js"></script>'
ONE_PAGE = site_answers.by_path(
    {"/app.js": sites.answers(sites.response(200, b"render()", "text/javascript"))},
    sites.answers(sites.response(200, APP)),
)
NOT_HERE = sites.answers(
    sites.response(200, sites.html("Sorry", "Access to this site is restricted in your country."), Server="x")
)

BROKEN = {
    "nxdomain": code(dns.rcode.NXDOMAIN),
    "empty": code(dns.rcode.NOERROR),
    "refused": code(dns.rcode.REFUSED),
    "servfail": code(dns.rcode.SERVFAIL),
    "timeout": silence,
}

SITUATIONS = (
    *(Wire(f"dns-{how}", _site(lie=lie), "blocked", f"dns.{how}", "name", "probable") for how, lie in BROKEN.items()),
    Wire("dns-stub-page", _led_to_stub, "blocked", "dns.forged", "name", "confirmed"),
    Wire("dns-plain-stub", _led_to_a_plain_stub, "blocked", "dns.forged", "name", "confirmed"),
    Wire("dns-leads-nowhere", _led_nowhere, "inconclusive", changed=MAY_HAVE_MOVED),
    Wire("dns-injected", _injected, "blocked", "dns.forged", "name", "confirmed"),
    Wire(
        "tcp-unanswered",
        _site(connect="unanswered"),
        "blocked",
        "tcp.timeout",
        None,
        "possible",
        changed=BY_ONE_CONTROL,
    ),
    Wire("tcp-refused", _site(connect="refused"), "blocked", "tcp.refused", None, "possible", changed=BY_ONE_CONTROL),
    Wire("sni-reset", _site(censored=censor.resets), "blocked", "tls.reset", "name", "confirmed"),
    Wire("sni-reset-alone", _site(censored=censor.resets), "blocked", "tls.reset", "name", "confirmed", control=False),
    Wire("sni-drop", _site(censored=censor.drops), "blocked", "tls.timeout", "name", "confirmed"),
    Wire("sni-close", _site(censored=censor_actions.closes), "blocked", "tls.eof", "name", "confirmed"),
    Wire("sni-lingering", _lingering, "blocked", "tls.reset", "name", "confirmed"),
    Wire("sni-alert", _site(censored=censor_actions.alerts()), "blocked", "tls.alert", "name", "probable"),
    Wire("intercepted", _intercepted, "blocked", "tls.mitm", None, "probable"),
    Wire("intercepted-alone", _intercepted, "inconclusive", control=False),
    Wire(
        "page-1251",
        _page(sites.page("News", kib=30), tls=False, censored=censor.block_page(encoding="cp1251")),
        "blocked",
        "http.blockpage",
        "name",
        "confirmed",
    ),
    Wire(
        "page-redirect",
        _page(sites.page("News", kib=30), tls=False, censored=censor_actions.block_redirect()),
        "blocked",
        "http.blockpage",
        "name",
        "confirmed",
    ),
    Wire(
        "page-unknown",
        _page(
            sites.answers(sites.response(200, sites.html("News", kib=30), Server="honest", X_Cache="hit")),
            tls=False,
            censored=censor.answers(sites.response(200, sites.html("Sorry", "not here"))),
        ),
        "blocked",
        "http.blockpage",
        None,
        "possible",
        changed=ONE_IN_THE_OPEN,
    ),
    Wire(
        "host-reset",
        _site(tls=False, censored=censor.resets),
        "blocked",
        "http.reset",
        "name",
        "possible",
        changed=ONE_IN_THE_OPEN,
    ),
    Wire(
        "host-drop",
        _site(tls=False, censored=censor.drops),
        "blocked",
        "http.timeout",
        "name",
        "possible",
        changed=ONE_IN_THE_OPEN,
    ),
    Wire(
        "host-close",
        _site(tls=False, censored=censor_actions.closes),
        "blocked",
        "http.eof",
        "name",
        "possible",
        changed=ONE_IN_THE_OPEN,
    ),
    Wire(
        "freeze",
        _page(sites.page("Large", kib=256), censored=censor_actions.freezes_after(24_000)),
        "blocked",
        "http.stall",
        None,
        "probable",
    ),
    Wire("redirected-reset", _upgrades_to_the_reset, "blocked", "tls.reset", "name", "confirmed"),
    Wire("endpoint-reset", _site(censored=censor.resets), "blocked", "tls.reset", "name", "confirmed", scheme="tls"),
    Wire("honest", _site(), "reachable", confidence="confirmed"),
    Wire("honest-alone", _site(), "reachable", confidence="confirmed", control=False),
    Wire("large", _page(sites.page("Large", kib=2048)), "reachable", confidence="confirmed"),
    Wire("slow", _page(site_answers.trickle(1500, 0.02, 100)), "reachable", confidence="confirmed"),
    Wire("cdn", _cdn, "reachable", confidence="confirmed"),
    Wire("loop", _loop, "reachable", confidence="confirmed"),
    Wire("broken-redirect", _page(site_answers.redirect("https://[")), "reachable", confidence="confirmed"),
    Wire("upgrade", _upgrades, "reachable", confidence="confirmed"),
    Wire("plain", _site(tls=False), "reachable", confidence="probable"),
    Wire("plain-alone", _site(tls=False), "reachable", confidence="possible", control=False),
    Wire("quoted-page", _page(sites.answers(censor.block_answer(200))), "reachable", confidence="confirmed"),
    Wire("endpoint", _site(), "reachable", confidence="confirmed", scheme="tls"),
    Wire("bare-endpoint", _site(), "reachable", confidence="probable", scheme="tcp"),
    Wire("error-page", _page(sites.answers(sites.response(500, b"ill"))), "reachable", confidence="confirmed"),
    Wire("challenge", _page(CHALLENGE), "denied", confidence="confirmed"),
    Wire("plain-challenge", _page(CHALLENGE, tls=False), "denied", confidence="probable"),
    Wire("geoblock", _page(site_answers.geoblock()), "denied", confidence="confirmed"),
    Wire("rate-limit", _page(sites.answers(sites.response(429, b"less"))), "denied", confidence="confirmed"),
    Wire("dead", _site(dead=True), "down", confidence="probable"),
    Wire("dead-alone", _site(dead=True), "inconclusive", control=False),
    Wire("expired", _certificate(lambda net, name: net.authority.expired(name)), "down", confidence="probable"),
    Wire(
        "wrong-host", _certificate(lambda net, _: net.authority.context("other.x.test")), "down", confidence="probable"
    ),
    Wire(
        "picky",
        _certificate(lambda net, _: certificates.only_for(net.authority, "other.x.test")),
        "down",
        confidence="probable",
    ),
    Wire("closing", _page(site_answers.closes), "down", confidence="probable"),
    Wire("resetting", _page(site_answers.resets), "down", confidence="probable"),
    Wire("mute", _page(site_answers.no_answer), "down", confidence="probable"),
    Wire("half-page", _page(site_answers.ends_after(5000)), "down", confidence="probable"),
    Wire("ill-for-its-own-name", _ill_for_its_own_name, "down", confidence="probable"),
    Wire("stalling", _page(site_answers.stalls_after(5000)), "down", confidence="probable"),
    Wire("no-such-name", _gone(dns.rcode.NXDOMAIN), "down", confidence="probable"),
    Wire("broken-zone", _gone(dns.rcode.SERVFAIL), "down", confidence="probable"),
    Wire("quirky", _page(sites.answers(QUIRKY)), "reachable", confidence="confirmed"),
    Wire(
        "headless-for-one-name",
        _page(sites.page("News", kib=30), tls=False, censored=censor.answers(HEADLESS)),
        "blocked",
        "http.malformed",
        "name",
        "possible",
    ),
    Wire("headless", _page(sites.answers(HEADLESS), tls=False), "inconclusive"),
    Wire(
        "reset-behind-page",
        _page(site_answers.resets_behind(b"all of it"), tls=False),
        "reachable",
        None,
        None,
        "probable",
    ),
    Wire(
        "reset-behind-page-alone",
        _page(site_answers.resets_behind(b"</html>")),
        "reachable",
        confidence="confirmed",
        control=False,
    ),
    Wire("stream", _page(site_answers.trickle(1_000_000, 0.05, 100)), "reachable", confidence="confirmed"),
    Wire("event-stream", _page(site_answers.event_stream), "reachable", confidence="confirmed"),
    Wire("not-http", _page(site_answers.not_http), "down", confidence="probable"),
)


async def judge_all(timeout_s: float = 1.0, situations: Sequence[Wire] = SITUATIONS) -> dict[str, Verdict]:
    """Build the situations into one network, measure and judge them all at once; verdicts by situation."""
    async with LabNetwork(timeout_s=timeout_s) as net:
        urls = {}
        for wire in situations:
            site = wire.build(net, f"{wire.name}.x.test")
            scheme = f"{wire.scheme}://{site.name}:{site.port}"
            urls[wire.name] = scheme if wire.scheme else site.url
        path = Path(net.folder) / "situations.toml"
        path.write_text(net.config_toml(), "utf-8")
        config = load(path, {}, {})
        session = session_of(config, "direct")
        control = control_session(config, "control")
        assert control is not None
        many = asyncio.Semaphore(24)

        async def judge(wire: Wire) -> Verdict:
            async with many:
                return await _judge(urls[wire.name], session, control if wire.control else None)

        found = await asyncio.gather(*(judge(wire) for wire in situations))
        return {wire.name: verdict for wire, verdict in zip(situations, found, strict=True)}


async def _judge(url: str, session: Session, control: Session | None) -> Verdict:
    measurement = await measure(targets.parse(url, allow_private=True), session)
    context = Context(country="RU", allow_private=True)
    verdict = classify(measurement, (), context)
    if control is None or not wants_control(measurement, verdict):
        return verdict
    return classify(measurement, (await measure_control(measurement, control, at_failed_addresses),), context)
