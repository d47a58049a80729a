"""From a measurement to what is concluded, with the store's memory and the registers beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from probe.measure import ControlSource
from probe.model import Dns, Http, Measurement, Tcp, Tls, Vantage
from probe.reference_sites import NetworkFacts, NetworkReport
from probe.target import parse
from results.db.store import Store
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.judge.wording import sentences
from results.registers.importing import ImportOptions, import_register
from schedules.config.load import load
from schedules.config.schema import Config
from schedules.round.judge import MIN_SHARING_NAMES, ControlPages, OpenPages, RoundJudge, SharedAddresses, judge_again
from tests.results.records import HOME, finished, measurement, observation, target, verdict
from tests.scenarios.builder import Builder

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def config() -> Config:
    return load(None, {"REACHPROBE_VANTAGE_COUNTRY": "RU", "REACHPROBE_VANTAGE_NAME": "home-fibre"}, {})


def conclusions(store: Store, config: Config) -> RoundJudge:
    return RoundJudge(store, config, msgspec.structs.replace(HOME, asn=None), at=NOON)


def reset(measurement_id: str, at: str) -> JudgedMeasurement:
    """A handshake that was reset, and once more."""
    steps = (
        observation(measurement_id, 1, "tcp", Tcp(family="ipv4")),
        observation(measurement_id, 2, "tls", Tls(server_name="www.example.com"), failure="connection_reset"),
        observation(measurement_id, 3, "tcp", Tcp(family="ipv4"), role="again"),
        observation(
            measurement_id, 4, "tls", Tls(server_name="www.example.com"), failure="connection_reset", role="again"
        ),
    )
    made = measurement(measurement_id, started_at=at, observations=steps)
    return finished(measurement=made, verdict=verdict("inconclusive"))


async def test_a_complete_answer_is_reachable_and_without_a_register_nothing_is_decided(
    store: Store, config: Config
) -> None:
    concluded = await conclusions(store, config).judge(measurement())
    assert (concluded.verdict.outcome, concluded.expectation, concluded.agreement) == ("reachable", None, "undecided")


async def test_the_same_failure_for_six_hours_is_inconclusive_without_any_control(store: Store, config: Config) -> None:
    store.save([reset("aaaa", "2026-11-24T05:00:00.000Z"), reset("bbbb", "2026-11-24T08:00:00.000Z")])
    third = reset("cccc", "2026-11-24T12:00:00.000Z").measurement
    concluded = await conclusions(store, config).judge(third)
    assert (concluded.verdict.outcome, concluded.verdict.rules) == ("inconclusive", ("history.repeats",))
    assert [earlier.at[11:13] for earlier in concluded.context.earlier] == ["05", "08"]


async def test_what_reference_sites_say_of_the_clock_is_part_of_the_context(store: Store, config: Config) -> None:
    judge = conclusions(store, config)
    record = RoundRecord(id="r", started_at="2026-11-24T12:00:00Z", network="online", evidence=())
    judge.begin(record, NetworkReport(state="online", evidence=(), facts=NetworkFacts(clock_off_s=-259200.0)))
    judged = await judge.judge(reset("aaaa", "2026-11-24T12:00:00.000Z").measurement)
    assert judged.context.clock_off_s == -259200.0
    assert judged.verdict.rules == ("clock.off",)


async def test_judging_again_from_the_store_gives_what_was_judged_then(store: Store, config: Config) -> None:
    judged = conclusions(store, config)
    for name, at in (("aaaa", "05"), ("bbbb", "08"), ("cccc", "12"), ("dddd", "13")):
        store.save(
            [
                msgspec.structs.replace(
                    await judged.judge(reset(name, f"2026-11-24T{at}:00:00.000Z").measurement), round_id=None
                )
            ]
        )
    assert list(store.reclassify(judge_again(store, config))) == []


async def test_a_register_imported_later_is_heard_when_judging_again(
    store: Store, config: Config, tmp_path: Path
) -> None:
    concluded = await conclusions(store, config).judge(measurement(started_at="2026-11-24T12:00:00.000Z"))
    store.save([msgspec.structs.replace(concluded, round_id=None)])
    dump = tmp_path / "dump.csv"
    dump.write_bytes(b"Updated: 2026-11-24 00:00:00 +0000\n192.0.2.9;www.example.com;;X;1-Restricting;2017-05-04\n")
    import_register(store.db, [dump], ImportOptions(name="rkn", country="RU"))
    ((_, after),) = store.reclassify(judge_again(store, config))
    assert (after.agreement, after.expectation.since if after.expectation else None) == ("unenforced", "2017-05-04")


async def test_a_register_of_another_country_is_not_held_against_this_vantage(
    store: Store, config: Config, tmp_path: Path
) -> None:
    dump = tmp_path / "dump.csv"
    dump.write_bytes(b"Updated: 2026-11-24 00:00:00 +0000\n192.0.2.9;www.example.com;;X;1;2017-05-04\n")
    import_register(store.db, [dump], ImportOptions(name="other", country="KZ"))
    concluded = await conclusions(store, config).judge(measurement())
    assert concluded.expectation is None


def test_an_address_that_many_unrelated_names_are_said_to_be_at_is_shared() -> None:
    shared = SharedAddresses()
    for number in range(MIN_SHARING_NAMES):
        host = f"www.site{number}.example"
        dns = measurement().observations[0]
        said = msgspec.structs.replace(dns, host=host)
        made = measurement(target=target(f"https://{host}/"), observations=(said,))
        assert shared.of(made) == ()
        shared.add(made)
    assert shared.of(made) == ("192.0.2.1",)
    assert isinstance(dns.detail, Dns)


def test_names_below_one_name_do_not_make_an_address_shared() -> None:
    shared = SharedAddresses()
    for number in range(MIN_SHARING_NAMES * 2):
        said = msgspec.structs.replace(measurement().observations[0], host=f"host{number}.site.example")
        made = measurement(observations=(said,))
        shared.add(made)
    assert shared.of(made) == ()


async def test_controls_come_from_every_source_and_those_from_a_record_are_named_in_the_context(
    store: Store, config: Config
) -> None:
    abroad = Vantage(name="abroad", country="NL")
    recorded = measurement("recorded", vantage=abroad, started_at="2026-11-24T11:00:00.000Z")
    made = measurement("made", vantage=abroad, control_of="cccc", started_at="2026-11-24T12:00:00.000Z")

    def source(control: Measurement) -> ControlSource:
        async def give(_: Measurement) -> Sequence[Measurement]:
            return (control,)

        return give

    judged = RoundJudge(store, config, HOME, controls=(source(made), source(recorded)), at=NOON)
    concluded = await judged.judge(reset("cccc", "2026-11-24T12:00:00.000Z").measurement)
    assert concluded.controls == (made, recorded)
    assert concluded.context.recorded == ("recorded",)
    assert (concluded.verdict.outcome, concluded.verdict.confidence) == ("blocked", "possible"), "one vantage abroad"
    assert concluded.verdict.control == "abroad, abroad"


async def test_no_control_is_asked_where_it_could_tell_nothing(store: Store, config: Config) -> None:
    async def never(_: Measurement) -> Sequence[Measurement]:
        raise AssertionError

    judged = RoundJudge(store, config, HOME, controls=(never,), at=NOON)
    assert (await judged.judge(measurement())).verdict.outcome == "reachable"


def page(host: str, body: bytes, by: str = "abroad") -> Measurement:
    """What a control was given for a site in the open."""
    url = f"http://{host}/"
    answer = Http(url=url, status=200, body=body, length=len(body))
    made = observation(host, 1, "http", answer, host=host)
    there = Vantage(name=by, country="KZ", path=by)
    return measurement(host, target=target(url), vantage=there, observations=(made,), control_of=f"of {host}")


def test_a_control_that_is_given_one_page_for_unrelated_names_is_noticed_from_the_second_on() -> None:
    pages = ControlPages()
    assert pages.shared([page("one.example", b"<p>one.example is closed</p>")]) == ()
    assert pages.shared([page("two.test", b"<p>two.test is closed</p>")]) == ("two.test",)
    assert pages.shared([page("one.example", b"<p>one.example is closed</p>")]) == ("one.example",)


@pytest.mark.parametrize(
    "second",
    [
        page("two.test", b"<p>another page</p>"),
        page("www.one.example", b"<p>one.example is closed</p>"),
        page("two.test", b"<p>two.test is closed</p>", by="another"),
        page("two.test", b""),
    ],
)
def test_another_page_name_or_control_is_no_shared_page(second: Measurement) -> None:
    pages = ControlPages()
    pages.shared([page("one.example", b"<p>one.example is closed</p>"), page("one.example", b"")])
    assert pages.shared([second]) == ()


async def test_a_configured_control_that_gives_nothing_is_not_the_same_as_none(store: Store, config: Config) -> None:
    async def silent(_: Measurement) -> Sequence[Measurement]:
        return ()

    failed = reset("cccc", "2026-11-24T12:00:00.000Z").measurement
    hub = msgspec.structs.replace(config.control, hub="https://hub.example")
    for control, configured in ((config.control, False), (hub, True)):
        changed = msgspec.structs.replace(config, control=control)
        judged = await RoundJudge(store, changed, HOME, controls=(silent,), at=NOON).judge(failed)
        assert judged.context.control_configured is configured
        assert any("none of the controls" in sentence for sentence in sentences(judged.verdict.evidence)) is configured


def in_the_open(site: str, address: str, body: str = "page not available") -> Measurement:
    """One plain page of a site at an address."""
    builder = Builder(parse(f"http://{site}/"))
    builder.add("main", [f"dns {address}", "tcp ok", f"http 200 body='{body}'"])
    return msgspec.structs.replace(measurement(site), target=builder.target, observations=tuple(builder.made))


def test_a_page_of_three_unrelated_sites_on_three_networks_is_shared() -> None:
    pages = OpenPages()
    asked = [in_the_open(f"site{n}.example", f"23.10.{n}.1") for n in (1, 2, 3)]
    assert [pages.sites_of(one) for one in asked] == [None, None, 3]
    assert pages.sites_of(in_the_open("site4.example", "23.10.4.1", "another page")) is None


def test_one_site_or_one_network_with_one_page_is_no_sign() -> None:
    pages = OpenPages()
    assert {pages.sites_of(in_the_open(f"www{n}.one.example", f"23.10.{n}.1")) for n in "12345"} == {None}
    pages = OpenPages()
    assert {pages.sites_of(in_the_open(f"site{n}.example", f"23.10.1.{n}")) for n in "12345"} == {None}
