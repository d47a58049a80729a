"""Censored networks on loopback and what has to be said of every target in them."""

from __future__ import annotations

from dataclasses import replace

import dns.rcode

from schedules.demo import censor, sites
from schedules.demo.censor import Action, Flow, Policy
from schedules.demo.resolver import addresses, code
from tests.lab import censor_actions, site_answers
from tests.lab.dns_behaviours import injected, silence
from tests.live import quic
from tests.live.rounds import Network, Plan
from tests.situation import Expected

STUB, NOWHERE, ADVERTISER = "127.77.0.66", "127.77.0.67", "127.77.0.68"
REACHABLE = Expected("reachable", confidence="confirmed")
DENIED = Expected("denied", confidence="confirmed")
DOWN = Expected("down")
UNTOLD = Expected("inconclusive")
NOT_BLOCKED = Expected("inconclusive", also=("reachable", "down"))
NOT_LISTED = Expected("blocked", "tls.timeout", "allowlist", "confirmed")
PLAIN_NOT_LISTED = Expected("blocked", "http.timeout", "allowlist", "possible")
BY_NAME = Expected("blocked", "tls.reset", "name", "confirmed")
PAGE = Expected("blocked", "http.blockpage", None, "confirmed")
BLOCKED = Expected("blocked", also=("inconclusive",))
OTHERS_PASS = "Inconclusive at first; any other name is answered at the very same address."
NAME_ALONE = Expected("blocked", "http.reset", "name", "possible", changed=OTHERS_PASS)
BY_ONE_CONTROL = "One control is no proof of a block by address: the service may refuse this country itself."
BY_ADDRESS = Expected("blocked", "tcp.timeout", None, "possible", changed=BY_ONE_CONTROL)
LARGE = sites.page("A large page", kib=256)
RICH = sites.answers(sites.response(200, sites.html("News", kib=30), Server="honest", X_Cache="hit"))


def blocked(method: str, trigger: str | None = None, confidence: str = "probable") -> Expected:
    return Expected("blocked", method, trigger, confidence)


def by_one_in_the_open(method: str) -> Expected:
    why = "Probable at first; one control in the open may have been answered by its own country's filter."
    return Expected("blocked", method, None, "possible", changed=why)


def everything(plan: Plan) -> None:
    """What the demo's network can do, each once, beside sites that are fine, down, or refuse."""
    net = plan.net
    plan.site("sni-reset", BY_NAME, censored=censor.resets, listed=True)
    plan.site("sni-drop", blocked("tls.timeout", "name", "confirmed"), censored=censor.drops)
    plan.site("sni-close", blocked("tls.eof", "name", "confirmed"), censored=censor_actions.closes)
    plan.site("sni-alert", blocked("tls.alert", "name"), censored=censor_actions.alerts())
    plan.site("endpoint", BY_NAME, censored=censor.resets, scheme="tls")
    interceptor = net.add_interceptor(sites.page("Intercepted"))
    plan.site("intercepted", blocked("tls.mitm"), censored=censor.diverts(interceptor))
    plan.site("host-reset", by_one_in_the_open("http.reset"), RICH, tls=False, censored=censor.resets)
    plan.site("host-drop", by_one_in_the_open("http.timeout"), RICH, tls=False, censored=censor.drops)
    plan.site("page", PAGE, RICH, tls=False, censored=censor.block_page(encoding="cp1251"))
    plan.site("redirect", PAGE, RICH, tls=False, censored=censor_actions.block_redirect())
    plan.site("freeze", blocked("http.stall"), LARGE, censored=censor_actions.freezes_after(16384))
    plan.site("unanswered", BY_ADDRESS, connect="unanswered")
    plan.site("refused", replace(BY_ADDRESS, method="tcp.refused"), connect="refused")
    for how, lie in (("nxdomain", dns.rcode.NXDOMAIN), ("empty", dns.rcode.NOERROR), ("refused", dns.rcode.REFUSED)):
        plan.site(f"dns-{how}", blocked(f"dns.{how}", "name"), lie=code(lie))
    plan.site("dns-silent", blocked("dns.timeout", "name"), lie=silence)
    stub = plan.site("dns-stub", blocked("dns.forged", "name", "confirmed"), lie=addresses(STUB), listed=True)
    net.add_stub(STUB, stub.port, sites.answers(censor.block_answer()), net.interceptor.context("stub.x.test"))
    fine(plan)


def fine(plan: Plan) -> None:
    """Sites that nobody blocks."""
    net = plan.net
    plan.site("honest", Expected("reachable", agreement="open"))
    plan.site("listed-and-open", Expected("reachable", agreement="unenforced"), listed=True)
    plan.site("large", REACHABLE, sites.page("A large page", kib=2048))
    plan.site("slow", REACHABLE, site_answers.trickle(1500, 0.05, 100))
    plan.site("page-about-blocking", REACHABLE, sites.answers(censor.block_answer(200)))
    plan.site("challenge", DENIED, sites.challenge())
    plan.site("geoblock", DENIED, site_answers.geoblock())
    plan.site("dead", DOWN, dead=True)
    plan.site("expired", DOWN, tls=net.authority.expired("expired.x.test"))
    plan.site("misnamed", DOWN, tls=net.authority.context("other.x.test"))
    plan.site("closing", DOWN, site_answers.closes)
    plan.site("mute", DOWN, site_answers.no_answer)


def too_slow(plan: Plan) -> None:
    """Too slow for anybody's patience, by nature or by a censor: one run tells neither block nor throttling."""
    plan.site("pinched", REACHABLE, LARGE, censored=censor_actions.throttles_to(256 * 1024))
    plan.site("strangled", NOT_BLOCKED, LARGE, censored=censor_actions.throttles_to(24 * 1024))
    plan.site("slow-for-all", NOT_BLOCKED, site_answers.trickle(64 * 1024, 0.1, 600))


def flaky(plan: Plan) -> None:
    """Failures that come and go are accidents."""
    plan.site("first-reset", NOT_BLOCKED, censored=alternating(censor.resets, censor.passes))
    plan.site("first-passes", Expected("reachable"), censored=alternating(censor.passes, censor.resets))
    plan.site(
        "reset-then-drop",
        Expected("blocked", also=("inconclusive",)),
        censored=alternating(censor.resets, censor.drops),
    )


def alternating(*actions: Action) -> Action:
    """One connection this, the next that."""
    count = 0

    async def act(flow: Flow) -> None:
        nonlocal count
        count += 1
        await actions[(count - 1) % len(actions)](flow)

    return act


def names_that_do_not_exist(plan: Plan) -> None:
    """A provider that answers for names which do not exist, with an advertiser's page."""
    for name, scheme in (("nobody", "https"), ("nobody-plain", "http")):
        plan.net.lies[f"{name}.x.test"] = addresses(ADVERTISER)
        plan.expect(name, f"{scheme}://{name}.x.test:{_advertiser(plan, tls=scheme == 'https')}/", NOT_BLOCKED)


def _advertiser(plan: Plan, *, tls: bool) -> int:
    context = plan.net.interceptor.context("ads.x.test") if tls else None
    return plan.net.add_stub(ADVERTISER, 0, sites.page("Buy this"), context)[1]


def one_address_for_many(plan: Plan) -> None:
    """Shared hosting is no forgery; the same lie about many names is."""
    context = plan.net.authority.context(*(f"shared-{number}.x.test" for number in range(6)))
    home = plan.site("shared-0", REACHABLE, tls=context)
    for number in range(1, 6):
        name = f"shared-{number}.x.test"
        plan.net.honest_zone[name] = addresses(home.address)
        plan.expect(f"shared-{number}", f"https://{name}:{home.port}/", REACHABLE)
    for number in range(5):
        site = plan.net.add_site(f"www.led-{number}.test", lie=addresses(NOWHERE))
        plan.expect(f"led-{number}", site.url, Expected("blocked", "dns.forged", "name"))
    moved = Expected("inconclusive", changed="Blocked at first; an address of one name alone may be an old one.")
    plan.expect("led-away", plan.net.add_site("www.moved.test", lie=addresses("127.77.0.68")).url, moved)


def injection(plan: Plan) -> None:
    """An answer written on the way, with the honest one right behind it."""
    site = plan.site("injected", Expected("blocked", "dns.forged", "name", "confirmed"))
    plan.net.lies[site.name] = injected(addresses(NOWHERE), addresses(site.address))
    twice = plan.site("answered-twice", REACHABLE)
    plan.net.lies[twice.name] = injected(addresses(twice.address), addresses(twice.address))


def residue(plan: Plan) -> None:
    """A censor that goes on for seconds between the two addresses once it has seen the name."""
    plan.site("then-drops", Expected("blocked", "tls.reset"), censored=censor.resets)
    plan.site("bystander", REACHABLE)
    plan.net.policy = censor_actions.with_residue(censor.by_name(plan.net.censored), for_s=3)


def same_censor_for_the_control(plan: Plan) -> None:
    """The control stands behind the same censor: a complete A/B shows that it is the name all the same."""
    plan.net.exempt.clear()
    why = "Not blocked at first; both names at both addresses show it, whatever the control gets."
    plan.site("reset", Expected("blocked", "tls.reset", "name", "probable", changed=why), censored=censor.resets)
    plan.site("dropped", Expected("blocked", "tls.timeout", "name", "probable", changed=why), censored=censor.drops)
    plan.site("page", PAGE, RICH, tls=False, censored=censor.block_page())
    plan.site("honest", REACHABLE)


def quoting(plan: Plan) -> None:
    """A plain site one page of which is, word for word, a provider's block page, beside a censor's own."""
    site = plan.site("site-that-quotes", Expected("reachable"), _quotes, tls=False)
    plan.expect("quoted", f"{site.url}blocked", UNTOLD)
    plan.site("page", PAGE, RICH, tls=False, censored=censor.block_page())


async def _quotes(request: sites.SiteRequest, stream: sites.Stream) -> None:
    quoted = request.path == "/blocked"
    await stream.send(censor.block_answer(200) if quoted else sites.response(200, sites.html("Law today", kib=20)))


def helpless(plan: Plan) -> None:
    """Without a control, only what proves itself is called blocked."""
    plan.site("reset", BY_NAME, censored=censor.resets)
    plan.site("dropped", blocked("tls.timeout", "name", "confirmed"), censored=censor.drops)
    plan.site("alert", UNTOLD, censored=censor_actions.alerts())
    plan.site("page", PAGE, RICH, tls=False, censored=censor.block_page())
    plan.site("host-reset", NAME_ALONE, RICH, tls=False, censored=censor.resets)
    plan.site("unanswered", UNTOLD, connect="unanswered")
    plan.site("freeze", UNTOLD, LARGE, censored=censor_actions.freezes_after(16384))
    plan.site("nxdomain", blocked("dns.nxdomain", "name"), lie=code(dns.rcode.NXDOMAIN))
    interceptor = plan.net.add_interceptor(sites.page("Intercepted"))
    plan.site("intercepted", UNTOLD, censored=censor.diverts(interceptor))
    plan.site("dead", UNTOLD, dead=True)
    plan.site("expired", UNTOLD, tls=plan.net.authority.expired("expired.x.test"))
    plan.site("honest", REACHABLE)
    plan.site("plain", Expected("reachable", confidence="possible"), tls=False)


def without_trusted_resolver(plan: Plan) -> None:
    """No trusted resolver answers, the control does."""
    plan.site("nxdomain", BLOCKED, lie=code(dns.rcode.NXDOMAIN))
    plan.site("reset", BY_NAME, censored=censor.resets)
    plan.site("unanswered", BY_ADDRESS, connect="unanswered")
    plan.site("honest", REACHABLE)
    plan.site("dead", DOWN, dead=True)


def for_days(plan: Plan) -> None:
    """The same failure three times over hours, without a control."""
    why = "Blocked at first; without a control a site that is dead for everyone looks the same."
    plan.site("unanswered", replace(UNTOLD, changed=why), connect="unanswered")
    plan.site("closed", UNTOLD, dead=True)
    plan.site("reset", BY_NAME, censored=censor.resets)
    changing_name = replace(UNTOLD, also=("blocked",), changed=OTHERS_PASS)
    plan.site("changing", changing_name, RICH, tls=False, censored=changing(censor.resets, censor_actions.closes))
    plan.site("expired", UNTOLD, tls=plan.net.authority.expired("expired.x.test"))
    plan.site("honest", REACHABLE)


def changing(*actions: Action) -> Action:
    """Every few connections another way of failing."""
    return alternating(*(action for action in actions for _ in range(4)))


def portal(plan: Plan) -> None:
    fine_but_offline(plan)
    plan.net.policy = censor_actions.captive_portal("http://login.x.test/")


def fine_but_offline(plan: Plan) -> None:
    for name in ("honest", "reset"):
        plan.site(name, Expected("offline"), censored=censor.resets if name == "reset" else None)


def offline(plan: Plan) -> None:
    fine_but_offline(plan)
    plan.net.policy = lambda seen: censor.drops
    plan.net.lying.unknown = silence
    plan.net.lies.update(dict.fromkeys(plan.net.honest_zone, silence))


def abroad_cut(plan: Plan) -> None:
    """Only what is at home is let through; the control's way is cut too."""
    home = plan.net.domestic_canary.name
    plan.site("foreign", UNTOLD)
    plan.site("plain", UNTOLD, tls=False)
    at_home: Policy = lambda seen: censor.passes if seen.name == home else censor.drops  # noqa: E731
    plan.net.policy = at_home


def allow_list(plan: Plan, *, by_name: bool = False, by_address: bool = False, names: tuple[str, ...] = ()) -> None:
    """Only listed names, or only listed addresses, pass the hello; connects pass everywhere."""
    net = plan.net
    net.domestic_canary = net.add_site("home.x.test", sites.no_content())
    listed = [net.domestic_canary, plan.site("permitted", REACHABLE)]
    names = (*(site.name for site in listed), *names)
    ports = [site.port for site in listed]

    def policy(seen: censor.ConnectionInfo) -> Action:
        passing = (by_name and seen.name in names) or (by_address and seen.destination[1] in ports)
        return censor.passes if passing else censor.drops

    net.policy = policy


def allow_list_by_name(plan: Plan) -> None:
    allow_list(plan, by_name=True)
    plan.site("foreign", NOT_LISTED)
    plan.site("plain", PLAIN_NOT_LISTED, RICH, tls=False)
    plan.site("dead", DOWN, dead=True)


def allow_list_with_our_innocuous_name(plan: Plan) -> None:
    allow_list(plan, by_name=True, names=(plan.net.innocent.name,))
    plan.site("foreign", NOT_LISTED)


def allow_list_by_address(plan: Plan) -> None:
    allow_list(plan, by_address=True)
    plan.site("foreign", blocked("tls.timeout", "allowlist"))
    plan.site("plain", PLAIN_NOT_LISTED, RICH, tls=False)
    plan.site("dead", DOWN, dead=True)


def allow_list_without_a_control(plan: Plan) -> None:
    """A listed name that passes at the target's own address needs no control."""
    allow_list(plan, by_name=True)
    plan.site("foreign", NOT_LISTED)


def address_list_without_a_control(plan: Plan) -> None:
    """A dead server looks the same."""
    allow_list(plan, by_address=True)
    plan.site("foreign", UNTOLD)


def reference_sites_blocked(plan: Plan) -> None:
    """A block list that has our foreign reference sites is no allow-list."""
    net = plan.net
    net.domestic_canary = net.add_site("home.x.test", sites.no_content())
    net.censored |= {net.canary.name: censor.drops, net.canary_tls.name: censor.resets}
    plan.site("honest", REACHABLE)
    plan.site("reset", BY_NAME, censored=censor.resets)
    plan.site("unanswered", BY_ADDRESS, connect="unanswered")


def one_canary_lost(plan: Plan) -> None:
    """A reference site that is blocked itself does not make a network offline."""
    plan.net.censored[plan.net.canary.name] = censor.drops
    plan.site("honest", REACHABLE)
    plan.site("reset", BY_NAME, censored=censor.resets)


def by_vpn(plan: Plan) -> None:
    """By the control's path everything opens but what is down."""
    plan.site("reset", REACHABLE, censored=censor.resets)
    plan.site("unanswered", REACHABLE, connect="unanswered")
    plan.site("nxdomain", REACHABLE, lie=code(dns.rcode.NXDOMAIN))
    plan.site("freeze", REACHABLE, LARGE, censored=censor_actions.freezes_after(16384))
    plan.site("dead", Expected("inconclusive", also=("down",)), dead=True)
    plan.site("challenge", DENIED, sites.challenge())


def without_control(config: str) -> str:
    return config.replace('[control]\npath = "control"\n', "")


def domestic_control(config: str) -> str:
    return config.replace('[[path]]\nname = "control"\n', '[[path]]\nname = "control"\ncountry = "RU"\n')


def control_abroad(config: str) -> str:
    return config.replace('[[path]]\nname = "control"\n', '[[path]]\nname = "control"\ncountry = "NL"\n')


def lost_control(config: str) -> str:
    head, _, tail = config.partition('proxy = "socks5://')
    return f'{head}proxy = "socks5://127.77.0.98:9"\n{tail.partition(chr(10))[2]}'


def with_no_resolver(config: str) -> str:
    return config.replace('no_resolver = ""', 'no_resolver = "127.77.0.98"')


def lost_trusted(config: str) -> str:
    lines = (line for line in config.splitlines() if not line.startswith("trusted_resolvers"))
    return "\n".join(lines).replace("[network]", '[network]\ntrusted_resolvers = ["tls://127.77.0.98:853"]')


def unlucky(plan: Plan) -> None:
    """Helped by a control that cannot be reached or does not count."""
    plan.site("reset", BY_NAME, censored=censor.resets)
    plan.site("unanswered", UNTOLD, connect="unanswered")
    plan.site("dead", UNTOLD, dead=True)
    plan.site("honest", REACHABLE)


NETWORKS = (
    Network("everything", everything),
    Network("too slow", too_slow),
    Network("flaky", flaky),
    Network("names that do not exist", names_that_do_not_exist),
    Network("one address for many", one_address_for_many),
    Network("injection", injection),
    Network("residual blocking", residue),
    Network("the control behind the same censor", same_censor_for_the_control),
    Network("quoted block page", quoting),
    Network("quoted block page, control abroad", quoting, config=control_abroad),
    Network("no control", helpless, config=without_control),
    Network("control lost", unlucky, config=lost_control),
    Network("control at home", unlucky, config=domestic_control),
    Network("no trusted resolver", without_trusted_resolver, config=lost_trusted),
    Network("for days", for_days, config=without_control, hours=(8, 4)),
    Network("captive portal", portal, "portal"),
    Network("offline", offline, "offline"),
    Network("cut off from abroad", abroad_cut, "restricted", config=lost_control),
    Network("allow-list by name", allow_list_by_name, "restricted", config=with_no_resolver),
    Network("allow-list by address", allow_list_by_address, "restricted", config=with_no_resolver),
    Network("allow-list with our name", allow_list_with_our_innocuous_name, "restricted"),
    Network("allow-list by name, no control", allow_list_without_a_control, "restricted", config=lost_control),
    Network("allow-list by address, no control", address_list_without_a_control, "restricted", config=lost_control),
    Network("block list with our reference sites", reference_sites_blocked, "restricted"),
    Network("one reference site lost", one_canary_lost),
    Network("by VPN", by_vpn, path="control"),
    *quic.NETWORKS,
)
