"""What must hold of every verdict, whatever was observed."""

from __future__ import annotations

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probe import target as targets
from probe.model import Answer, Attempt, Lookup, Measurement, Observation, Target, Vantage
from results.judge.classify import classify, nearly
from results.judge.failure_point import ending
from results.judge.follow_up import FollowUpSettings, follow_up, wants_control
from results.judge.input import Case
from results.judge.rules import rules
from results.judge.signals import signals_of
from results.judge.verdict import METHODS, Context, Earlier, Outcome, Rate, Repeat
from results.judge.wording import sentences
from tests.scenarios.builder import Builder

ADDRESSES = ("23.10.1.1", "23.10.1.2", "151.20.2.2", "95.167.13.50", "10.0.0.66", "2606:2800:220:1::1")
TARGETS = tuple(
    targets.parse(text)
    for text in ("https://a.example/", "http://a.example/", "tls://a.example:443", "tcp://a.example:5222")
)
BLOCK_PAGE = "'Доступ к информационному ресурсу ограничен на основании Федерального закона 149-ФЗ'"
RANK = {"reachable": 0, "denied": 1, "inconclusive": 1, "down": 1, "offline": 1, "blocked": 2}
"""Worse means: blocked where it was not, or no longer reachable."""

SLOW_FOR_HOURS = tuple(
    Rate(at=f"2026-11-24T{hour:02}:00:00Z", bytes_per_s=9000.0, canary=900_000.0) for hour in (2, 7, 12)
)

address = st.sampled_from(ADDRESSES)
dns_line = st.one_of(
    address.map(lambda a: f"dns {a}"),
    st.sampled_from(["nxdomain", "empty", "refused", "servfail", "timeout", "bogon 127.0.0.1"]).map("dns {}".format),
)
tcp_line = st.sampled_from(["ok", "ok", "ok", "timeout", "refused", "unreachable", "no-route", "unusable"])
tls_line = st.sampled_from(
    ["ok", "ok", "ok", "reset", "timeout", "eof", "alert alert=40", "expired", "unknown-issuer leaf=x", "wrong-name"]
)
http_line = st.sampled_from(
    [
        "200 title=A",
        "200 title=B length=9000",
        "200 title=B curve=0.1:4000,9.1:90000",
        "403",
        "451",
        "200 body=" + BLOCK_PAGE,
        "302 to=http://warning.rt.ru/",
        "302 to=/again",
        "403 title='Just a moment...' server=cloudflare",
        "reset",
        "timeout",
        "eof",
        "stall length=16384",
        "garbage",
    ]
)


@st.composite
def attempt(draw: st.DrawFn, scheme: str) -> list[str]:
    """One connection's lines, as far as it gets."""
    where = draw(address)
    lines = [f"tcp {draw(tcp_line)} @{where}"]
    if lines[-1].startswith("tcp ok") and scheme in ("https", "tls"):
        lines.append(f"tls {draw(tls_line)}")
    if lines[-1].split()[1] == "ok" and scheme in ("https", "http"):
        lines.append(f"http {draw(http_line)}")
    return lines


@st.composite
def course(draw: st.DrawFn, scheme: str) -> list[str]:
    lines = draw(st.lists(dns_line, max_size=2))
    for one in draw(st.lists(attempt(scheme), max_size=2)):
        lines += one
    redirected = lines and " to=/again" in lines[-1]
    if redirected and draw(st.booleans()):
        to = draw(st.sampled_from(["https://a.example/again", "https://other.example/", "http://a.example/again"]))
        lines += [f"goto {to}", *draw(st.lists(dns_line, max_size=1)), *draw(attempt(to.split(":")[0]))]
    return lines


@st.composite
def measurements(draw: st.DrawFn, target: Target | None = None, number: int = 0) -> Measurement:
    target = target or draw(st.sampled_from(TARGETS))
    builder = Builder(target)
    builder.add("main", draw(course(target.scheme)))
    if number == 0:
        builder.add("trusted", draw(course(target.scheme)))
        builder.add("again", draw(st.lists(dns_line, max_size=1)) + draw(st.just([]) | attempt(target.scheme)))
        for role in ("innocent", "elsewhere_innocent", "elsewhere"):
            builder.add(role, draw(st.just([]) | attempt("tls")))
    return Measurement(
        id=f"m{number}",
        target=target,
        vantage=Vantage(name=f"v{number}", country="RU" if number == 0 else draw(st.sampled_from(["NL", "RU"]))),
        started_at="2026-11-24T12:00:00Z",
        runtime_s=1.0,
        observations=tuple(builder.made),
        control_of="m0" if number else None,
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[Measurement, tuple[Measurement, ...], Context]:
    own = draw(measurements())
    controls = tuple(draw(measurements(own.target, n)) for n in range(1, draw(st.integers(0, 2)) + 1))
    earlier = draw(
        st.lists(
            st.builds(
                Earlier,
                at=st.integers(0, 11).map(lambda hour: f"2026-11-24T{hour:02}:00:00Z"),
                method=st.sampled_from(METHODS),
            ),
            max_size=4,
        )
    )
    context = Context(
        network=draw(st.sampled_from(["online", "online", "online", "restricted", "portal", "offline"])),
        country="RU",
        allow_private=draw(st.booleans()),
        shared_addresses=tuple(draw(st.lists(address, max_size=2))),
        earlier=tuple(earlier),
        rates=draw(st.sampled_from([(), SLOW_FOR_HOURS])),
    )
    return own, controls, context


many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(cases())
def test_every_case_gets_a_verdict_that_is_well_formed(
    case: tuple[Measurement, tuple[Measurement, ...], Context],
) -> None:
    verdict = classify(*case)
    assert (verdict.method is not None) == (verdict.outcome == "blocked")
    assert verdict.method is None or verdict.method in METHODS
    assert verdict.outcome != "blocked" or verdict.confidence is not None
    assert verdict.outcome != "blocked" or verdict.evidence
    assert all(sentence.isprintable() for sentence in sentences(verdict.evidence))
    assert classify(*case) == verdict
    nearly(*case)
    wants_control(case[0], verdict)


@many
@given(cases())
def test_the_short_way_to_reachable_says_what_all_signs_would_say(
    case: tuple[Measurement, tuple[Measurement, ...], Context],
) -> None:
    signs = signals_of(Case(*case)).keys()
    assert classify(*case).rules == (next(rule for rule in rules() if rule.applies(signs)).id,)


@many
@given(cases())
def test_never_blocked_from_what_a_qualified_control_saw_as_well(
    case: tuple[Measurement, tuple[Measurement, ...], Context],
) -> None:
    own, controls, context = case
    course = tuple(o for o in own.observations if o.role == "main")
    abroad = Vantage(name="abroad", country="NL")
    twin = msgspec.structs.replace(own, id="twin", vantage=abroad, observations=course, control_of="m0")
    if Case(own, (twin,), context).qualified:
        assert classify(own, (*controls, twin), context).outcome != "blocked"


@many
@given(cases())
def test_turning_the_last_failing_step_into_a_success_never_makes_it_worse(
    case: tuple[Measurement, tuple[Measurement, ...], Context],
) -> None:
    own, controls, context = case
    failed = ending(own.target, own.observations)
    if failed.complete or failed.observation is None:
        return
    mended = tuple(_mended(o) if o is failed.observation else o for o in own.observations)
    before = classify(own, controls, context)
    after = classify(msgspec.structs.replace(own, observations=mended), controls, context)
    assert RANK[after.outcome] <= RANK[before.outcome], (before, after)


def _mended(observation: Observation) -> Observation:
    """The step as it would have been had it worked, with an answer like an honest one."""
    detail = observation.detail
    if observation.step == "dns":
        detail = msgspec.structs.replace(detail, rcode=0, answers=(Answer(type="A", value="151.20.2.2"),))
    if observation.step == "tls":
        detail = msgspec.structs.replace(detail, verify_code=0, chain=(b"leaf",), fingerprint="00")
    if observation.step == "http":
        detail = msgspec.structs.replace(detail, status=200, body=b"A", length=1, title="A")
    return msgspec.structs.replace(observation, failure=None, detail=detail)


@many
@given(measurements(), st.booleans(), st.data())
def test_follow_ups_end_and_ask_nothing_twice_but_the_name_after_a_wait(
    own: Measurement, trusted: bool, data: st.DataObject
) -> None:
    how = FollowUpSettings(
        innocent_name="i.example", ab_endpoint=("198.41.3.3", 443), trusted=trusted, system=True, waits=(1.0, 2.0)
    )
    ask = follow_up(how)
    measured = msgspec.structs.replace(own, observations=tuple(o for o in own.observations if o.role == "main"))
    seen: list[Lookup | Attempt] = []
    while wanted := ask(measured):
        seen += wanted
        assert len(seen) <= 14
        assert all(seen.count(more) <= {"again": 2, "innocent": 3}.get(more.role, 1) for more in wanted)
        for more in wanted:
            got = _answered(more, own.target, data)
            measured = msgspec.structs.replace(measured, observations=measured.observations + got)
    classify(measured, (), Context())


def _answered(more: Lookup | Attempt, target: Target, data: st.DataObject) -> tuple[Observation, ...]:
    """What the network says to a follow-up: any answer, but at least one observation."""
    builder = Builder(target)
    lines = [data.draw(dns_line)] if isinstance(more, Lookup) else data.draw(attempt(more.scheme))
    builder.add(more.role, lines)
    where = {} if isinstance(more, Lookup) else {"address": more.address, "port": more.port}
    return tuple(msgspec.structs.replace(o, hop=more.hop, host=more.host, **where) for o in builder.made)


@many
@given(cases(), st.sampled_from([None, "reachable", "denied", "down", "offline", "inconclusive"]))
def test_an_anomaly_that_was_not_blocked_when_measured_alone_is_never_blocked(
    case: tuple[Measurement, tuple[Measurement, ...], Context], outcome: Outcome | None
) -> None:
    own, controls, context = case
    repeated = msgspec.structs.replace(context, repeat=Repeat(outcome=outcome))
    assert classify(own, controls, repeated).outcome != "blocked"
