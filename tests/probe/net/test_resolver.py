"""Reading what the configuration writes for a resolver."""

from __future__ import annotations

from pathlib import Path

import pytest

from probe.net import resolver
from probe.net.resolver import BadResolver, parse


@pytest.mark.parametrize(
    ("text", "transport", "address", "port", "name", "path"),
    [
        ("udp://192.0.2.53", "udp", "192.0.2.53", 53, "192.0.2.53", "/dns-query"),
        ("udp://192.0.2.53:5353", "udp", "192.0.2.53", 5353, "192.0.2.53", "/dns-query"),
        ("tcp://[2001:db8::53]", "tcp", "2001:db8::53", 53, "2001:db8::53", "/dns-query"),
        ("tls://dot.example#192.0.2.1", "tls", "192.0.2.1", 853, "dot.example", "/dns-query"),
        ("tls://dot.example:8853#2001:db8::1", "tls", "2001:db8::1", 8853, "dot.example", "/dns-query"),
        ("https://doh.example/q#192.0.2.1", "https", "192.0.2.1", 443, "doh.example", "/q"),
        ("https://192.0.2.1", "https", "192.0.2.1", 443, "192.0.2.1", "/dns-query"),
    ],
)
def test_a_resolver_is_read(text: str, transport: str, address: str, port: int, name: str, path: str) -> None:
    (read,) = parse(text)
    assert (read.transport, read.address, read.port, read.server_name, read.request_path) == (
        transport, address, port, name, path,
    )  # fmt: skip
    assert read.text == text


@pytest.mark.parametrize("text", ["https://doh.example/dns-query", "tls://dot.example", "udp://dns.example#example"])
def test_a_name_without_a_pinned_address_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(BadResolver, match=r"add its IP address.*#192\.0\.2\.1"):
        parse(text)


@pytest.mark.parametrize(
    "text", ["", "192.0.2.1", "quic://192.0.2.1", "udp://", "udp://192.0.2.1:x", "udp://[::1", "http://192.0.2.1"]
)
def test_what_is_no_resolver_is_refused(text: str) -> None:
    with pytest.raises(BadResolver):
        parse(text)


def test_system_is_the_machines_nameservers_and_a_change_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = tmp_path / "resolv.conf"
    monkeypatch.setattr(resolver, "RESOLV_CONF", configuration)
    configuration.write_text("nameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch x.test\n")
    assert [r.address for r in parse("system")] == ["192.0.2.1", "192.0.2.2"]
    configuration.write_text("nameserver 2001:db8::53\n" * 9)
    assert [r.address for r in parse("system")] == ["2001:db8::53"] * 3
    configuration.unlink()
    assert [r.transport for r in parse("system")] == ["getaddrinfo"]
    configuration.write_text("nameserver 192.0.2.3\n")
    assert [r.address for r in parse("system")] == ["192.0.2.3"]


def test_an_unchanged_resolv_conf_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = tmp_path / "resolv.conf"
    configuration.write_text("nameserver 192.0.2.1\n")
    monkeypatch.setattr(resolver, "RESOLV_CONF", configuration)
    assert parse("system") is parse("system")


@pytest.mark.parametrize(
    "content", [b"", b"nonsense\n", b"\xff\xfe\x00nameserver", b"nameserver not-an-address\n", b"search a..b\n"]
)
def test_a_resolv_conf_that_says_nothing_leaves_getaddrinfo(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = tmp_path / "resolv.conf"
    configuration.write_bytes(content)
    monkeypatch.setattr(resolver, "RESOLV_CONF", configuration)
    assert parse("system") == (resolver.GETADDRINFO,)
