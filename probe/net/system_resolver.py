"""getaddrinfo without blocking the loop, and without the loop's own few threads.

Those would queue behind names that the system's resolver is silent about, so that names which answer would seem not to;
and Python waits for them at the end of the program, for as long as they take.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from contextlib import suppress

MAX_LOOKUPS = 64


class SystemResolver:
    """At most MAX_LOOKUPS at once; a look-up given up on holds its place until the system gives up on it too."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(MAX_LOOKUPS)

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of `host`, both families, each once; socket.gaierror where there are none."""
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[str, ...]] = loop.create_future()

        def look_up() -> None:
            found: tuple[str, ...] = ()
            error: Exception | None = None
            try:
                entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
                found = tuple(dict.fromkeys(str(entry[4][0]) for entry in entries))
            except (OSError, ValueError) as caught:
                error = caught
            with suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(ended, found, error)

        def ended(found: tuple[str, ...], error: Exception | None) -> None:
            self._places.release()
            if answer.cancelled():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(found)

        try:
            threading.Thread(target=look_up, name=f"getaddrinfo {host}", daemon=True).start()
        except RuntimeError as error:
            self._places.release()
            raise OSError(errno.EAGAIN, "no thread is left to look a name up") from error
        return await answer
