"""Outages and times without data, told by an hourly series of rounds at one vantage point.

A letter is a round: `o` online, `x` offline, `r` restricted, `p` captive portal, `n` no link, `t` through a tunnel,
`m` online and `y` offline on another network, `u` offline where the network is not known, `.` no round.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from probe.model import Tcp, Tls
from probe.reference_sites import NetworkFacts, answers_in, routes_in
from probe.steps.quic import Quic
from results.aggregate.outages import (
    HostAnswers,
    NetworkInterval,
    RoundFacts,
    line_of,
    network_intervals,
    rounds_of,
)
from results.db.store import Store
from results.judge.judged import RoundRecord
from results.registers.expectation import Expectation
from tests.results.records import HOME, finished, measurement, observation, target

HOUR = 3600.0
START = 1_780_000_000.0
HOURLY = {"home": HOUR}
STATES = {"o": "online", "m": "online", "r": "restricted", "p": "portal"} | dict.fromkeys("xntyu", "offline")
FOREIGN = ("http://a.test/", "https://b.test/")
DOMESTIC = "https://home.test/"


def evidence(letter: str, *, sites: int = 2) -> tuple[str, ...]:
    foreign = "works" if letter in "om" else "no answer"
    said = [f"reference site {url}: {foreign}" for url in FOREIGN[:sites]]
    said += [f"reference site {DOMESTIC}: works"] if letter in "omr" else []
    said += ["address families with a route: none"] if letter == "n" else ["address families with a route: ipv4, ipv6"]
    return (*said, *(["packets leave via tun0, so results are recorded"] if letter == "t" else []))


def hourly(
    letters: str, *, sites: int = 2, hosts: dict[int, tuple[HostAnswers, ...]] | None = None
) -> list[RoundFacts]:
    keys = {"m": "away", "y": "away", "u": None}
    return [
        RoundFacts(
            at=START + n * HOUR,
            vantage="home",
            country="RU",
            asn=12389,
            network_key=keys.get(letter, "here"),
            state=STATES[letter],
            evidence=evidence(letter, sites=sites),
            hosts=(hosts or {}).get(n, ()),
        )
        for n, letter in enumerate(letters)
        if letter != "."
    ]


def shown(one: NetworkInterval) -> str:
    """`offline all 2-3..5-6`: hours after the start; `?` for an end that nobody saw."""
    ends = (
        "-".join("?" if at is None else f"{(at - START) / HOUR:g}" for at in (moment.earliest, moment.latest))
        for moment in (one.begin, one.end)
    )
    return f"{one.state} {one.kind or one.reason} {'..'.join(ends)}"


def said(rounds: list[RoundFacts]) -> list[str]:
    return list(map(shown, network_intervals(rounds, HOURLY)))


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("oooxxxooo", ["offline all 2-3..5-6"]),  # both ends lie between two rounds
        ("ooorrrooo", ["restricted abroad 2-3..5-6"]),  # sites inside the country answer
        ("ooorooo", ["restricted abroad 2-3..3-4"]),  # two foreign sites agree
        ("oorrxxrroo", ["offline all 3-4..5-6", "restricted abroad 1-2..7-8"]),  # phases of a shutdown
        ("xxoo", ["offline all ?-0..1-2"]),  # nobody saw its beginning
        ("ooxx", ["offline all 1-2..3-?"]),  # nor its end
        ("ooxx.xxoo", ["offline all 1-2..6-7"]),  # one lost round
        ("ooxuuxoo", ["offline all 1-2..5-6"]),  # the router is gone as well
        ("oxxoxxo", ["offline all 0-1..2-3", "offline all 3-4..5-6"]),  # twice, by day
        ("oooxooo", []),  # one round, all on our own line
        ("ooo.ooo", []),  # a lost round
        ("ooonnnooo", ["no-data no-link 2-2..6-6"]),  # the cable is out
        ("oooppppooo", ["no-data portal 2-2..7-7"]),  # a captive portal
        ("oooottttoooo", ["no-data tunnel 3-3..8-8"]),  # a VPN that is the default route and has dropped
        ("ooo........ooo", ["no-data not-measured 2-2..11-11"]),  # off at night
        ("ooo........xooo", ["no-data not-measured 2-2..11-11"]),  # awake before its Wi-Fi
        ("oop.......ooo", ["no-data not-measured 1-1..10-10"]),  # asleep, not hours of portal
        ("ooommmmooo", ["no-data moved 2-2..7-7"]),  # taken to another network
        ("oooyyyyooo", ["no-data moved 2-2..7-7", "offline all ?-3..6-?"]),  # which is itself offline
        ("ooouuummm", []),  # between two networks
        ("ooxx......xxoo", ["offline all 1-2..3-?", "no-data not-measured 3-3..10-10", "offline all ?-10..11-12"]),
        ("oooooo", []),
        ("", []),
    ],
)  # fmt: skip
def test_a_series_of_rounds_says_when_the_network_was_out(letters: str, expected: list[str]) -> None:
    assert sorted(said(hourly(letters))) == sorted(expected)


def test_one_foreign_site_that_fails_in_one_round_is_not_a_cut() -> None:
    assert said(hourly("ooorooo", sites=1)) == []
    assert said(hourly("ooorrooo", sites=1)) == ["restricted abroad 2-3..4-5"]


def test_another_vantage_point_or_path_changes_nothing() -> None:
    away = [msgspec.structs.replace(one, vantage="office") for one in hourly("ooooooo")]
    assert said(hourly("ooxxxoo") + away) == ["offline all 1-2..4-5"]


def test_without_a_schedule_the_usual_interval_says_what_a_gap_is() -> None:
    rounds = hourly("ooooooooo........ooooo")
    assert list(map(shown, network_intervals(rounds))) == ["no-data not-measured 8-8..17-17"]
    assert list(map(shown, network_intervals(rounds, {"home": 4 * HOUR}))) == []


def answers(count: int, **channels: bool | None) -> tuple[HostAnswers, ...]:
    return tuple(HostAnswers(f"{n}.test", **channels) for n in range(count))


@pytest.mark.parametrize("kind", ["udp", "ipv6", "port-443"])
@pytest.mark.parametrize(
    ("series", "is_found"),
    [
        ([3, 3, -3, -3, -3, 3], True),
        ([3, 3, -3, 3, 3, 3], False),  # one round
        ([2, 2, -2, -2, -2, 2], False),  # two services that a filter may have added on one day
        ([-3, -3, -3, -3, -3, -3], False),  # never seen to work here
        ([3, 3, 0, 0, 0, 3], False),  # nothing was tried
        ([3, 3, -4, -4, -4, 3], True),  # a new host that never worked adds nothing
    ],
)
def test_hosts_that_worked_before_show_a_cut_of_one_protocol(kind: str, series: list[int], is_found: bool) -> None:
    channel = kind.replace("-", "_")
    hosts = {n: answers(abs(count), **{channel: count > 0}) for n, count in enumerate(series) if count}
    rounds = [
        msgspec.structs.replace(one, evidence=(f"reference site {FOREIGN[0]}: works",))
        for one in hourly("oooooo", hosts=hosts)
    ]
    assert said(rounds) == ([f"restricted {kind} 1-2..4-5"] if is_found else [])


def test_one_host_that_still_answers_means_no_cut() -> None:
    failing = (*answers(3, udp=False), HostAnswers("other.test", udp=True))
    hosts = {n: answers(3, udp=True) if n < 2 else failing for n in range(6)}
    assert said(hourly("oooooo", hosts=hosts)) == []


def test_port_443_is_not_cut_where_a_reference_site_works_over_tls() -> None:
    hosts = {n: answers(3, port_443=n < 2) for n in range(6)}
    assert said(hourly("oooooo", hosts=hosts)) == []


def test_without_an_ipv6_route_nothing_is_said_of_ipv6() -> None:
    hosts = {n: answers(3, ipv6=n < 2) for n in range(6)}
    rounds = hourly("oooooo", hosts=hosts)
    assert said(rounds) == ["restricted ipv6 1-2..5-?"]
    lost = [msgspec.structs.replace(one, evidence=("address families with a route: ipv4",)) for one in rounds[2:]]
    assert said(rounds[:2] + lost) == []


def test_a_script_reads_ranges_hours_and_whether_it_goes_on() -> None:
    (found,) = network_intervals(hourly("oooxxx"), HOURLY)
    assert line_of(found) == {
        "vantage": "home",
        "country": "RU",
        "asn": 12389,
        "network_name": None,
        "state": "offline",
        "kind": "all",
        "reason": None,
        "begin": {"earliest": "2026-05-28T22:26:40Z", "latest": "2026-05-28T23:26:40Z"},
        "end": {"earliest": "2026-05-29T01:26:40Z", "latest": None},
        "hours": (2.0, None),
        "rounds": 3,
        "ongoing": True,
    }


def test_the_stored_sentences_of_a_round_are_read_back() -> None:
    facts = NetworkFacts(routes=("ipv4",)).sentences
    assert (routes_in(facts), routes_in(NetworkFacts(routes=()).sentences), routes_in(())) == (("ipv4",), (), None)
    old = ("canary http://a.test/: no answer", "reference site https://b.test/: works", "something else")
    assert answers_in(old) == {"http://a.test/": "no answer", "https://b.test/": "works"}


def step(kind: str, number: int, name: str, failure: str | None) -> Any:
    name_sent = "www.example.com"
    details = {
        "tcp": Tcp(family="ipv4"),
        "tls": Tls(server_name=name_sent),
        "quic": Quic(family="ipv4", server_name=name_sent),
    }
    address = "2001:db8::7" if kind == "ipv6" else "192.0.2.1"
    return observation(f"{kind}{number}", 1, name, details[name], failure=failure, address=address)


@pytest.mark.parametrize(
    ("kind", "name", "failure", "expected"),
    [
        ("udp", "quic", None, HostAnswers("www.example.com", udp=True)),
        ("udp", "quic", "generic_timeout_error", HostAnswers("www.example.com", udp=False)),
        ("ipv6", "tcp", "network_unreachable", HostAnswers("www.example.com", ipv6=False, port_443=False)),
        ("ipv6", "tcp", None, HostAnswers("www.example.com", ipv6=True)),
        ("443", "tls", None, HostAnswers("www.example.com", port_443=True)),
        ("443", "tls", "connection_reset", HostAnswers("www.example.com", port_443=False)),
        ("443", "tls", "generic_timeout_error", None),  # packets of full size may be lost
        ("443", "tls", "ssl_invalid_certificate", HostAnswers("www.example.com", port_443=True)),
        ("443", "tls", "unknown_failure", None),
    ],
)
def test_a_database_says_by_which_means_a_host_answered(
    tmp_path: Path, kind: str, name: str, failure: str | None, expected: HostAnswers | None
) -> None:
    store = Store.open(tmp_path / "x.db")
    store.save_round(
        RoundRecord(id="r1", started_at="2026-11-24T18:00:00.000Z", network="online", evidence=evidence("o"))
    )
    made = measurement("m1", observations=(step(kind, 1, name, failure),))
    listed = Expectation(target="https://l.test/", register="rkn", country="RU", listed=True)
    other = measurement("m2", target=target("https://l.test/"), observations=(step(kind, 2, name, None),))
    store.save(
        [
            finished(measurement=made, round_id="r1"),
            finished(measurement=other, round_id="r1", expectation=listed),
        ]
    )
    (found,) = rounds_of(store.db).values()
    assert found.hosts == ((expected,) if expected is not None else ())
    assert (found.vantage, found.asn, found.state) == (HOME.name, HOME.asn, "online")
    assert rounds_of(store.db, "2026-11-25") == {}
    store.close()


def test_a_tunnel_or_proxy_of_its_own_that_drops_is_no_round_of_the_network(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "x.db")
    for name, path in (("r1", "direct"), ("r2", "vpn")):
        store.save_round(RoundRecord(id=name, started_at="2026-11-24T18:00:00.000Z", network="offline"))
        made = measurement(f"m-{name}", vantage=msgspec.structs.replace(HOME, path=path), observations=())
        store.save([finished(made.id, measurement=made, round_id=name)])
    assert set(rounds_of(store.db)) == {"r1"}
    store.close()
