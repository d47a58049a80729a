"""How an agent reaches a hub: over TLS that an authority vouches for or that is pinned, and by a path."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding

from probe import target as targets
from probe.http.api_client import ApiRoute, NotAnswered, public_key, server_of
from probe.model import Measurement
from probe.net.address_policy import Gate
from probe.net.network import RealNetwork
from probe.net.path import Path as NetworkPath
from probe.net.streams import ByteStream
from schedules.config.schema import Config
from schedules.demo.listener import Listeners, ServerStream, tcp_socket
from schedules.hub_client import client
from tests.results.hub.hub_process import RunningHub
from tests.results.judge.test_follow_up import measured
from tests.results.records import measurement
from tests.schedules.hub_client.test_upload import at_hub, enrolled
from tests.schedules.lab import Lab

HOST = "127.0.0.1"


async def test_a_hub_is_verified_by_its_authority_or_its_pinned_key(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert(HOST)
    for name, blobs in (("cert", issued.cert_chain_pems), ("key", [issued.private_key_pem])):
        (tmp_path / f"{name}.pem").write_bytes(b"".join(blob.bytes() for blob in blobs))
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    hub = RunningHub(tmp_path)
    hub.start("--cert", str(tmp_path / "cert.pem"), "--key", str(tmp_path / "key.pem"))
    url = f"https://{HOST}:{hub.port}"
    key = public_key(_der(issued.cert_chain_pems[0].bytes()))
    plain = ApiRoute(network=RealNetwork(NetworkPath()), timeout_s=10)
    try:
        for way in (plain, msgspec.structs.replace(plain, pins=("0" * 64,))):
            with pytest.raises(NotAnswered, match=r"unknown_authority|not have the pinned public key"):
                await client.HubClient(url, way).enrol(hub.invite("a"))
        trusting = msgspec.structs.replace(plain, ca_file=str(tmp_path / "ca.pem"))
        for way in (trusting, msgspec.structs.replace(plain, pins=(key,))):
            given = await client.HubClient(url, way).enrol(hub.invite("a"))
            member = client.HubClient(url, way, given.token)
            assert "no field record" in ((await member.send([b"{}"]))[1] or "")
            assert await member.renew()
    finally:
        hub.kill()


def _der(pem: bytes) -> bytes:
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


async def test_a_hub_is_reached_by_the_path_that_is_configured(lab: Lab, hub: RunningHub) -> None:
    await enrolled(lab, hub)
    host, port = lab.net.socks
    lab.configure(
        f'\n[hub]\nurl = "{hub.url}"\npath = "way"\n[[path]]\nname = "way"\nproxy = "socks5://{host}:{port}"\n'
        f'[[campaign]]\nname = "c"\ntargets = ["{lab.good.url}"]\n'
    )
    assert await lab.call("run") == 0
    assert len(at_hub(hub)) == 1
    lab.configure(
        f'\n[hub]\nurl = "{hub.url}"\npath = "way"\n[[path]]\nname = "way"\nproxy = "socks5://127.0.0.1:9"\n'
        f'[[campaign]]\nname = "c"\ntargets = ["{lab.good.url}"]\n'
    )
    assert await lab.call("run", "--all") == 0
    assert len(at_hub(hub)) == 1  # never by another way
    with closing(sqlite3.connect(lab.db)) as db:
        assert db.execute("SELECT count(*) FROM outbox").fetchone() == (1,)


OK = b"HTTP/1.1 200 OK\r\n\r\n"
NO_HUBS = [
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    OK + b"nonsense",
    b"\x00\x01nonsense\r\n\r\n",
    b"",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
    OK + json.dumps({"answers": [{"line": 7, "status": "stored"}]}).encode(),
    OK + b"x" * (client.MAX_RESPONSE_BYTES + 10),
    b"HTTP/1.1 500 x\r\n\r\n" + b"\x1b]0;owned\x07" * 99,
]


@pytest.mark.parametrize("answer", NO_HUBS)
async def test_a_response_of_no_hub_stores_nothing_and_is_a_short_error(answer: bytes) -> None:
    async def serve(stream: ServerStream) -> None:
        await stream.reader.readuntil(b"\r\n\r\n")
        stream.writer.write(answer)

    async with Listeners() as here:
        host, port = here.serve_stream(tcp_socket(HOST), serve)
        way = ApiRoute(network=RealNetwork(NetworkPath()), timeout_s=5)
        said = ""
        taken: dict[int, str | None] = {}
        try:
            taken = await client.HubClient(f"http://{host}:{port}", way, "rpt_x").send([b"{}"])
        except (NotAnswered, client.HubRefused) as error:
            said = str(error)
    assert taken == {}
    assert said.isprintable()
    assert len(said) < 400


@pytest.mark.parametrize(
    "url", ["http://hub.example", "ftp://x", "https://", "https://u:p@h", "https://h/?q", "h", "https://h:x"]
)
def test_a_hub_is_asked_over_tls_or_on_loopback(url: str) -> None:
    with pytest.raises(ValueError):
        server_of(url)


async def test_a_hub_whose_public_name_leads_home_is_not_contacted_unless_that_is_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contacted: list[str] = []

    async def getaddrinfo(_: RealNetwork, host: str) -> tuple[str, ...]:
        return ("192.168.1.5",)

    async def connect(_: RealNetwork, host: str, port: int, timeout_s: float | None = None) -> ByteStream:
        contacted.append(host)
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(RealNetwork, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(RealNetwork, "connect", connect)
    way = ApiRoute(network=RealNetwork(NetworkPath()), timeout_s=5)
    home = msgspec.structs.replace(way, gate=Gate(hosts=frozenset({"hub.example.org"})))
    for how, url, why in (
        (way, "https://hub.example.org", "private_hosts"),
        (home, "https://hub.example.org", "connection_refused"),
        (way, "https://nas.local", "connection_refused"),
        (way, "https://192.168.1.5", "connection_refused"),
    ):
        with pytest.raises(NotAnswered, match=why):
            await client.HubClient(url, how).enrol("x")
    assert contacted == ["192.168.1.5"] * 3


class _Asked:
    """A hub that notes what it is asked, and refuses the fields that it does not know."""

    def __init__(self, knows: tuple[str, ...]) -> None:
        self.knows, self.asked = knows, list[dict[str, Any]]()

    async def ask(self, path: str, body: dict[str, Any], kind: type) -> client.ControlResponse:
        self.asked.append(body)
        if set(body) - set(self.knows):
            raise client.HubRefused("422")
        return client.ControlResponse({"for": body["target"]})


@pytest.mark.parametrize(
    ("main", "knows", "asked"),
    [
        (["dns 23.10.1.1", "tcp timeout"], ("target", "addresses"), [("23.10.1.1",)]),
        (["dns 23.10.1.1", "tcp timeout"], ("target",), [("23.10.1.1",), None]),
        (["dns 10.0.0.1", "tcp timeout"], ("target", "addresses"), [None]),
        (["dns 23.10.1.1", "tcp ok", "tls ok", "http 200"], ("target", "addresses"), [None]),
    ],
    ids=["fails", "a hub of before", "private", "answers"],
)
async def test_a_hub_is_given_the_public_addresses_that_failed_here(
    main: list[str], knows: tuple[str, ...], asked: list[tuple[str, ...] | None]
) -> None:
    hub = _Asked(knows)
    response = await client._asked(hub, measured("https://a.example/", main=main))  # type: ignore[arg-type]
    assert [body.get("addresses") for body in hub.asked] == asked
    assert response.measurement == {"for": "https://a.example/"}


class StubHub:
    """Answers control requests in this order."""

    def __init__(self, *answers: Measurement | Exception) -> None:
        self.answers, self.slept = list(answers), list[float]()

    async def ask(self, *_: object) -> client.ControlResponse:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return client.ControlResponse(msgspec.to_builtins(answer))

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def control(self, monkeypatch: pytest.MonkeyPatch, measured: Measurement) -> Sequence[Measurement]:
        monkeypatch.setattr(client.HubClient, "ask", self.ask)
        return await client.control_source(Config(), [("http://127.0.0.1:1", "t")], self.sleep)(measured)


OTHERS = (
    "https://www.example.org/",
    "http://www.example.com/",
    "https://www.example.com:8443/",
    "https://www.example.com/x",
)


@pytest.mark.parametrize("text", OTHERS)
async def test_a_hub_that_answers_for_another_target_gives_no_control(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    asked, other = (measurement(f"{n}" * 16, target=targets.parse(t)) for n, t in enumerate((SAME, text)))
    assert await StubHub(other).control(monkeypatch, asked) == ()
    (found,) = await StubHub(msgspec.structs.replace(asked, id="c" * 16)).control(monkeypatch, asked)
    assert (found.control_of, found.target) == (asked.id, asked.target)


SAME = "https://www.example.com/"


async def test_a_hub_that_is_busy_for_a_moment_is_asked_for_the_control_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = measurement("a" * 16, target=targets.parse(SAME))
    for answers, waits, found in (
        ((client.HubBusy("429", 5.0), asked), [5.0], 1),
        ((client.HubBusy("429", 5.0), client.HubBusy("429", 5.0)), [5.0], 0),
        ((client.HubBusy("503", 10.0),), [], 0),
        ((client.HubBusy("503", None),), [], 0),
    ):
        hub = StubHub(*answers)
        assert len(await hub.control(monkeypatch, asked)) == found
        assert (hub.slept, hub.answers) == (waits, [])


@pytest.mark.parametrize("odd", [b"", b"0\x82\x01\x00", None], ids=["empty", "cut short", "of version 5"])
def test_a_certificate_that_cannot_be_read_is_no_pinned_one(odd: bytes | None) -> None:
    whole = _der(trustme.CA().issue_cert("hub.example").cert_chain_pems[0].bytes())
    with pytest.raises(NotAnswered, match="cannot be read"):
        public_key(odd if odd is not None else whole.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x04", 1))
