"""Takes a graceful GOAWAY out of what an HTTP/2 server sends, since h2 hears nothing of the answer behind it."""

from __future__ import annotations

HEADER = 9
GOAWAY = 7
NO_ERROR = 0
LONGEST = 16_384
"""The longest frame there may be as long as nobody has asked for longer ones (RFC 9113, 4.2)."""


class WithoutGoodbye:
    """A server that says it takes no further requests still answers those it has (RFC 9113, 6.8); we make one alone."""

    def __init__(self) -> None:
        self._held = b""
        self._passing = 0
        """How much of the frame that has begun is still to be handed on."""

    def __call__(self, data: bytes) -> bytes:
        """What of these bytes, and of those held back before, may be handed on: it may be nothing."""
        out = bytearray()
        data, self._held = self._held + data, b""
        while data:
            if self._passing:
                piece, data = data[: self._passing], data[self._passing :]
                self._passing -= len(piece)
                out += piece
                continue
            size = HEADER + int.from_bytes(data[:3], "big")
            goodbye = len(data) >= HEADER and data[3] == GOAWAY and size <= HEADER + LONGEST
            if len(data) < HEADER or (goodbye and len(data) < size):
                self._held = data
                break
            if goodbye and _is_graceful(data[HEADER:size]):
                data = data[size:]
            else:
                self._passing = size
        return bytes(out)


def _is_graceful(payload: bytes) -> bool:
    """No error, and our one stream is among those that will be answered."""
    last_stream, error = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF, int.from_bytes(payload[4:8], "big")
    return len(payload) >= 8 and error == NO_ERROR and last_stream >= 1
