"""One STUN binding request (RFC 8489) over our own datagrams.

The answer holds the address that the server saw, which is the volunteer's own: it is never recorded, and handed to
redaction, which removes it from the rest of the measurement.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Literal

import msgspec

from probe.failure import PrivateAddress, ProxyUnusable
from probe.model import Attempt, Observation
from probe.net.address_policy import family_of
from probe.net.deadline import Deadline
from probe.recorder import Log, StepContext
from probe.session import Settings
from probe.steps import MethodSpec, StepSpec

if TYPE_CHECKING:
    from aioice.stun import Message

MAX_DATAGRAM_BYTES = 2048
"""A longer one is cut by the system, and then its length is wrong."""
FIRST_TIMEOUT_S, MAX_SENDINGS = 0.5, 7
"""RFC 8489 section 6.2.1: the time until the first retransmission, doubled each time, and the number of requests."""
MAX_SOFTWARE_CHARACTERS = 128
EXCHANGE_BYTES = 100
"""A request or an answer, with its headers."""
MAPPED_ADDRESSES = ("XOR-MAPPED-ADDRESS", "MAPPED-ADDRESS")


class Stun(msgspec.Struct, frozen=True, kw_only=True):
    """One binding request. Of the mapped address nothing but its family is kept."""

    family: Literal["ipv4", "ipv6"] | None = None
    mapped_family: Literal["ipv4", "ipv6"] | None = None
    error_response: int | None = None
    """The code of an error response, which is an answer too (RFC 8489 section 14.8)."""
    software: str | None = None
    sendings: int | None = None
    ignored: int | None = None
    """Datagrams that were no valid answer to the request."""


async def attempt(log: Log, about: StepContext, wanted: Attempt, settings: Settings) -> Observation:
    """Ask `about.address` for a binding until the step's timeout; invalid answers are discarded (section 6.3)."""
    pending = log.begin(SPEC, about)
    where = about.address
    client = _Client()
    error: BaseException | None = None
    try:
        if where is None:
            raise ProxyUnusable("a proxy carries no datagrams")
        if about.port is None:
            raise PrivateAddress("no port")
        settings.gate.check(where)
        with contextlib.closing(await log.network.datagrams(where, about.port)) as sock:
            async with Deadline(settings.timeout_s):
                await client.ask(sock)
    except (OSError, TimeoutError, ValueError) as caught:
        error = caught
    log.own_addresses.update(client.mapped - {where})
    return pending.end(client.describe(family_of(where) if where else None), error)


class _Client:
    """One request, sent until a valid answer comes."""

    def __init__(self) -> None:
        from aioice.stun import Class, Message, Method

        self._request = Message(Method.BINDING, Class.REQUEST)
        self._request.add_fingerprint()
        self._answer: Message | None = None
        self._sendings = self._ignored = 0
        self.mapped: frozenset[str] = frozenset()

    async def ask(self, sock: socket.socket) -> None:
        timeout_s = FIRST_TIMEOUT_S
        while self._answer is None:
            await asyncio.get_running_loop().sock_sendall(sock, bytes(self._request))
            self._sendings += 1
            with contextlib.suppress(TimeoutError):
                async with Deadline(timeout_s if self._sendings < MAX_SENDINGS else None):
                    await self._receive(sock)
            timeout_s *= 2

    async def _receive(self, sock: socket.socket) -> None:
        while self._answer is None:
            data = await asyncio.get_running_loop().sock_recv(sock, MAX_DATAGRAM_BYTES)
            self._answer = self._read(data)
            self._ignored += self._answer is None
            await asyncio.sleep(0)  # without it, waiting datagrams would be read past the timeout

    def _read(self, data: bytes) -> Message | None:
        """The answer in a datagram; None where it is none, or none to this request."""
        from aioice.stun import Class, parse_message

        try:
            message = parse_message(data)  # checks length and fingerprint
        except (ValueError, struct.error):
            return None
        is_answer = message.message_class in (Class.RESPONSE, Class.ERROR)
        same_request = message.transaction_id == self._request.transaction_id
        if not is_answer or not same_request or message.message_method != self._request.message_method:
            return None
        mapped = frozenset(message.attributes[name][0] for name in MAPPED_ADDRESSES if name in message.attributes)
        if message.message_class == Class.RESPONSE and not mapped:
            return None
        self.mapped = mapped
        return message

    def describe(self, family: Literal["ipv4", "ipv6"] | None) -> Stun:
        software = self._answer.attributes.get("SOFTWARE") if self._answer is not None else None
        return Stun(
            family=family,
            mapped_family=family_of(min(self.mapped)) if self.mapped else None,
            error_response=self._answer.error_code if self._answer is not None else None,
            software=software[:MAX_SOFTWARE_CHARACTERS] if software is not None else None,
            sendings=self._sendings or None,
            ignored=self._ignored if self._sendings else None,
        )


SPEC = StepSpec(
    name="stun",
    order=60,
    detail=Stun,
    begins="address",
    over_udp=True,
    schemes={"stun": 3478},
    answer="responded",
    failures={
        "generic_timeout_error": "stun.timeout",
        "connection_refused": "stun.refused",
        "host_unreachable": "stun.unreachable",
        "network_unreachable": "stun.unreachable",
    },
    methods=(
        MethodSpec("stun.timeout", is_silence=True),
        MethodSpec("stun.refused"),
        MethodSpec("stun.unreachable"),
    ),
    traffic_bytes=lambda detail: ((detail.sendings or 1) + 1) * EXCHANGE_BYTES,
    one_packet=True,
    attempt=attempt,
)
