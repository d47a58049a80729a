"""What a middlebox reads out of a ClientHello."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedules.demo.censor import MAX_HELLO_BYTES, server_name


def client_hello(name: str | None) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = name is not None
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


def in_records(hello: bytes, size: int) -> bytes:
    """The same handshake message cut into TLS records of `size` bytes, as some clients do against censors."""
    message = hello[5:]
    pieces = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def test_the_name_is_read_from_a_real_client_hello() -> None:
    assert server_name(client_hello("WeChat.x.test")) == (True, "wechat.x.test")


def test_a_client_hello_without_a_name_has_none() -> None:
    assert server_name(client_hello(None)) == (True, None)


def test_the_name_is_read_across_many_small_records() -> None:
    assert server_name(in_records(client_hello("wechat.x.test"), 20)) == (True, "wechat.x.test")


def test_half_a_client_hello_asks_for_more_and_never_tells_a_name() -> None:
    hello = client_hello("wechat.x.test")
    assert all(server_name(hello[:size]) == (False, None) for size in range(len(hello)))


def test_another_handshake_message_is_hopeless_at_once() -> None:
    assert server_name(b"\x16\x03\x01\x00\x04\x02\x00\x00\x00") == (True, None)


def test_a_hello_that_never_ends_is_given_up() -> None:
    endless = b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(16380)
    assert server_name(endless * 5)[0]
    assert len(endless * 5) > MAX_HELLO_BYTES


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_survived(data: bytes) -> None:
    server_name(data)


HELLO = client_hello("wechat.x.test")


@settings(deadline=None)
@given(st.data())
def test_a_damaged_client_hello_is_survived(data: st.DataObject) -> None:
    hello = bytearray(HELLO)
    for _ in range(data.draw(st.integers(1, 8))):
        hello[data.draw(st.integers(0, len(hello) - 1))] = data.draw(st.integers(0, 255))
    server_name(bytes(hello))
