"""OONI's test helper as a control measurement: it records failures and statuses only.

The helper requests the same URL and addresses at the same time. It records only the end of the redirects it followed,
which is compared with the end of ours.
"""

from __future__ import annotations

from datetime import datetime

from probe.model import Answer, Dns, Http, Measurement, Observation, Tcp, Tls, Vantage
from probe.net.address_policy import family_of, literal
from probe.text import printable
from results.judge.failure_point import ending, goal
from results.ooni.format import ControlHttp, OoniControl
from results.ooni.steps import VALID, Step, ended_at, likely_step
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
    made = Measurement(
        id=name,
        target=of.target,
        vantage=HELPER,
        started_at=instant(began),
        runtime_s=0.0,
        observations=observations,
        control_of=of.id,
    )
    return (made,)


def _steps(control: OoniControl, of: Measurement) -> list[Step]:
    target = of.target
    found = look_up(control, target.host)
    steps = [found] if found is not None else []
    for text, said in (control.tcp_connect or {}).items():
        address, port = endpoint_of(text)
        if port == target.port:
            failure = failure_of(said.failure) or (None if said.status else "unknown_failure: not told")
            detail = Tcp(family=family_of(address))
            steps.append(_step("tcp", target.host, failure, detail, address, port))
    refused = {(step.address, step.port) for step in steps if step.step == "tcp" and step.failure is not None}
    for text, said in (control.tls_handshake or {}).items():
        address, port = endpoint_of(text)
        if port == target.port and target.scheme == "https" and (address, port) not in refused:
            failure = failure_of(said.failure) or (None if said.status else "unknown_failure: not told")
            name = None if literal(target.host) else target.host
            detail_tls = Tls(server_name=name, verify_code=VALID if failure is None else None)
            steps.append(_step("tls", target.host, failure, detail_tls, address, port))
    return steps


def _answer(control: OoniControl, of: Measurement, before: list[Step]) -> list[tuple[int, Step]]:
    """The helper's answer; its failure only if no earlier step already records it."""
    said = control.http_request
    if said is None:
        return []
    target = of.target
    failure = failure_of(said.failure)
    if failure is None:
        if said.status_code is None or said.status_code <= 0:
            return []
        return _requested_too_late(said, of, before)
    last = before[-1].step if before else None
    if last is not None and all(step.failure is not None for step in before if step.step == last):
        return []
    failed = _step("http", target.host, failure, Http(url=target.text), port=target.port)
    return [(0, ended_at(failed, likely_step(failure)))]


def _requested_too_late(said: ControlHttp, of: Measurement, before: list[Step]) -> list[tuple[int, Step]]:
    end = ending(of.target, of.observations)
    there = goal(of.target, of.observations, end.hop)
    url = _url(of.observations, end.hop) or of.target.text
    opened = next((s.address for s in reversed(before) if s.step in ("tcp", "tls") and s.failure is None), None)
    address = opened if end.hop == 0 else None
    port = of.target.port if end.hop == 0 else there.port
    headers = tuple((name[:4096], text_of(value)[:4096]) for name, value in (said.headers or {}).items())
    length = said.body_length if said.body_length is not None and said.body_length >= 0 else None
    title = printable(said.title or "") or None
    detail = Http(url=url, status=said.status_code, headers=headers, length=length, title=title)
    return [(end.hop, _step("http", end.host, None, detail, address, port))]


def _url(observations: tuple[Observation, ...], hop: int) -> str | None:
    urls = [o.detail.url for o in observations if o.step == "http" and o.hop == hop]
    return urls[0] if urls else None


def _step(
    step: str, host: str, failure: str | None, detail: object, address: str | None = None, port: int | None = None
) -> Step:
    return Step(
        step=step, host=host, offset_s=0.0, duration_s=0.0, address=address, port=port, failure=failure, detail=detail
    )
