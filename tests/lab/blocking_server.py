"""A TLS server in threads: unlike asyncio's, OpenSSL sends its alerts by itself there."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PATIENT_S = 20
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold"


@contextmanager
def serving(context: ssl.SSLContext, host: str = "127.0.0.1", answer: bytes = ANSWER) -> Iterator[int]:
    """Answer every request over TLS with `answer`, from a port of its own."""
    with socket.create_server((host, 0)) as listener:
        listener.settimeout(PATIENT_S)

        def serve(conn: socket.socket) -> None:
            conn.settimeout(PATIENT_S)
            with suppress(OSError), conn, context.wrap_socket(conn, server_side=True) as secured:
                if secured.recv(65536):
                    secured.sendall(answer)
                    secured.unwrap()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
