"""The same target by another path: what a proxy says of the target, and what only of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from probe.measure import measure, measure_control
from probe.model import Attempt, Lookup, Measurement
from probe.net.path import BadPath, Path, proxy_of
from probe.target import parse
from schedules.demo import censor, resolver
from schedules.demo.listener import Address, Listeners, ServerStream, tcp_socket
from schedules.demo.network import Site
from tests.lab import site_answers
from tests.lab.network import LabNetwork
from tests.probe.loopback import LOOPBACK, QUICK_S, at_most, course, forever, is_unknown, only, server, session_in


def http_proxy(net: LabNetwork, status: int | None = None) -> Address:
    """A CONNECT proxy on the control's side of the censor, or one that answers `status` to everything."""

    async def serve(stream: ServerStream) -> None:
        first = (await stream.reader.readuntil(b"\r\n\r\n")).split(b" ")
        host, _, port = first[1].decode().rpartition(":")
        if status is not None:
            await stream.send(f"HTTP/1.1 {status} Sorry\r\nContent-Length: 0\r\n\r\n".encode())
            return
        address = net.honest.addresses_of(host)[0] if not host[0].isdigit() else host
        address, number = net.routes.get((address, int(port)), (address, int(port)))
        reader, writer = await asyncio.open_connection(address, number, local_addr=(net.host("127.77.0.99"), 0))
        try:
            await stream.send(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
            async with asyncio.TaskGroup() as ways:
                ways.create_task(_copy(stream.reader, writer))
                ways.create_task(_copy(reader, stream.writer))
        finally:
            writer.close()

    return server(net.listeners, serve)


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.write_eof()
    except OSError:
        sink.close()


def proxies(net: LabNetwork) -> dict[str, str]:
    socks, http = net.socks, http_proxy(net)
    return {"socks5": f"socks5://{socks[0]}:{socks[1]}", "http": f"http://{http[0]}:{http[1]}"}


async def controlled(net: LabNetwork, site: Site | str, proxy: str, **changed: object) -> Measurement:
    """The control of a measurement of `site` by way of `proxy`."""
    target = parse(site if isinstance(site, str) else site.url, allow_private=True)
    first = Measurement(
        id="first", target=target, vantage=session_in(net).vantage, started_at="", runtime_s=0, observations=()
    )
    control = session_in(net, path=Path("control", proxy=proxy), **changed)
    return await at_most(60, measure_control(first, control))


@pytest.mark.parametrize("kind", ["socks5", "http"])
@pytest.mark.parametrize("tls", [True, False])
async def test_the_far_end_resolves_and_reaches_what_is_blocked_here(net: LabNetwork, kind: str, tls: bool) -> None:
    site = net.add_site("site.x.test", lie=resolver.nxdomain, censored=censor.resets, tls=tls)
    assert course(await measure(parse(site.url), session_in(net)))[-1] == ("dns", "dns_nxdomain_error")
    control = await controlled(net, site, proxies(net)[kind])
    assert control.control_of == "first"
    assert course(control) == [("tcp", None), *([("tls", None)] if tls else []), ("http", None)]
    tcp = next(o for o in control.observations if o.step == "tcp")
    assert (tcp.address, tcp.host, tcp.detail.family) == (None, site.name, None)


@pytest.mark.parametrize("kind", ["socks5", "http"])
async def test_an_address_goes_through_a_proxy_as_one(net: LabNetwork, kind: str) -> None:
    site = net.add_site("site.x.test", tls=False)
    control = await controlled(net, f"http://{site.address}:{site.port}/", proxies(net)[kind])
    assert course(control) == [("tcp", None), ("http", None)]


async def test_a_target_that_is_dead_for_the_control_too_is_refused_by_number(net: LabNetwork) -> None:
    control = await controlled(net, net.add_site("dead.x.test", dead=True), proxies(net)["socks5"])
    tcp = only(control, "tcp")
    assert (tcp.failure, tcp.error_code) == ("connection_refused", 5)
    assert not is_unknown(tcp.failure)


async def test_a_name_that_the_far_end_does_not_know_is_unreachable(net: LabNetwork) -> None:
    control = await controlled(net, "https://nowhere.x.test/", proxies(net)["socks5"])
    assert (only(control, "tcp").failure, only(control, "tcp").error_code) == ("host_unreachable", 4)


@pytest.mark.parametrize("kind", ["socks5", "http"])
@pytest.mark.parametrize("leads_to", ["localhost", "router", "printer.local", "localhost.", "1.0.0.127.in-addr.arpa"])
async def test_a_redirect_to_a_private_name_is_not_handed_to_the_proxy(
    net: LabNetwork, kind: str, leads_to: str
) -> None:
    site = net.add_site("site.x.test", site_answers.redirect(f"http://{leads_to}:{net.socks[1]}/"), tls=False)
    control = await controlled(net, site, proxies(net)[kind], allow_private=False)
    assert [(o.hop, o.step, o.failure) for o in control.observations] == [
        (0, "tcp", None),
        (0, "http", None),
        (1, "tcp", "dns_bogon_error"),
    ]
    public = net.add_site("public.x.test", tls=False)
    site = net.add_site("moved.x.test", site_answers.redirect(public.url), tls=False)
    control = await controlled(net, site, proxies(net)[kind], allow_private=False)
    assert [(o.hop, o.step, o.failure) for o in control.observations][2:] == [(1, "tcp", None), (1, "http", None)]


def socks_replying(here: Listeners, reply: bytes) -> str:
    async def serve(stream: ServerStream) -> None:
        await stream.reader.readexactly(3)
        await stream.send(b"\x05\x00")
        await stream.reader.readexactly(10)
        await stream.send(reply)
        await stream.gone()

    return "socks5://{}:{}".format(*server(here, serve))


@pytest.mark.parametrize(
    ("reply", "failure"),
    [(3, "network_unreachable"), (4, "host_unreachable"), (5, "connection_refused"), (6, "generic_timeout_error")],
)
async def test_a_reply_about_the_target_is_its_failure(net: LabNetwork, reply: int, failure: str) -> None:
    proxy = socks_replying(net.listeners, bytes((5, reply, 0, 1)) + bytes(6))
    tcp = only(await controlled(net, "tcp://127.0.0.9:9", proxy), "tcp")
    assert (tcp.failure, tcp.error_code) == (failure, reply)


@pytest.mark.parametrize("reply", [1, 2, 7, 8, 99])
async def test_a_reply_about_the_proxy_is_no_failure_of_the_target(net: LabNetwork, reply: int) -> None:
    proxy = socks_replying(net.listeners, bytes((5, reply, 0, 1)) + bytes(6))
    assert is_unknown(only(await controlled(net, "tcp://127.0.0.9:9", proxy), "tcp").failure)


@pytest.mark.parametrize(
    ("status", "failure"), [(502, "host_unreachable"), (503, "host_unreachable"), (504, "generic_timeout_error")]
)
async def test_a_gateway_error_is_the_targets_failure(net: LabNetwork, status: int, failure: str) -> None:
    proxy = "http://{}:{}".format(*http_proxy(net, status))
    assert only(await controlled(net, "tcp://127.0.0.9:9", proxy), "tcp").failure == failure


@pytest.mark.parametrize("status", [400, 403, 405, 407, 500])
async def test_a_proxy_that_will_not_connect_says_nothing_of_the_target(net: LabNetwork, status: int) -> None:
    proxy = "http://{}:{}".format(*http_proxy(net, status))
    assert is_unknown(only(await controlled(net, "tcp://127.0.0.9:9", proxy), "tcp").failure)


async def closes(stream: ServerStream) -> None:
    await stream.reader.read(1)


async def resets(stream: ServerStream) -> None:
    await stream.reader.read(1)
    stream.reset()


async def greets_then_resets(stream: ServerStream) -> None:
    await stream.reader.readexactly(3)
    await stream.send(b"\x05\x00")
    await stream.reader.readexactly(1)
    stream.reset()


async def wants_a_password(stream: ServerStream) -> None:
    await stream.reader.readexactly(3)
    await stream.send(b"\x05\xff")
    await stream.gone()


async def speaks_otherwise(stream: ServerStream) -> None:
    await stream.reader.readexactly(3)
    await stream.send(b"220 mail.example ESMTP\r\n" * 2000)
    await stream.gone()


@pytest.mark.parametrize("kind", ["socks5", "http"])
@pytest.mark.parametrize("handler", [closes, resets, speaks_otherwise])
async def test_a_proxy_that_is_none_is_never_the_targets_failure(
    net: LabNetwork, kind: str, handler: Callable[[ServerStream], Awaitable[None]]
) -> None:
    proxy = "{}://{}:{}".format(kind, *server(net.listeners, handler))
    assert is_unknown(only(await controlled(net, "tcp://127.0.0.9:9", proxy), "tcp").failure)


@pytest.mark.parametrize("handler", [greets_then_resets, wants_a_password, forever])
async def test_a_socks_proxy_that_breaks_off_is_never_the_targets_failure(
    net: LabNetwork, handler: Callable[[ServerStream], Awaitable[None]]
) -> None:
    proxy = "socks5://{}:{}".format(*server(net.listeners, handler))
    tcp = only(await controlled(net, "tcp://127.0.0.9:9", proxy, timeout_s=QUICK_S), "tcp")
    assert is_unknown(tcp.failure)


async def test_a_proxy_that_is_down_is_never_the_targets_failure(net: LabNetwork) -> None:
    closed = net.listeners.hold(tcp_socket(LOOPBACK, listening=False)).getsockname()
    for kind in ("socks5", "http"):
        tcp = only(await controlled(net, "tcp://127.0.0.9:9", f"{kind}://{closed[0]}:{closed[1]}"), "tcp")
        assert is_unknown(tcp.failure)
        assert (tcp.error or "").startswith("ProxyUnusable: path control: the proxy cannot be reached")


async def test_a_proxy_that_never_accepts_is_never_the_targets_failure(net: LabNetwork) -> None:
    silent = net.add_site("silent.x.test", connect="unanswered")
    proxy = f"socks5://{silent.address}:{silent.port}"
    assert is_unknown(only(await controlled(net, "tcp://127.0.0.9:9", proxy, timeout_s=QUICK_S), "tcp").failure)


async def test_a_proxy_that_greets_and_then_waits_for_the_target_is_a_timeout_of_the_target(
    net: LabNetwork,
) -> None:
    async def waits(stream: ServerStream) -> None:
        await stream.reader.readexactly(3)
        await stream.send(b"\x05\x00")
        await stream.gone()

    proxy = "socks5://{}:{}".format(*server(net.listeners, waits))
    tcp = only(await controlled(net, "tcp://127.0.0.9:9", proxy, timeout_s=QUICK_S), "tcp")
    assert tcp.failure == "generic_timeout_error"


async def test_a_control_has_no_follow_ups(net: LabNetwork) -> None:
    def wanted(_: Measurement) -> list[Lookup | Attempt]:
        return [Lookup(role="trusted", hop=0, host="site.x.test")]

    site = net.add_site("site.x.test", dead=True)
    control = await controlled(net, site, proxies(net)["socks5"], follow_up=wanted)
    assert {o.role for o in control.observations} == {"main"}


async def test_what_a_proxied_path_cannot_carry_is_no_anomaly(net: LabNetwork) -> None:
    def wanted(so_far: Measurement) -> list[Lookup | Attempt]:
        return [Lookup(role="again", hop=0, host="site.x.test")] if len(so_far.observations) < 2 else []

    path = Path("control", proxy=proxies(net)["socks5"])
    measured = await measure(parse("tcp://nowhere.x.test:9"), session_in(net, path=path, follow_up=wanted))
    assert [is_unknown(o.failure) for o in measured.observations if o.step == "dns"] == [True]


@pytest.mark.parametrize(
    "proxy",
    ["", "socks4://127.0.0.1", "127.0.0.1:1080", "socks5://", "https://127.0.0.1", "socks5://user:secret@127.0.0.1",
     "http://[::1"],
)  # fmt: skip
def test_what_is_no_proxy_is_refused(proxy: str) -> None:
    with pytest.raises(BadPath, match="path vpn"):
        proxy_of(Path("vpn", proxy=proxy))


def test_a_proxy_is_read() -> None:
    socks, http = proxy_of(Path("a", proxy="socks5h://[::1]")), proxy_of(Path("b", proxy="http://127.0.0.1:8080"))
    assert socks is not None
    assert http is not None
    assert (socks.kind, socks.host, socks.port) == ("socks5", "::1", 1080)
    assert (http.kind, http.host, http.port) == ("http", "127.0.0.1", 8080)
    assert proxy_of(Path()) is None
