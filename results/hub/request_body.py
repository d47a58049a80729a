"""Reads what somebody sends: as long as was said, in time, and not more at once than there is memory for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

IN_TIME_S = 30.0
AT_ONCE = 64 * 1024 * 1024


class BadBody(ValueError):
    """What is not read; `status` is HTTP's word for why."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.status = status


class Bodies:
    """The bytes of all bodies that are held at once are counted, by what their senders said before they sent them."""

    def __init__(self, at_once: int = AT_ONCE, in_time_s: float = IN_TIME_S) -> None:
        self._left, self._in_time_s = at_once, in_time_s

    async def read(self, request: Request, most: int) -> Held:
        """A body of at most `most` bytes, to be held with `with`. BadBody, and then nothing is held."""
        length = _length(request)
        if length > most:
            raise BadBody(f"more than {most} bytes", 413)
        if length > self._left:
            raise BadBody("too much is under way, come back later", 503)
        held = Held(self, length)
        try:
            async with asyncio.timeout(self._in_time_s):
                async for chunk in request.stream():
                    held.add(chunk)
        except TimeoutError as error:
            held.close()
            raise BadBody("too slow", 408) from error
        except BaseException:
            held.close()
            raise
        return held

    def take(self, size: int) -> None:
        self._left -= size

    def give_back(self, size: int) -> None:
        self._left += size


class Held:
    """A body that was read, counted until `with` is left."""

    def __init__(self, bodies: Bodies, length: int) -> None:
        self._bodies, self._length = bodies, length
        self._data = bytearray()
        bodies.take(length)

    def add(self, chunk: bytes) -> None:
        self._data += chunk
        if len(self._data) > self._length:
            raise BadBody("longer than was said", 400)

    @property
    def data(self) -> bytes:
        return bytes(self._data)

    def close(self) -> None:
        self._bodies.give_back(self._length)
        self._length = 0
        self._data = bytearray()

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _length(request: Request) -> int:
    said = request.headers.get("content-length")
    if said is None:
        raise BadBody("Content-Length must be given", 411)
    if not (said.isascii() and said.isdigit() and len(said) < 16):
        raise BadBody("Content-Length is no number", 400)
    return int(said)
