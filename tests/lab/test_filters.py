"""Each filter does what it says to curl, openssl and bytes of our own making, in both families, and nothing else."""

from __future__ import annotations

from functools import partial

import pytest

from tests.lab import censorship, filters, hello
from tests.lab.kernel import RESOLVER
from tests.lab.plain_tools import address_of, at_once, curl, dig, openssl, say
from tests.lab.sites import ANNEX, ANNEX6, HOSTER, HOSTER6, SITES, STUB
from tests.lab.standing import Lab
from tests.lab.world import both

pytestmark = pytest.mark.lab
LISTED = ("permitted.x.test", "branch.x.test")
HOSTERS, ANNEXES = (HOSTER, HOSTER6), (ANNEX, ANNEX6)
CHROMES = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"
CHROMES += ":ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
CHROMES += ":ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA:AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA:AES256-SHA"
AS_CHROME = (
    "-cipher",
    CHROMES,
    "-ciphersuites",
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256",
)
families = pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])


def words(free: Lab, *visits: tuple[str, str | None], ipv6: bool, seconds: float = 1.5) -> list[str]:
    """What curl says of each name at its own address, or at another site's."""
    calls = (partial(curl, free, word, at=at, ipv6=ipv6, seconds=seconds) for word, at in visits)
    return [fetched.word for fetched in at_once(*calls)]  # type: ignore[attr-defined]


FOUR = (("permitted", None), ("branch", None), ("guest", None), ("honest", None))
"""Listed name and address; the name alone; the address alone; neither."""


@families
@pytest.mark.parametrize(
    ("how", "passing"),
    [
        ({"names": LISTED}, (True, True, False, False)),
        ({"addresses": both("permitted")}, (True, False, True, False)),
        ({"names": LISTED, "addresses": both("permitted")}, (True, True, True, False)),
        ({"names": LISTED, "addresses": both("permitted"), "both": True}, (True, False, False, False)),
    ],
    ids=["name", "address", "either", "both"],
)
def test_an_allow_list_passes_what_it_lists(free: Lab, ipv6: bool, how: dict[str, object], passing: object) -> None:
    filters.allows_only(**how)  # type: ignore[arg-type]
    assert words(free, *FOUR, ipv6=ipv6) == ["page" if one else "timeout" for one in passing]  # type: ignore[attr-defined]


def test_behind_an_allow_list_connects_pass_and_datagrams_to_the_resolver_alone(free: Lab) -> None:
    filters.allows_only(LISTED)
    assert curl(free, "honest", "telnet://" + address_of("honest") + ":443").word == "timeout"  # connected, and silent
    assert dig("udp", RESOLVER, "honest")[1:] == [SITES["honest.x.test"]]
    assert dig("udp", "198.51.100.57", "honest") == []


@families
def test_a_slow_allow_list_lets_what_is_not_listed_trickle(free: Lab, ipv6: bool) -> None:
    filters.allows_only(("permitted.x.test", "heavy.x.test"), slowly=True)
    calls = (partial(curl, free, word, ipv6=ipv6, seconds=6) for word in ("heavy", "crawl", "honest"))
    listed, unlisted, small = at_once(*calls)
    assert (listed.word, listed.total_s < 1) == ("page", True)  # type: ignore[attr-defined]
    assert small.word == "page"  # type: ignore[attr-defined]
    assert 6_000 < unlisted.size / unlisted.total_s < 20_000  # type: ignore[attr-defined]


@families
@pytest.mark.parametrize("packets", [False, True], ids=["bytes", "packets"])
def test_a_network_s_connections_freeze_and_small_pages_and_a_listed_name_pass(
    free: Lab, ipv6: bool, packets: bool
) -> None:
    filters.freezes(HOSTERS, packets=packets, but=("vouched.x.test",))
    calls = [partial(curl, free, word, ipv6=ipv6) for word in ("bulky", "solid", "tiny", "vouched", "large")]
    frozen, solid, small, listed, elsewhere = at_once(
        *calls,
    )  # type: ignore[misc]
    assert (frozen.word, solid.word) == ("timeout", "timeout")
    assert 2_000 < frozen.size < 30_000
    assert [one.word for one in (small, listed, elsewhere)] == ["page"] * 3
    assert curl(free, "bulky", "--http1.1", at="tiny", ipv6=ipv6).word == "certificate"


@families
def test_what_is_uploaded_freezes_where_the_client_s_bytes_are_counted(free: Lab, ipv6: bool) -> None:
    filters.freezes(HOSTERS, counts="original")
    upload = ("--data-binary", f"@{free.ca_file}", "-H", "X-Padding: " + "x" * 4000)
    calls = [
        partial(curl, free, "bulky", ipv6=ipv6),
        partial(curl, free, "tiny", *upload, ipv6=ipv6),
        partial(curl, free, "tiny", "--data-binary", "x" * 60_000, ipv6=ipv6),
        partial(curl, free, "honest", "--data-binary", "x" * 60_000, ipv6=ipv6),
    ]
    assert [one.word for one in at_once(*calls)] == ["page", "page", "timeout", "page"]  # type: ignore[attr-defined]


@families
@pytest.mark.parametrize("ours", [True, False], ids=["own", "another's"])
def test_one_fingerprint_hangs_and_another_passes(free: Lab, ipv6: bool, ours: bool) -> None:
    own = hello.own("bulky.x.test")
    chrome = hello.with_ciphers(own, b"\x1a\x1a" + hello.CHROME)
    filters.hangs_client(hello.ciphers(own) if ours else hello.CHROME, HOSTERS)
    there = address_of("bulky", ipv6=ipv6)
    elsewhere = address_of("honest", ipv6=ipv6)
    calls = [partial(say, spoken, address) for address in (there, elsewhere) for spoken in (own, chrome)]
    passing = (not ours, ours, True, True)
    assert at_once(*calls) == ["answer" if one else "timeout" for one in passing]
    assert curl(free, "tiny", ipv6=ipv6).word == "page"


def test_openssl_with_chrome_s_ciphers_is_taken_for_it(free: Lab) -> None:
    filters.hangs_client(hello.CHROME)
    assert at_once(partial(openssl, "honest", *AS_CHROME), partial(openssl, "honest")) == ["silence", "answer"]


@families
def test_a_third_parallel_connection_of_one_fingerprint_freezes_all_for_a_while(free: Lab, ipv6: bool) -> None:
    filters.polices(HOSTERS, b"\x13\x02\x13\x03\x13\x01", for_s=3)
    assert words(free, ("tiny", None), ipv6=ipv6) == ["page"]
    assert words(free, ("hosted-a", None), ipv6=ipv6) == ["page"]
    three = [
        partial(curl, free, word, "--limit-rate", "100", ipv6=ipv6) for word in ("hosted-a", "hosted-b", "hosted-c")
    ]
    assert "timeout" in [one.word for one in at_once(*three)]  # type: ignore[attr-defined]
    assert words(free, ("tiny", None), ("honest", None), ipv6=ipv6) == ["timeout", "page"]
    assert words(free, ("tiny", None), ipv6=ipv6, seconds=4) == ["page"]


@families
def test_a_datagram_to_one_network_shuts_another_to_connections(free: Lab, ipv6: bool) -> None:
    filters.arms_by_udp(HOSTERS, ANNEXES, for_s=60)
    assert words(free, ("annexed-a", None), ipv6=ipv6) == ["page"]
    free.run("bash", "-c", f"echo > /dev/udp/{address_of('tiny', ipv6=ipv6)}/443")
    assert words(free, ("annexed-a", None), ("tiny", None), ipv6=ipv6) == ["timeout", "page"]


@families
@pytest.mark.parametrize("how", [filters.DROP, filters.RESET], ids=["dropped", "reset"])
@pytest.mark.parametrize("by_name", [True, False], ids=["by-name", "any"])
def test_ech_is_blocked_by_its_outer_name_or_as_such(
    free: Lab, ipv6: bool, how: tuple[str, ...], by_name: bool
) -> None:
    filters.blocks_ech(*how, by_name=by_name)
    plain, outer = hello.own("sealed.x.test"), hello.own(hello.OUTER_NAME)
    greased, real = (hello.with_extension(one, hello.ECH, hello.grease_ech()) for one in (plain, outer))
    there = address_of("sealed", ipv6=ipv6)
    stopped = "reset" if how == filters.RESET else "timeout"
    expected = ["answer", "answer" if by_name else stopped, stopped if by_name else "answer", stopped]
    assert at_once(*(partial(say, one, there) for one in (plain, greased, outer, real))) == expected


def test_a_name_s_https_record_offers_ech(free: Lab) -> None:
    asked = "import dns.message, dns.query; q = dns.message.make_query('sealed.x.test', 'HTTPS'); "
    told = (
        free.run("python3", "-c", "print()")
        if False
        else free.run(_python(), "-c", asked + f"print(dns.query.udp(q, '{RESOLVER}', timeout=2).answer[0])")
    )
    assert "ech=" in told


def _python() -> str:
    import sys

    return sys.executable


def test_one_public_resolver_is_answered_for_over_udp_alone(free: Lab) -> None:
    filters.answers_for(RESOLVER)
    own_view = "198.51.100.57"
    names = ("ede-blocked", "ede-censored", "ede-filtered", "ede-bogus", "ede-prohibited", "removed", "honest")
    found = at_once(*(partial(dig, "udp", RESOLVER, name) for name in names))
    statuses = [one[0] for one in found]  # type: ignore[index]
    wanted = ["NXDOMAIN 15", "REFUSED 16", "NOERROR 17", "SERVFAIL 6", "REFUSED 18", "NXDOMAIN", "NOERROR"]
    assert statuses == wanted
    assert dig("udp", RESOLVER, "alias") == ["NOERROR", f"internetpositif.id. {STUB}"]
    for how, server in (("tcp", RESOLVER), ("udp", own_view)):
        assert dig(how, server, "removed") == ["NOERROR", SITES["removed.x.test"]]


@families
def test_a_name_is_throttled_from_its_handshake_on(free: Lab, ipv6: bool) -> None:
    filters.strangles_name("crawl.x.test")
    filters.strangles_name("sluggish.x.test")
    calls = [partial(curl, free, word, ipv6=ipv6, seconds=9) for word in ("crawl", "sluggish", "heavy")]
    slow, small, other = at_once(*calls)  # type: ignore[misc]
    assert (slow.word, small.word, other.word) == ("page", "page", "page")
    assert min(slow.handshake_s, small.handshake_s) > 0.4
    assert 10_000 < slow.size / (slow.total_s - slow.handshake_s) < 20_000
    assert other.total_s < 0.5


@families
def test_everything_abroad_is_slow_and_what_is_at_home_is_not(free: Lab, ipv6: bool) -> None:
    filters.slows_abroad(400, both("heavy"), loss=0.02)
    calls = [partial(curl, free, word, ipv6=ipv6, seconds=8) for word in ("heavy", "crawl")]
    home, abroad = at_once(*calls)  # type: ignore[misc]
    assert (home.word, home.total_s < 1, abroad.word, abroad.total_s > 1) == ("page", True, "page", True)


@families
def test_outages_of_one_kind(free: Lab, ipv6: bool) -> None:
    visits = (("honest", None), ("canary-at-home", None))
    filters.resets_port(443)
    assert words(free, *visits, ipv6=ipv6) == ["refused", "refused"]
    assert curl(free, "honest", "http://honest.x.test/", ipv6=ipv6).word == "page"
    censorship.forgives()
    filters.cuts_off_but((*both("canary-at-home"), RESOLVER))
    assert words(free, *visits, ipv6=ipv6) == ["timeout", "page"]
    censorship.forgives()
    filters.drops_udp()
    assert words(free, *visits, ipv6=ipv6) == ["page", "page"]
    assert dig("udp", RESOLVER, "honest")[0] == "NOERROR"
    assert dig("udp", "198.51.100.57", "honest") == []
