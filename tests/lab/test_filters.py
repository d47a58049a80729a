"""Each filter does what it says to curl, openssl and hand-made ClientHellos, in IPv4 and IPv6, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.lab import allowlists, censorship, filters, hello, hellos, hosters, kernel
from tests.lab.kernel import RESOLVER
from tests.lab.plain_tools import Fetched, address_of, at_once, curl, dig, openssl, say
from tests.lab.sites import ANNEX, ANNEX6, HOSTER, HOSTER6, SITES, STUB
from tests.lab.standing import Lab
from tests.lab.world import both

pytestmark = pytest.mark.lab
LISTED = ("permitted.x.test", "branch.x.test")
HOSTERS, ANNEXES = (HOSTER, HOSTER6), (ANNEX, ANNEX6)
CHROMES = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"
CHROMES += ":ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
CHROMES += ":ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA:AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA:AES256-SHA"
LATEST = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
AS_CHROME = ("-cipher", CHROMES, "-ciphersuites", LATEST)
OTHER_CIPHERS = ("--ciphers", "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256")
"""For a hello that is neither Chrome's nor that of this Python, whichever OpenSSL both are built with."""
OTHER_RESOLVER = "198.51.100.57"
FAMILIES = (False, True)
HTTPS_RECORD = "import dns.message, dns.query; q = dns.message.make_query('sealed.x.test', 'HTTPS')"
HTTPS_RECORD += f"; print(dns.query.udp(q, '{RESOLVER}', timeout=2).answer[0])"


def fetched(free: Lab, *words: str, seconds: float = 1.5) -> list[list[Fetched]]:
    """curl at each site, a list per family; all at the same time."""
    calls = [partial(curl, free, word, ipv6=ipv6, seconds=seconds) for ipv6 in FAMILIES for word in words]
    found: list[Any] = at_once(*calls)
    return [found[: len(words)], found[len(words) :]]


def words(free: Lab, *sites: str) -> list[str]:
    """One word per site, the same in both families."""
    ipv4, ipv6 = fetched(free, *sites)
    assert [one.word for one in ipv4] == [one.word for one in ipv6]
    return [one.word for one in ipv4]


def said(make: Callable[[], list[bytes]], *words: str) -> list[object]:
    """What these ClientHellos get at these sites, in both families."""
    spoken = make()
    places = [address_of(word, ipv6=ipv6) for word in words for ipv6 in FAMILIES]
    return at_once(*(partial(say, one, place) for place in places for one in spoken))


PAGE, HANGS = "page", "timeout"


@pytest.mark.parametrize(
    ("how", "passing"),
    [
        ({"names": LISTED}, [PAGE, PAGE, HANGS, HANGS]),
        ({"addresses": both("permitted")}, [PAGE, HANGS, PAGE, HANGS]),
        ({"names": LISTED, "addresses": both("permitted")}, [PAGE, PAGE, PAGE, HANGS]),
        ({"names": LISTED, "addresses": both("permitted"), "both": True}, [PAGE, HANGS, HANGS, HANGS]),
    ],
    ids=["name", "address", "either", "both"],
)
def test_an_allow_list_passes_what_it_lists(free: Lab, how: dict[str, Any], passing: list[str]) -> None:
    filters.allows_only(**how)
    assert words(free, "permitted", "branch", "guest", "honest") == passing


def test_behind_an_allow_list_connects_pass_and_datagrams_to_the_resolver_alone(free: Lab) -> None:
    filters.allows_only(LISTED)
    calls = (
        partial(curl, free, "honest", f"telnet://{SITES['honest.x.test']}:443"),
        partial(dig, "udp", RESOLVER, "honest"),
    )
    connected, answered, unanswered = at_once(*calls, partial(dig, "udp", OTHER_RESOLVER, "honest"))
    assert connected.word == HANGS  # type: ignore[attr-defined]
    assert (answered, unanswered) == (["NOERROR", SITES["honest.x.test"]], [])


def test_a_slow_allow_list_lets_what_is_not_listed_trickle(free: Lab) -> None:
    filters.allows_only(("permitted.x.test", "heavy.x.test"), slowly=True)
    for listed, unlisted, small in fetched(free, "heavy", "crawl", "honest", seconds=6):
        assert (listed.word, listed.total_s < 1, small.word) == (PAGE, True, PAGE)
        assert 6_000 < unlisted.size / unlisted.total_s < 20_000


@pytest.mark.parametrize("packets", [False, True], ids=["bytes", "packets"])
def test_a_network_s_connections_freeze_and_small_pages_and_a_listed_name_pass(free: Lab, packets: bool) -> None:
    filters.freezes(HOSTERS, packets=packets, but=("vouched.x.test",))
    for frozen, solid, *passing in fetched(free, "bulky", "solid", "tiny", "vouched", "large"):
        assert (frozen.word, solid.word) == (HANGS, HANGS)
        assert 2_000 < frozen.size < 30_000
        assert [one.word for one in passing] == [PAGE] * 3


def test_datagrams_to_a_network_freeze_after_some_kilobytes(free: Lab) -> None:
    filters.freezes(HOSTERS, protocol="udp")
    free.run("bash", "-c", f"for n in $(seq 20); do head -c 1200 /dev/zero > /dev/udp/{SITES['tiny.x.test']}/443; done")
    assert words(free, "bulky") == [PAGE]  # each of those datagrams came from another port, and TCP is not touched
    one_port = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', 5999)); "
    sent = f"[s.sendto(bytes(1200), ('{SITES['tiny.x.test']}', 443)) for _ in range(30)]"
    free.run(sys.executable, "-c", one_port + sent)
    assert _dropped("udp") in range(10, 20)


def _dropped(protocol: str) -> int:
    """IPv4 packets of this protocol that the gateway has dropped."""
    rules = kernel.inside(kernel.GATEWAY, "iptables-save", "-c", "-t", "filter").splitlines()
    lost = (rule for rule in rules if f"-p {protocol} " in rule and rule.endswith("-j DROP"))
    return sum(int(rule[1:].split(":")[0]) for rule in lost)


def test_what_is_uploaded_freezes_where_the_client_s_bytes_are_counted(free: Lab) -> None:
    filters.freezes(HOSTERS, counts="original")
    padding = ("-H", "Padding: " + "x" * 24_000)  # in the head: a server may answer before it has read a body
    for ipv6 in FAMILIES:
        calls = [partial(curl, free, word, *padding, ipv6=ipv6) for word in ("tiny", "honest")]
        found: list[Any] = at_once(partial(curl, free, "bulky", ipv6=ipv6), *calls)
        assert [one.word for one in found] == [PAGE, HANGS, "cut"]  # the server elsewhere ends so long a head itself


@pytest.mark.parametrize("ours", [True, False], ids=["own", "chrome"])
def test_one_fingerprint_hangs_and_another_passes(free: Lab, ours: bool) -> None:
    own = hello.own("tiny.x.test")
    chrome = hello.with_ciphers(own, b"\x1a\x1a" + hello.CHROME)
    filters.hangs_client(hello.ciphers(own) if ours else hello.CHROME, HOSTERS)
    there = ["timeout", "answer"] if ours else ["answer", "timeout"]
    assert said(lambda: [own, chrome], "tiny", "honest") == there * 2 + ["answer"] * 4
    assert curl(free, "tiny", *OTHER_CIPHERS).word == PAGE


def test_openssl_with_chrome_s_ciphers_is_taken_for_it(free: Lab) -> None:
    filters.hangs_client(hello.CHROME)
    assert at_once(partial(openssl, "honest", *AS_CHROME), partial(openssl, "honest")) == ["silence", "answer"]


def test_a_third_connection_of_one_fingerprint_at_once_freezes_all_for_a_while(free: Lab) -> None:
    filters.polices(HOSTERS, b"\x13\x02\x13\x03\x13\x01", for_s=3)
    assert words(free, "tiny") == [PAGE]
    assert words(free, "hosted-a") == [PAGE]
    for burst in fetched(free, "hosted-a", "hosted-b", "hosted-c"):
        assert HANGS in [one.word for one in burst]
    assert words(free, "tiny", "honest") == [HANGS, PAGE]
    for (later,) in fetched(free, "tiny", seconds=4):
        assert later.word == PAGE


@pytest.mark.parametrize(("shut", "protocol"), [(ANNEXES, "tcp"), (HOSTERS, "udp")], ids=["tcp", "udp"])
def test_a_datagram_to_one_network_shuts_another_or_itself(free: Lab, shut: tuple[str, str], protocol: str) -> None:
    filters.arms_by_udp(HOSTERS, shut, 60, protocol)
    assert words(free, "annexed-a") == [PAGE]
    for ipv6 in FAMILIES:
        free.run("bash", "-c", f"for n in 1 2 3; do echo > /dev/udp/{address_of('tiny', ipv6=ipv6)}/443; done")
    assert words(free, "annexed-a", "tiny") == [HANGS if protocol == "tcp" else PAGE, PAGE]
    assert _dropped("udp") == (2 if protocol == "udp" else 0)


@pytest.mark.parametrize("how", [filters.DROP, filters.RESET], ids=["dropped", "reset"])
@pytest.mark.parametrize("by_name", [True, False], ids=["by-name", "any"])
def test_ech_is_blocked_by_its_outer_name_or_as_such(free: Lab, how: tuple[str, ...], by_name: bool) -> None:
    filters.blocks_ech(*how, by_name=by_name)
    plain, outer = hello.own("sealed.x.test"), hello.own(hello.OUTER_NAME)
    greased, real = (hello.with_extension(one, hello.ECH, hello.grease_ech()) for one in (plain, outer))
    stopped = "reset" if how == filters.RESET else "timeout"
    expected = ["answer", "answer" if by_name else stopped, stopped if by_name else "answer", stopped]
    assert said(lambda: [plain, greased, outer, real], "sealed") == expected * 2


def test_a_name_s_https_record_offers_ech(free: Lab) -> None:
    assert "ech=" in free.run(sys.executable, "-c", HTTPS_RECORD)


def test_one_public_resolver_is_answered_for_over_udp_alone(free: Lab) -> None:
    filters.answers_for(RESOLVER)
    names = ("ede-blocked", "ede-censored", "ede-filtered", "ede-bogus", "ede-prohibited", "removed", "honest")
    statuses = [found[0] for found in at_once(*(partial(dig, "udp", RESOLVER, name) for name in names))]  # type: ignore[index]
    wanted = ["NXDOMAIN 15", "REFUSED 16", "NOERROR 17", "SERVFAIL 6", "REFUSED 18", "NXDOMAIN", "NOERROR"]
    assert statuses == wanted
    assert dig("udp", RESOLVER, "alias") == ["NOERROR", f"internetpositif.id. {STUB}"]
    others = at_once(*(partial(dig, *where, "removed") for where in (("tcp", RESOLVER), ("udp", OTHER_RESOLVER))))
    assert others == [["NOERROR", SITES["removed.x.test"]]] * 2


def test_a_name_is_throttled_from_its_handshake_on(free: Lab) -> None:
    for word in ("crawl", "sluggish"):
        filters.strangles_name(f"{word}.x.test")
    ((slow, small, other),) = fetched(free, "crawl", "sluggish", "heavy", seconds=30)[:1]
    assert (slow.word, small.word, other.word) == (PAGE, PAGE, PAGE)
    assert min(slow.handshake_s, small.handshake_s) > 0.4
    assert slow.size / (slow.total_s - slow.handshake_s) < 20_000
    assert other.total_s < 0.5


def test_everything_abroad_is_slow_and_what_is_at_home_is_not(free: Lab) -> None:
    filters.slows_abroad(400, both("heavy"), loss=0.02)
    for home, abroad in fetched(free, "heavy", "crawl", seconds=10):
        assert (home.word, home.total_s < 1, abroad.word, abroad.total_s > 1) == (PAGE, True, PAGE, True)


def test_outages_of_one_kind(free: Lab) -> None:
    filters.resets_port(443)
    assert words(free, "honest", "canary-at-home") == ["refused", "refused"]
    assert curl(free, "honest", "http://honest.x.test/").word == PAGE
    censorship.forgives()
    filters.cuts_off_but((*both("canary-at-home"), RESOLVER))
    assert words(free, "honest", "canary-at-home") == [HANGS, PAGE]
    censorship.forgives()
    filters.drops_udp()
    assert words(free, "honest", "canary-at-home") == [PAGE, PAGE]
    assert dig("udp", RESOLVER, "honest")[0] == "NOERROR"
    assert dig("udp", OTHER_RESOLVER, "honest") == []


def test_a_company_s_one_domain_passes_and_a_portal_s_shop_does(free: Lab) -> None:
    allowlists.company_allows_one_domain()
    assert words(free, "permitted", "honest", "canary-at-home") == [PAGE, "reset", "reset"]
    censorship.forgives()
    allowlists.portal_with_a_garden()
    assert words(free, "permitted", "honest") == [PAGE, "refused"]


def test_servers_that_look_like_filters_do_so_to_everybody(free: Lab) -> None:
    with allowlists.strict():
        assert words(free, "permitted", "guest") == [PAGE, HANGS]
    with hellos.picky_about_clients(hellos.ANYBODY):
        assert curl(free, "tiny", *OTHER_CIPHERS).word == PAGE
        assert said(lambda: [hello.own("tiny.x.test")], "tiny") == ["timeout"] * 2
    with hellos.brittle():
        greased = hello.with_extension(hello.own("brittle.x.test"), hello.ECH, hello.grease_ech())
        assert said(lambda: [hello.own("brittle.x.test"), greased], "brittle") == ["answer", "reset"] * 2
    assert words(free, "clipped", "stalled", "bulky") == ["cut", HANGS, PAGE]
    with hosters.metered():
        assert [fetched(free, "metered")[0][0].word for _ in range(2)] == [PAGE, HANGS]


def test_full_packets_are_lost_on_the_way_to_one_network_alone(free: Lab) -> None:
    hosters.narrow_to_one_network()
    assert words(free, "bulky", "large") == [HANGS, PAGE]
