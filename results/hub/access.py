"""Who may read what a hub holds: everybody, whoever has the password, or members alone; and who is its operator."""

from __future__ import annotations

import base64
import binascii
from typing import Literal

from results.hub import secrets
from results.hub.auth import Doorkeeper, NotKnown, TooMany
from results.hub.membership import Member
from results.hub.rate_limits import Rates
from results.hub.secrets import TOKEN, Hashed

Reads = Literal["public", "password", "members"]
READS_PER_S, READS = 20.0, 400
"""From one place."""
BROWSERS = 'Basic realm="reachprobe hub", charset="UTF-8"'


class Readers:
    """Asks each request for what it brings. A member's token is always good, as a bearer's or as Basic's password."""

    def __init__(
        self,
        doorkeeper: Doorkeeper,
        reads: Reads = "members",
        password: Hashed | None = None,
        operator: Hashed | None = None,
    ) -> None:
        self._doorkeeper, self.reads = doorkeeper, reads
        self._password, self._operator = password, operator
        self._rates = Rates(READS_PER_S, READS)

    async def reader(self, header: str | None, place: str) -> Member | None:
        """The member who reads, None for anybody else who may. NotKnown, or TooMany."""
        if wait := self._rates.take(place):
            raise TooMany(wait)
        if self.reads == "public":
            return None
        secret = secret_of(header)
        if secret is None:
            raise NotKnown
        if secrets.parts(secret, TOKEN) is not None:
            return await self._doorkeeper.member(f"Bearer {secret}", place)
        await self._doorkeeper.password(secret, self._password if self.reads == "password" else None, place)
        return None

    async def operator(self, header: str | None, place: str) -> None:
        """NotKnown for whoever is not the operator, and for everybody where no password of an operator is set."""
        secret = secret_of(header)
        if secret is None:
            raise NotKnown
        await self._doorkeeper.password(secret, self._operator, place)


def secret_of(header: str | None) -> str | None:
    """A bearer's token, or the password of Basic authentication (RFC 7617), whatever the name; None for neither."""
    scheme, _, text = (header or "").partition(" ")
    text = text.strip()
    if scheme.lower() == "bearer":
        return text or None
    if scheme.lower() != "basic":
        return None
    try:
        _, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return password if colon else None
