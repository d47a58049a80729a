"""A STUN server on loopback that answers binding requests, and the ways in which a server or a censor can answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from aioice.stun import Class, Message, parse_message

from schedules.demo.listener import Address, Listeners, address_of, udp_socket

Respond = Callable[[Message], Iterable[bytes]]
"""What is sent back for a request."""


def mapped(address: str, software: str = "lab", **attributes: object) -> Respond:
    """An honest answer that says the request came from `address`."""

    def respond(request: Message) -> Iterable[bytes]:
        yield signed(
            request, Class.RESPONSE, {"XOR-MAPPED-ADDRESS": (address, 40000), "SOFTWARE": software, **attributes}
        )

    return respond


def signed(request: Message, kind: Class, attributes: dict[str, object], transaction_id: bytes | None = None) -> bytes:
    """An answer to a request, with its fingerprint."""
    answer = Message(request.message_method, kind, transaction_id or request.transaction_id, attributes)
    answer.add_fingerprint()
    return bytes(answer)


def silent(request: Message) -> Iterable[bytes]:
    return ()


def serve_stun(here: Listeners, host: str, respond: Respond) -> Address:
    """Answer requests at `host`. Returns where it listens."""
    sock = udp_socket(host)
    where = address_of(sock)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        with sock:
            while True:
                data, peer = await loop.sock_recvfrom(sock, 2048)
                for answer in respond(parse_message(data)):
                    await loop.sock_sendto(sock, answer, peer)

    here.run(serve())
    return where
