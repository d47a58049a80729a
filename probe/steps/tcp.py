"""One TCP connect, to an address, or to a name where the path's far end resolves names."""

from __future__ import annotations

from probe.failure import PrivateAddress
from probe.model import Observation, Tcp
from probe.net.address_policy import family_of, is_public, literal
from probe.net.streams import Stream
from probe.recorder import Attempted, Log
from probe.settings import Settings

NAME = "tcp"
DETAIL = Tcp


async def connect(log: Log, about: Attempted, settings: Settings) -> tuple[Observation, Stream | None]:
    """Connect to `about.address` (None: to `about.host` by name); the stream is None where that failed."""
    where = about.address or about.host
    detail = Tcp(family=family_of(where) if literal(where) else None)
    pending = log.begin(NAME, about)
    try:
        if about.port is None or (about.address and not settings.allow_private and not is_public(about.address)):
            raise PrivateAddress("not a public address")
        stream = await log.network.connect(where, about.port, settings.timeout_s)
    except (OSError, TimeoutError, EOFError) as error:
        return pending.end(detail, error), None
    return pending.end(detail), stream
