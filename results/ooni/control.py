"""OONI's test helper as a control measurement: failures and statuses, and the end of its redirects only."""

from __future__ import annotations

from datetime import datetime

from probe.model import Answer, Dns, Http, Measurement, Tcp, Tls, Vantage
from probe.net.address_policy import family_of, literal
from probe.text import printable
from results.judge.failure_point import ending, goal
from results.ooni.format import ControlHttp, ControlStatus, OoniControl
from results.ooni.steps import UNNAMED_FAILURE, VALID, Step, ended_at, likely_step
from results.ooni.vocabulary import endpoint_of, failure_of, identifier, instant, text_of

HELPER = Vantage(name="ooni-test-helper")


def look_up(control: OoniControl | None, host: str) -> Step | None:
    """What the helper's resolver said; None where it was not asked, and for an address."""
    if control is None or control.dns is None or literal(host):
        return None
    addresses = [str(found) for text in control.dns.addrs or () if (found := literal(text)) is not None]
    failure = failure_of(control.dns.failure)
    if not addresses and failure is None:
        return None
    answers = tuple(Answer(type="AAAA" if ":" in a else "A", value=a) for a in addresses)
    return _step("dns", host, failure, Dns(resolver=HELPER.name, query_type="ANY", answers=answers))


def measurement(control: OoniControl | None, of: Measurement, began: datetime) -> tuple[Measurement, ...]:
    """The control measurement made for `of`; none where the helper said nothing."""
    if control is None:
        return ()
    found = [(0, step) for step in _steps(control, of)]
    found += _answer(control, of, [step for _, step in found])
    name = identifier(of.id, "control")
    observations = tuple(
        step.observed(f"{name}.{number}", "main", hop, began) for number, (hop, step) in enumerate(found, 1)
    )
    if not observations:
        return ()
    return (
        Measurement(
            id=name,
            target=of.target,
            vantage=HELPER,
            started_at=instant(began),
            runtime_s=0.0,
            observations=observations,
            control_of=of.id,
        ),
    )


def _steps(control: OoniControl, of: Measurement) -> list[Step]:
    target = of.target
    lookup = look_up(control, target.host)
    steps = [lookup] if lookup is not None else []
    for text, outcome in (control.tcp_connect or {}).items():
        address, port = endpoint_of(text)
        if port == target.port:
            detail = Tcp(family=family_of(address))
            steps.append(_step("tcp", target.host, _failure(outcome), detail, address, port))
    refused = {(step.address, step.port) for step in steps if step.step == "tcp" and step.failure is not None}
    name = None if literal(target.host) else target.host
    for text, outcome in (control.tls_handshake or {}).items():
        address, port = endpoint_of(text)
        if port == target.port and target.scheme == "https" and (address, port) not in refused:
            failure = _failure(outcome)
            detail_tls = Tls(server_name=name, verify_code=VALID if failure is None else None)
            steps.append(_step("tls", target.host, failure, detail_tls, address, port))
    return steps


def _failure(outcome: ControlStatus) -> str | None:
    return failure_of(outcome.failure) or (None if outcome.status else UNNAMED_FAILURE)


def _answer(control: OoniControl, of: Measurement, before: list[Step]) -> list[tuple[int, Step]]:
    """The helper's answer; its failure only if no earlier step already records it."""
    http = control.http_request
    if http is None:
        return []
    target = of.target
    failure = failure_of(http.failure)
    if failure is None:
        if http.status_code is None or http.status_code <= 0:
            return []
        return _page(http, of, before)
    last = before[-1].step if before else None
    if last is not None and all(step.failure is not None for step in before if step.step == last):
        return []
    failed = _step("http", target.host, failure, Http(url=target.text), port=target.port)
    return [(0, ended_at(failed, likely_step(failure, target.scheme)))]


def _page(http: ControlHttp, of: Measurement, before: list[Step]) -> list[tuple[int, Step]]:
    end = ending(of.target, of.observations)
    there = goal(of.target, of.observations, end.hop)
    urls = (o.detail.url for o in of.observations if o.step == "http" and o.hop == end.hop)
    url = next(urls, None) or of.target.text
    opened = next((s.address for s in reversed(before) if s.step in ("tcp", "tls") and s.failure is None), None)
    address = opened if end.hop == 0 else None
    port = of.target.port if end.hop == 0 else there.port
    headers = tuple((name[:4096], text_of(value)[:4096]) for name, value in (http.headers or {}).items())
    length = http.body_length if http.body_length is not None and http.body_length >= 0 else None
    title = printable(http.title or "") or None
    detail = Http(url=url, status=http.status_code, headers=headers, length=length, title=title)
    return [(end.hop, _step("http", end.host, None, detail, address, port))]


def _step(
    step: str, host: str, failure: str | None, detail: object, address: str | None = None, port: int | None = None
) -> Step:
    return Step(step=step, host=host, address=address, port=port, failure=failure, detail=detail)
