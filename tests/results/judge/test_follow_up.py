"""What an anomaly calls for, pass by pass."""

from __future__ import annotations

import msgspec
import pytest

from probe import target as targets
from probe.model import Attempt, Http, Lookup, Measurement, Vantage
from results.judge.classify import classify
from results.judge.follow_up import FollowUpSettings, follow_up, may_follow, pause_for, waits_for, wants_control
from results.judge.verdict import Context
from tests.scenarios.builder import Builder, scenarios

HERE = "23.10.1.1"
ASIDE = ("198.41.3.3", 8443)
ASK = follow_up(FollowUpSettings(innocent_name="innocent.example", ab_endpoint=ASIDE))


def measured(target: str, **roles: list[str]) -> Measurement:
    builder = Builder(targets.parse(target))
    for role, lines in roles.items():
        builder.add(role, lines)
    return Measurement(
        id="m",
        target=builder.target,
        vantage=Vantage(name="home"),
        started_at="2026-11-24T12:00:00Z",
        runtime_s=1.0,
        observations=tuple(builder.made),
    )


def asked(measurement: Measurement) -> list[tuple[str, str]]:
    """Each wish in short: its role, and where it goes or that it is a look-up."""
    return [
        (more.role, "lookup" if isinstance(more, Lookup) else f"{more.scheme} {more.address}:{more.port}")
        for more in ASK(measurement)
    ]


def test_nothing_is_asked_after_a_complete_answer_over_valid_tls() -> None:
    assert asked(measured("https://a.example/", main=[f"dns {HERE}", "tcp ok", "tls ok", "http 200"])) == []
    assert asked(measured("https://a.example/", main=[f"dns {HERE}", "tcp ok", "tls ok", "http 403"])) == []
    assert asked(measured("tls://a.example:443", main=[f"dns {HERE}", "tcp ok", "tls ok"])) == []


def test_a_name_that_fails_is_asked_of_trusted_resolvers_and_once_more() -> None:
    first = measured("https://a.example/", main=["dns nxdomain"])
    assert asked(first) == [("trusted", "lookup"), ("again", "lookup")]
    then = measured("https://a.example/", main=["dns nxdomain"], trusted=["dns 151.20.2.2"], again=["dns nxdomain"])
    assert asked(then) == [("innocent", "lookup"), ("trusted", "https 151.20.2.2:443")]


def test_a_name_that_no_trusted_resolver_knows_ends_it() -> None:
    over = measured("https://a.example/", main=["dns nxdomain"], trusted=["dns nxdomain"], again=["dns nxdomain"])
    assert asked(over) == []


def test_a_silent_connect_is_tried_as_often_as_the_line_loses_connections() -> None:
    more = follow_up(FollowUpSettings(connects=4))
    silent = {"main": [f"dns {HERE}", "tcp timeout"], "trusted": [f"dns {HERE}"]}
    for times, wanted in ((1, ["again"]), (2, ["again"]), (3, [])):
        tried = measured("https://a.example/", **silent, again=["tcp timeout"] * times)
        assert [one.role for one in more(tried)] == wanted
    passed = measured("https://a.example/", **silent, again=["tcp timeout", "tcp ok", "tls ok", "http 200"])
    assert list(more(passed)) == []
    refused = {"main": [f"dns {HERE}", "tcp refused"], "trusted": [f"dns {HERE}"], "again": ["tcp refused"]}
    assert list(more(measured("https://a.example/", **refused))) == []


def test_without_trusted_resolvers_a_failing_name_is_only_asked_again() -> None:
    ask = follow_up(FollowUpSettings(trusted=False))
    assert [more.role for more in ask(measured("https://a.example/", main=["dns nxdomain"]))] == ["again"]
    assert ask(measured("https://a.example/", main=["dns nxdomain"], again=["dns nxdomain"])) == []


def test_a_reset_handshake_gets_the_innocent_name_first_then_its_own_again() -> None:
    first = measured("https://a.example/", main=[f"dns {HERE}", "tcp ok", "tls reset"])
    assert asked(first) == [
        ("trusted", "lookup"),
        ("innocent", f"tls {HERE}:443"),
        ("again", f"https {HERE}:443"),
    ]
    innocent = next(more for more in ASK(first) if more.role == "innocent")
    assert isinstance(innocent, Attempt)
    assert (innocent.server_name, innocent.host) == ("innocent.example", "a.example")


def test_the_address_set_aside_is_used_only_where_the_name_fails_again_and_the_innocent_one_passes() -> None:
    main = [f"dns {HERE}", "tcp ok", "tls reset"]
    trusted = [f"dns {HERE}"]
    fails, passes = ["tcp ok", "tls reset"], ["tcp ok", "tls ok"]

    def then(innocent: list[str], again: list[str]) -> list[tuple[str, str]]:
        return asked(measured("https://a.example/", main=main, trusted=trusted, innocent=innocent, again=again))

    aside = f"tls {ASIDE[0]}:{ASIDE[1]}"
    assert then(passes, fails) == [("elsewhere_innocent", aside), ("elsewhere", aside)]
    assert then(passes, [*passes, "http 200"]) == []
    assert then(fails, fails) == [("elsewhere_innocent", aside)], "whether this network lets any name through"
    assert then(["tcp ok", "tls eof"], fails) == []


def test_a_certificate_that_does_not_verify_gets_no_innocent_name() -> None:
    roles = [role for role, _ in asked(measured("https://a.example/", main=[f"dns {HERE}", "tcp ok", "tls expired"]))]
    assert roles == ["trusted", "again"]


@pytest.mark.parametrize("how", ["reset", "timeout", "eof", "stall length=16384"])
def test_an_answer_that_breaks_off_after_a_good_handshake_is_only_tried_again(how: str) -> None:
    main = [f"dns {HERE}", "tcp ok", "tls ok", f"http {how}"]
    wanted = asked(measured("https://a.example/", main=main))
    assert ("again", f"https {HERE}:443") in wanted
    assert {role for role, _ in wanted} <= {"again", "trusted"}


def test_a_contradicted_address_is_asked_again_and_the_trusted_one_tried() -> None:
    main = ["dns 80.9.9.9", "tcp ok", "tls unknown-issuer"]
    again = ["tcp ok @80.9.9.9", "tls unknown-issuer"]
    wanted = asked(measured("https://a.example/", main=main, again=again, trusted=["dns 151.20.2.2"]))
    assert wanted == [("again", "lookup"), ("trusted", "https 151.20.2.2:443")]


def asked_paths(**roles: list[str]) -> list[tuple[str, int, str | None, str | None]]:
    """Each request in the open that is wanted: role, hop, name in Host and path."""
    wanted = ASK(measured("http://a.example/", **roles))
    return [(m.role, m.hop, m.server_name, m.request_path) for m in wanted if isinstance(m, Attempt)]


def test_an_answer_in_the_open_is_asked_for_another_path_and_an_innocuous_name() -> None:
    main = [f"dns {HERE}", "tcp ok", "http 200 length=50000"]
    wanted = asked_paths(main=main)
    assert [(role, name) for role, _, name, _ in wanted] == [
        ("innocent", "innocent.example"),
        ("other_page", "a.example"),
    ]
    assert ASK(measured("http://a.example/", main=main))[0] == Lookup(role="trusted", hop=0, host="a.example")
    assert wanted[1][3] not in (None, "/")
    over = {"trusted": [f"dns {HERE}"], "innocent": ["tcp ok", "http 404"], "other_page": ["tcp ok", "http 404"]}
    assert asked_paths(main=main, **over) == []


def test_a_page_larger_than_any_block_page_in_the_open_is_left_alone() -> None:
    assert asked_paths(main=[f"dns {HERE}", "tcp ok", "http 200 length=500000"]) == []


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("/static/app.js", "/static/app.js"),
        ("logo.png?v=2", "/logo.png"),
        ("http://a.example/x.css", "/x.css"),
        ("https://a.example/x.css", None),
        ("//b.example/x.css", None),
        ("http://[/x.css", None),
        ("/<b>", None),
        ("/", None),
    ],
)
def test_the_other_path_is_a_file_that_the_page_loads_from_its_own_host(place: str, path: str | None) -> None:
    body = f'<script src="{place}"></script>'
    other = asked_paths(main=[f"dns {HERE}", "tcp ok", f"http 200 body='{body}'"])[1][3]
    assert other == path if path else other is not None and len(other) == 9


def test_a_notice_of_a_ban_is_asked_for_again_however_long_its_page() -> None:
    for words, again in (("this site is blocked by a court", True), ("a page about gardens", False)):
        wanted = asked_paths(main=[f"dns {HERE}", "tcp ok", f"http 200 length=20000 body='{words}'"])
        assert ("again" in [role for role, *_ in wanted]) is again


def test_a_redirect_off_the_site_in_the_open_is_asked_for_at_its_own_hop() -> None:
    led = [f"dns {HERE}", "tcp ok", "http 302 to=http://b.example/", "goto http://b.example/", "dns 80.9.9.9", "tcp ok"]
    at_first = [r for r in asked_paths(main=[*led, "http 200 title=Notice"]) if r[1] == 0]
    assert [(role, name) for role, _, name, _ in at_first] == [
        ("innocent", "innocent.example"),
        ("other_page", "a.example"),
        ("again", "a.example"),
    ]
    own = [f"dns {HERE}", "tcp ok", "http 302 to=http://www.a.example/", "goto http://www.a.example/", f"dns {HERE}"]
    assert [r for r in asked_paths(main=[*own, "tcp ok", "http 200 title=Home"]) if r[1] == 0] == []


def test_a_short_answer_in_the_open_is_asked_for_twice() -> None:
    main = [f"dns {HERE}", "tcp ok", "http 403 title=No"]
    assert ("again", f"http {HERE}:80") in asked(measured("http://a.example/", main=main))


def test_an_address_needs_no_resolver() -> None:
    assert asked(measured("tcp://23.10.1.1:5222", main=["tcp timeout"])) == [("again", "tcp 23.10.1.1:5222")]


def test_a_hop_that_fails_is_tried_again_where_the_redirect_led() -> None:
    main = [f"dns {HERE}", "tcp ok", "tls ok", "http 302 to=https://b.example:8443/x?y=1"]
    main += ["goto https://b.example:8443/x?y=1", "dns 23.10.1.9", "tcp ok", "tls timeout"]
    wanted = ASK(measured("https://a.example/", main=main))
    again = next(more for more in wanted if more.role == "again")
    assert isinstance(again, Attempt)
    assert (again.hop, again.host, again.address, again.port) == (1, "b.example", "23.10.1.9", 8443)
    assert again.request_path == "/x?y=1"
    assert Lookup(role="trusted", hop=1, host="b.example") in wanted


def test_a_path_that_resolves_names_itself_is_asked_for_no_addresses() -> None:
    measurement = measured("https://a.example/", main=["tcp ok", "tls reset"])
    assert [(more.role, getattr(more, "address", "lookup")) for more in ASK(measurement)] == [
        ("innocent", None),
        ("again", None),
    ]


def test_a_block_host_is_not_visited() -> None:
    there = Http(url="http://a.example/", status=302, location="http://warning.rt.ru/?id=13")
    assert not may_follow(there)
    assert may_follow(msgspec.structs.replace(there, location="https://a.example/"))


def test_every_target_but_those_reached_over_valid_tls_or_offline_wants_a_control() -> None:
    for scenario in scenarios():
        verdict = classify(scenario.measurement, (), scenario.context)
        proved = any(rule in ("answer.over_valid_tls", "answer.valid_handshake") for rule in verdict.rules)
        assert wants_control(scenario.measurement, verdict) == (verdict.outcome != "offline" and not proved)


def test_an_empty_measurement_asks_for_nothing() -> None:
    empty = measured("https://a.example/")
    assert ASK(empty) == []
    assert classify(empty, (), Context()).outcome == "inconclusive"


RESET = ["tcp ok", "tls reset"]
WAITING = follow_up(FollowUpSettings(innocent_name="innocent.example", ab_endpoint=ASIDE, waits=waits_for(10)))


def waits(**roles: list[str]) -> list[tuple[str, float | None]]:
    """The attempts wanted after a reset handshake, each with how long it is to wait."""
    measurement = measured("https://a.example/", main=[f"dns {HERE}", *RESET], trusted=[f"dns {HERE}"], **roles)
    return [(more.role, more.after_s) for more in WAITING(measurement) if isinstance(more, Attempt)]


def test_an_innocent_name_that_fails_right_after_is_tried_again_after_longer_and_longer_waits() -> None:
    assert waits(innocent=RESET, again=RESET) == [("innocent", 5.0)]
    assert waits(innocent=RESET * 2, again=RESET) == [("innocent", 20.0)]
    assert waits(innocent=RESET * 3, again=RESET) == [("innocent", 50.0)]
    assert waits(innocent=RESET * 4, again=RESET) == [("elsewhere_innocent", None)]


def test_the_time_that_tries_took_themselves_is_not_waited_again() -> None:
    main = [f"dns {HERE}", "tcp ok", "tls timeout took=10"]
    silent = ["tcp ok", "tls timeout took=10"]
    both = measured(
        "https://a.example/",
        main=main,
        trusted=[f"dns {HERE}"],
        again=silent,
        small_segments=silent,
        innocent=silent * 2,
    )
    last = max(both.observations, key=lambda o: o.offset_s)
    late = msgspec.structs.replace(last, offset_s=last.offset_s + 12)
    observations = tuple(late if o is last else o for o in both.observations)
    (wanted,) = WAITING(msgspec.structs.replace(both, observations=observations))
    assert isinstance(wanted, Attempt)
    assert wanted.after_s is not None
    assert 0 < wanted.after_s < 20 - 10


def test_quic_gets_the_same_steps_over_quic() -> None:
    first = measured("quic://a.example:443", main=[f"dns {HERE}", "quic timeout"], trusted=[f"dns {HERE}"])
    assert asked(first) == [("innocent", f"quic {HERE}:443"), ("again", f"quic {HERE}:443")]
    roles = {"innocent": ["quic ok"], "again": ["quic timeout"], "trusted": [f"dns {HERE}"]}
    then = measured("quic://a.example:443", main=[f"dns {HERE}", "quic timeout"], **roles)
    aside = f"quic {ASIDE[0]}:{ASIDE[1]}"
    assert asked(then) == [("elsewhere_innocent", aside), ("elsewhere", aside)]


def test_once_the_innocent_name_passes_after_a_wait_the_name_is_tried_again_and_only_then_elsewhere() -> None:
    later = [*RESET, "tcp ok", "tls ok"]
    assert waits(innocent=later, again=RESET) == [("again", None)]
    assert waits(innocent=later, again=RESET * 2) == [("elsewhere_innocent", None), ("elsewhere", None)]
    assert waits(innocent=later, again=[*RESET, "tcp ok", "tls ok", "http 200"]) == []


def test_nobody_waits_for_a_server_that_answers_an_innocent_name_with_an_alert() -> None:
    assert waits(innocent=["tcp ok", "tls alert alert=112"], again=RESET) == []


def test_a_request_that_breaks_off_in_the_open_is_sent_with_an_innocent_host_to_the_same_address() -> None:
    first = measured("http://a.example/page", main=[f"dns {HERE}", "tcp ok", "http reset"])
    innocent = next(more for more in ASK(first) if more.role == "innocent")
    assert isinstance(innocent, Attempt)
    assert (innocent.scheme, innocent.server_name, innocent.address) == ("http", "innocent.example", HERE)
    assert (innocent.port, innocent.request_path) == (80, "/page"), "one thing at a time: the same path"


def test_a_request_that_fails_by_the_name_in_host_is_sent_to_port_80_of_the_address_set_aside() -> None:
    ask = follow_up(FollowUpSettings(innocent_name="innocent.example", ab_endpoint=(ASIDE[0], 443)))
    main, trusted = [f"dns {HERE}", "tcp ok", "http reset"], [f"dns {HERE}"]
    fails, passes = ["tcp ok", "http reset"], ["tcp ok", "http 404"]
    by_name = measured("http://a.example/page", main=main, trusted=trusted, innocent=passes, again=fails)
    assert [
        (more.role, more.scheme, more.address, more.port, more.server_name, more.request_path)
        for more in ask(by_name)
        if isinstance(more, Attempt)
    ] == [
        ("elsewhere_innocent", "http", ASIDE[0], 80, "innocent.example", "/page"),
        ("elsewhere", "http", ASIDE[0], 80, "a.example", "/page"),
    ]
    assert [more.role for more in ASK(by_name)] == ["made_up"], "beside another port than 443 nothing answers"
    whatever = measured("http://a.example/page", main=main, trusted=trusted, innocent=fails, again=fails)
    assert [more.role for more in ask(whatever)] == ["elsewhere_innocent"]


def test_where_quic_fails_for_any_name_it_is_tried_once_where_it_may_pass() -> None:
    fails = {"innocent": ["quic timeout"], "again": ["quic timeout"], "trusted": [f"dns {HERE}"]}
    main = [f"dns {HERE}", "quic timeout"]
    assert asked(measured("quic://a.example:443", main=main, **fails)) == [
        ("elsewhere_innocent", f"quic {ASIDE[0]}:{ASIDE[1]}")
    ]
    for there in ("ok", "timeout"):
        tried = [f"quic {there} @{ASIDE[0]}"]
        assert asked(measured("quic://a.example:443", main=main, elsewhere_innocent=tried, **fails)) == []


def test_a_stalled_answer_in_the_open_gets_no_innocent_host() -> None:
    wanted = ASK(measured("http://a.example/", main=[f"dns {HERE}", "tcp ok", "http stall length=16384"]))
    assert "innocent" not in {more.role for more in wanted}


def test_what_programs_are_told_is_asked_where_a_name_or_address_fails_and_people_use_the_system() -> None:
    ask = follow_up(FollowUpSettings(system=True))
    for main in (["dns nxdomain"], [f"dns {HERE}", "tcp timeout"], [f"dns {HERE}", "tcp ok", "tls unknown-issuer"]):
        wanted = ask(measured("https://a.example/", main=main))
        assert [more.role for more in wanted].count("system") == 1, main
        then = measured("https://a.example/", main=main, system=["dns nxdomain"])
        assert "system" not in {more.role for more in ask(then)}
    passed = measured("http://a.example/", main=[f"dns {HERE}", "tcp ok", "http 200"])
    assert "system" not in {more.role for more in ask(passed)}
    assert "system" not in {more.role for more in ASK(measured("https://a.example/", main=["dns nxdomain"]))}


def test_quic_is_asked_for_once_at_the_port_that_alt_svc_names_on_the_same_host() -> None:
    ask = follow_up(FollowUpSettings(quic=True))

    def wanted(alt_svc: str, **roles: list[str]) -> list[tuple[str, str, int]]:
        main = [f"dns {HERE}", "tcp ok", "tls ok", f"http 200 header='Alt-Svc: {alt_svc}'"]
        found = ask(measured("https://a.example/", main=main, **roles))
        return [(more.role, more.scheme, more.port) for more in found if isinstance(more, Attempt)]

    assert wanted('h2="x:443", h3=":8443"; ma=86400') == [("offered", "quic", 8443)]
    assert wanted('h3=":443"', offered=["quic timeout"]) == []
    for none in ('h3="other.example:443"', 'h3-29=":443"', "clear", 'h3=":99999"', 'h2=":443"'):
        assert wanted(none) == [], none


def test_a_request_for_a_page_that_breaks_off_is_also_made_for_another_page_of_the_name() -> None:
    first = measured("http://a.example/page", main=[f"dns {HERE}", "tcp ok", "http reset"])
    paths = {more.role: more.request_path for more in ASK(first) if isinstance(more, Attempt)}
    assert paths == {"innocent": "/page", "other_page": "/", "again": "/page"}
    front = measured("http://a.example/", main=[f"dns {HERE}", "tcp ok", "http reset"])
    assert {more.role for more in ASK(front)} == {"trusted", "innocent", "again"}


def test_without_an_address_set_aside_a_made_up_name_shows_whether_the_server_is_strict() -> None:
    ask = follow_up(FollowUpSettings(innocent_name="innocent.example"))
    main, trusted = [f"dns {HERE}", "tcp ok", "tls reset"], [f"dns {HERE}"]
    fails, passes = ["tcp ok", "tls reset"], ["tcp ok", "tls ok"]
    wanted = ask(measured("https://a.example/", main=main, trusted=trusted, innocent=passes, again=fails))
    assert [(more.role, more.address) for more in wanted if isinstance(more, Attempt)] == [("made_up", HERE)]
    name = next(more.server_name for more in wanted if isinstance(more, Attempt))
    assert str(name).endswith(".example.net")
    done = measured("https://a.example/", main=main, trusted=trusted, innocent=passes, again=fails, made_up=passes)
    assert list(ask(done)) == []
    strict = measured("https://a.example/", main=main, trusted=trusted, innocent=fails, again=fails)
    assert [more.role for more in ask(strict)] == []


def test_a_connect_that_fails_where_another_to_the_address_passed_is_tried_after_a_minute() -> None:
    ask = follow_up(FollowUpSettings(pause_s=pause_for(10.0)))
    behind = ["goto https://a.example/", f"tcp refused @{HERE}"]
    main = [f"dns {HERE}", "tcp ok", "http 301 to=https://a.example/", *behind]
    once = measured("http://a.example/", main=main, trusted=[f"dns {HERE}"], again=behind)
    assert [(more.role, more.after_s) for more in ask(once) if isinstance(more, Attempt)] == [("again", 62.0)]
    twice = measured("http://a.example/", main=main, trusted=[f"dns {HERE}"], again=[*behind, behind[1]])
    assert list(ask(twice)) == []


def test_a_mail_port_that_fails_is_tried_at_the_address_set_aside() -> None:
    main, again = [f"dns {HERE}", "tcp timeout"], ["tcp timeout"]
    mail = measured("tcp://a.example:25", main=main, trusted=[f"dns {HERE}"], again=again)
    assert asked(mail) == [("elsewhere", f"tcp {ASIDE[0]}:25")]
    done = measured("tcp://a.example:25", main=main, trusted=[f"dns {HERE}"], again=again, elsewhere=["tcp timeout"])
    assert asked(done) == []
    web = measured("tcp://a.example:443", main=main, trusted=[f"dns {HERE}"], again=again)
    assert asked(web) == []


SILENT = ["dns 23.10.1.1", "tcp ok", "tls timeout"]


def in_small_segments(target: str = "https://large.example/", **roles: list[str]) -> list[tuple[str, int | None]]:
    wanted = ASK(measured(target, trusted=["dns 23.10.1.1"], **roles))
    return [(one.role, one.max_segment) for one in wanted if isinstance(one, Attempt) and one.max_segment]


def test_a_connection_that_falls_silent_twice_is_tried_in_small_segments_once() -> None:
    again = ["tcp ok", "tls timeout"]
    small = [("small_segments", 536)]
    assert in_small_segments(main=SILENT) == []
    assert in_small_segments(main=SILENT, again=again, innocent=again) == small
    assert in_small_segments(main=SILENT, again=again, innocent=again, small_segments=again) == []
    stalled = ["tcp ok", "tls ok", "http stall took=10"]
    assert in_small_segments(main=["dns 23.10.1.1", *stalled], again=stalled) == small


def test_what_is_reset_or_refused_or_passes_again_is_not_tried_in_small_segments() -> None:
    for result in ("reset", "eof", "alert"):
        failed = ["tcp ok", f"tls {result}"]
        assert in_small_segments(main=["dns 23.10.1.1", *failed], again=failed) == []
    assert in_small_segments(main=["dns 23.10.1.1", "tcp timeout"], again=["tcp timeout"]) == []
    assert in_small_segments(main=SILENT, again=["tcp ok", "tls ok", "http 200"]) == []


def test_once_small_segments_pass_nothing_more_is_asked() -> None:
    again = ["tcp ok", "tls timeout"]
    roles = {"main": SILENT, "again": again, "innocent": again, "trusted": ["dns 23.10.1.1"]}
    passed = ["tcp ok", "tls ok", "http 200"]
    assert WAITING(measured("https://large.example/", **roles, small_segments=passed)) == []
    assert [one.role for one in WAITING(measured("https://large.example/", **roles, small_segments=again))] == [
        "innocent"
    ]


LISTING = follow_up(FollowUpSettings(innocent_name="innocent.example", ab_endpoint=ASIDE, listed_name="listed.example"))
CUT, ANSWERED, OTHERS = ["tcp ok", "tls timeout"], ["tcp ok", "tls ok"], ["tcp ok", "tls wrong-name"]


def on_an_allow_list(**roles: list[str]) -> list[tuple[str, str | None]]:
    common = {"main": SILENT, "trusted": [f"dns {HERE}"], "again": CUT, "innocent": CUT, "small_segments": CUT}
    found = LISTING(measured("https://a.example/", **(common | roles)))
    return [(one.role, one.server_name) for one in found if isinstance(one, Attempt)]


def test_where_a_list_decides_a_listed_name_a_made_up_one_and_then_the_name_are_tried() -> None:
    names = on_an_allow_list()
    assert [role for role, _ in names] == ["listed", "made_up"]
    assert names[0][1] == "listed.example"
    assert on_an_allow_list(listed=OTHERS, made_up=CUT) == [("again", "a.example")]
    assert on_an_allow_list(listed=OTHERS, made_up=CUT, again=CUT * 2) == []
    assert on_an_allow_list(listed=CUT, made_up=CUT) == [], "no wait for residual blocking"
    assert on_an_allow_list(again=ANSWERED) == []


def test_a_name_that_a_list_would_let_pass_is_tried_elsewhere_as_usual() -> None:
    roles = [role for role, _ in on_an_allow_list(innocent=ANSWERED, listed=OTHERS, made_up=ANSWERED)]
    assert roles == ["elsewhere_innocent", "elsewhere"]


def test_a_listed_name_is_verified_so_that_its_own_server_is_known() -> None:
    (listed, _) = LISTING(
        measured(
            "https://a.example/", main=SILENT, again=CUT, innocent=CUT, small_segments=CUT, trusted=[f"dns {HERE}"]
        )
    )
    assert isinstance(listed, Attempt)
    assert listed.host == listed.server_name
