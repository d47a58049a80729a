"""QUIC: datagrams, frames under keys that everyone can derive, and what HTTP/3 carries; each ends in a known error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from aioquic.buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.events import QuicEvent, StreamDataReceived, StreamReset
from aioquic.quic.packet import QuicPacketType, encode_long_header_first_byte

from probe.failure import failure_of
from probe.http.exchange import HttpRequest, exchange_over_quic
from probe.http.wire import HttpResponse
from probe.session import Settings
from probe.steps import http, quic
from tests.fuzz.targets import can_be_stored

INSTRUMENT = ("probe.steps.quic", "probe.http.exchange", "aioquic")
NAME, PEER = "www.site.example", ("192.0.2.1", 443)
RAW, INITIAL, HTTP3, KINDS = 0, 1, 2, 3
VERSION_1 = 1
SERVER_ID = b"serverid"
MAX_BODY = 32 * 1024
STEP_ERRORS = (OSError, TimeoutError, EOFError, ValueError)
"""What the step catches; anything else would be a bug in its record."""
LOOP = asyncio.new_event_loop()


def check(data: bytes) -> None:
    if not data:
        return
    kind, data = data[0] % KINDS, data[1:]
    if kind == HTTP3:
        _answer(data)
    else:
        _handshake(data, in_initial=kind == INITIAL)


def _connection() -> QuicConnection:
    return quic._connection(NAME, False, Settings())


def _handshake(data: bytes, *, in_initial: bool) -> None:
    client = quic.Client(QuicConnection(configuration=QuicConfiguration(is_client=True, alpn_protocols=["h3"])))
    client.connection.connect(PEER, now=0.0)
    sent = [datagram for datagram, _ in client.connection.datagrams_to_send(now=0.0)]
    error: BaseException | None = None
    try:
        for number, piece in enumerate(_pieces(data)):
            client._read(_protected(sent[0], piece, number) if in_initial else piece, 0.1)
            client._any(client._completes)
            client.connection.datagrams_to_send(now=0.1)
    except STEP_ERRORS as caught:
        error = caught
        failure_of(error)
    detail = client.describe(quic.Quic(family="ipv4", server_name=NAME), True, error or TimeoutError())
    can_be_stored(detail)
    assert detail.version is None or error is None


def _pieces(data: bytes) -> Iterator[bytes]:
    """The data as datagrams, each with its length before it."""
    while len(data) >= 2:
        size = int.from_bytes(data[:2], "big") % 1300
        yield data[2 : 2 + size]
        data = data[2 + size :]


def _protected(first: bytes, frames: bytes, number: int) -> bytes:
    """An Initial packet with these frames, as anyone who saw the client's can make one (RFC 9001 section 5.2)."""
    its_length = first[5]
    client_id = first[7 + its_length : 7 + its_length + first[6 + its_length]]
    crypto = CryptoPair()
    crypto.setup_initial(cid=first[6 : 6 + its_length], is_client=False, version=VERSION_1)
    frames = frames.ljust(4, b"\0")
    head = Buffer(capacity=200)
    head.push_uint8(encode_long_header_first_byte(VERSION_1, QuicPacketType.INITIAL, 1))
    head.push_uint32(VERSION_1)
    for name in (client_id, SERVER_ID):
        head.push_uint8(len(name))
        head.push_bytes(name)
    head.push_uint_var(0)
    head.push_uint16(0x4000 | (2 + len(frames) + 16))
    head.push_uint16(number)
    return crypto.encrypt_packet(head.data, frames, number)


class Over:
    """A connection on whose first stream this comes."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.connection = QuicConnection(
            configuration=QuicConfiguration(is_client=True, alpn_protocols=["h3"], server_name=NAME)
        )
        self._pieces = pieces

    async def run_until(self, done: Callable[[QuicEvent], bool]) -> None:
        for number, piece in enumerate(self._pieces):
            stream = (0, 0, 0, 3, 7, 11)[piece[0] % 6] if piece else 0
            ended = number == len(self._pieces) - 1
            if done(StreamDataReceived(data=piece[1:], end_stream=ended, stream_id=stream)):
                return
        done(StreamReset(error_code=0, stream_id=0))


def _answer(data: bytes) -> None:
    got = HttpResponse()
    request = HttpRequest(scheme="https", authority=NAME, path="/")
    work = exchange_over_quic(Over(list(_pieces(data))), request, got, idle_timeout_s=30, max_body_bytes=MAX_BODY)
    try:
        LOOP.run_until_complete(work)
    except STEP_ERRORS as error:
        failure_of(error)
    detail = http.detail_of(f"https://{NAME}/", got)
    can_be_stored(detail)
    assert len(detail.body or b"") <= MAX_BODY
    assert len(detail.headers) <= http.MAX_HEADERS


def _framed(kind: int, *pieces: bytes) -> bytes:
    return bytes([kind]) + b"".join(len(piece).to_bytes(2, "big") + piece for piece in pieces)


_HELLO = bytes.fromhex("0200002e0303") + bytes(32) + bytes.fromhex("001301000006002b00020304")
_NEGOTIATION = b"\x80\0\0\0\0\x08clientid\x08serverid\xfa\xce\xb0\x0c"
SEEDS = (
    _framed(RAW, _NEGOTIATION),
    _framed(RAW, b"\xf0\0\0\0\x01\x08clientid\x08serveridtoken" + bytes(16)),
    _framed(RAW, b"\xc0\0\0\0\x01" + bytes(40), b"\x40" + bytes(40)),
    _framed(INITIAL, b"\x06\x00" + bytes([0x40, len(_HELLO)]) + _HELLO),
    _framed(INITIAL, b"\x02\x00\x00\x00\x00", b"\x1c\x00\x00\x03bad"),
    _framed(INITIAL, b"\x1c\x41\x28\x06\x00"),
    _framed(HTTP3, b"\0\x01\x08\0\0\xd9\x5f\x4d\x01\x35\x00", b"\0\0\x05hello"),
    _framed(HTTP3, b"\3\0\4\0", b"\0\x01\x03\0\0\xd9", b"\0\0\2ok"),
)
