"""Any measurement that the records allow, for what must hold of all of them."""

from __future__ import annotations

import hashlib

import msgspec
from hypothesis import strategies as st

from probe.model import Answer, Dns, Http, Measurement, Observation, Tcp, Tls, Vantage
from probe.steps.quic import Quic
from probe.target import parse
from results.judge.classify import classify
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.judge.verdict import Context, Earlier
from results.ooni.format import FAILURES

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
maybe_words = st.none() | words
numbers = st.none() | st.integers(-(2**63), 2**63 - 1)
flags = st.none() | st.booleans()
seconds = st.floats(0, 1e6)
addresses = st.sampled_from([None, "93.184.216.34", "127.77.0.1", "2606:2800:220:1:248:1893:25c8:1946", "10.10.34.35"])
chains = st.lists(st.binary(max_size=9), max_size=3).map(tuple)
failures = st.none() | st.sampled_from(sorted(FAILURES)) | words.map("unknown_failure: {}".format)
answers = st.builds(Answer, type=st.sampled_from(["A", "AAAA", "CNAME", "HTTPS"]), value=words, ttl=numbers)


def hashed(answer: Http) -> Http:
    """With the hash of the body that it has."""
    if answer.body is None:
        return answer
    return msgspec.structs.replace(answer, body_sha256=hashlib.sha256(answer.body).hexdigest())


details = {
    "dns": st.builds(
        Dns,
        resolver=st.sampled_from(["system", "getaddrinfo", "udp://8.8.8.8", "https://dns.example/q"]) | words,
        query_type=words,
        rcode=numbers,
        answers=st.lists(
            st.builds(Answer, type=st.sampled_from(["A", "AAAA", "CNAME", "HTTPS"]), value=words, ttl=numbers),
            max_size=3,
        ).map(tuple),
        authenticated=flags,
        truncated=flags,
        sendings=numbers,
    ),
    "tcp": st.builds(Tcp, family=st.sampled_from([None, "ipv4", "ipv6"])),
    "tls": st.builds(
        Tls,
        server_name=maybe_words,
        version=maybe_words,
        cipher=maybe_words,
        alpn=maybe_words,
        verify_code=numbers,
        alert=numbers | st.sampled_from([40, 42, 70]),
        refused=maybe_words,
        lenient=st.sampled_from([None, True]),
        client_certificate=st.sampled_from([None, True]),
        chain=chains,
        fingerprint=maybe_words,
    ),
    "http": st.builds(
        Http,
        url=st.sampled_from(["https://a.example/", "http://b.example/x"]) | words,
        status=numbers,
        version=maybe_words,
        headers=st.lists(st.tuples(words, words), max_size=3).map(tuple),
        location=maybe_words,
        body=st.none() | st.binary(max_size=20) | words.map(str.encode),
        body_sha256=maybe_words,
        length=numbers,
        truncated=flags,
        title=maybe_words,
        received=numbers,
        curve=st.lists(st.tuples(seconds, st.integers(0, 10**9)), max_size=2).map(tuple),
        quirks=st.lists(words, max_size=2).map(tuple),
    ).map(hashed),
    "quic": st.builds(Quic, family=maybe_words, verified=flags, transport_error=numbers, chain=chains),
}
roles = st.sampled_from(
    ["main", "main", "again", "trusted", "innocent", "elsewhere", "elsewhere_innocent", "system", "late"]
)
vantages = st.builds(
    Vantage,
    name=words,
    country=st.sampled_from([None, "RU", "NL"]),
    asn=st.none() | st.integers(1, 2**32 - 1),
    network_name=st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9),
    path=st.sampled_from(["direct", "vpn"]),
)
targets = st.sampled_from(
    [
        parse("https://www.example.com/"),
        parse("http://x.example:8080/?q"),
        parse("tls://x.example:5223", service="line", required=False),
        parse("tcp://[2001:db8::1]:5222", allow_private=True),
    ]
)
instants = st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z")


@st.composite
def observations(draw: st.DrawFn, identifier: str) -> Observation:
    step = draw(st.sampled_from(sorted(details)))
    return Observation(
        id=identifier,
        step=step,
        role=draw(roles),
        hop=draw(st.integers(0, 10)),
        started_at=draw(words),
        offset_s=draw(seconds),
        duration_s=draw(seconds),
        host=draw(st.sampled_from(["www.example.com", "x.example"]) | words),
        address=draw(addresses),
        port=draw(st.none() | st.integers(0, 65535)),
        failure=draw(failures),
        error_code=draw(numbers),
        error=draw(maybe_words),
        detail=draw(details[step]),
    )


@st.composite
def measurements(draw: st.DrawFn, name: str, control_of: str | None = None) -> Measurement:
    count = draw(st.integers(0, 5))
    return Measurement(
        id=name,
        target=draw(targets),
        vantage=draw(vantages),
        started_at=draw(instants),
        runtime_s=draw(seconds),
        observations=tuple(draw(observations(f"{name}.{n}")) for n in range(count)),
        control_of=control_of,
    )


@st.composite
def finished(draw: st.DrawFn, name: str = "2kq7mmmmmmmmmmmm") -> tuple[JudgedMeasurement, RoundRecord | None]:
    """A measurement with up to two controls, judged, and the round it was part of."""
    measurement = draw(measurements(name))
    count = draw(st.integers(0, 2))
    controls = tuple(draw(measurements(f"{name}-control{n}", control_of=name)) for n in range(count))
    context = Context(
        network=draw(st.sampled_from(["online", "restricted", "portal", "offline"])),
        country=measurement.vantage.country,
        allow_private=draw(st.booleans()),
        shared_addresses=tuple(draw(st.lists(words, max_size=2))),
        earlier=tuple(draw(st.lists(st.builds(Earlier, at=instants, method=words), max_size=3))),
        control_countries={control.id: "NL" for control in controls},
    )
    round_ = draw(
        st.none() | st.builds(RoundRecord, id=st.just("round1"), started_at=instants, network=st.just("online"))
    )
    made = JudgedMeasurement(
        measurement=measurement,
        controls=controls,
        context=context,
        verdict=classify(measurement, controls, context),
        agreement="undecided",
        round_id=round_.id if round_ else None,
    )
    return made, round_
