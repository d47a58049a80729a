"""A site over HTTP/3: aioquic's server, which shows its certificate whatever name it is asked for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aioquic.asyncio import QuicConnectionProtocol
from aioquic.asyncio.server import QuicServer
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent

from schedules.demo.listener import Address, Listeners, address_of, udp_socket

HEAD = [(b":status", b"200"), (b"server", b"three"), (b"content-type", b"text/html; charset=utf-8")]


def serve_quic_site(here: Listeners, host: str, pem: Path, page: bytes, port: int = 0) -> Address:
    """Serve `page` for every request at `host`, with the certificate and key in `pem`. Returns where it listens."""
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
    configuration.load_cert_chain(pem)

    class Answering(QuicConnectionProtocol):
        """One connection."""

        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            self._http: H3Connection | None = None

        def quic_event_received(self, event: QuicEvent) -> None:
            self._http = self._http or H3Connection(self._quic)
            for one in self._http.handle_event(event):
                if isinstance(one, HeadersReceived):
                    self._http.send_headers(one.stream_id, HEAD)
                    self._http.send_data(one.stream_id, page, end_stream=True)
                    self.transmit()

    sock = udp_socket(host, port)
    where = address_of(sock)
    here.run(_serve(sock, lambda: QuicServer(configuration=configuration, create_protocol=Answering)))
    return where


async def _serve(sock: socket.socket, make: Callable[[], QuicServer]) -> None:
    loop = asyncio.get_running_loop()
    _, server = await loop.create_datagram_endpoint(make, sock=sock)
    try:
        await loop.create_future()
    finally:
        server.close()
