"""Who is asking: tokens and invitations are looked up and hashed here, and whoever guesses is soon kept out."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from results.db.store import Store
from results.hub import membership, secrets
from results.hub.membership import Member
from results.hub.rate_limits import Rates
from results.hub.secrets import INVITATION, TOKEN, Hashed

T = TypeVar("T")
GUESSES_PER_S, GUESSES = 1 / 30, 10
"""From one place ten wrong secrets, then one every half minute."""
REMEMBERED = 5000


class NotKnown(Exception):
    """No token, or a wrong one. Which of the two, and why, is nobody's business."""


class TooMany(Exception):
    """Come back in `wait_s` seconds."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many, come back in {wait_s:.0f} s")
        self.wait_s = wait_s


class Doorkeeper:
    """One thread asks the database, two hash. A token that was right is not hashed again, but always looked up."""

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._asks = ThreadPoolExecutor(1, "doorkeeper")
        self._hashes = ThreadPoolExecutor(2, "hashing")
        self._guesses = Rates(GUESSES_PER_S, GUESSES)
        self._right: OrderedDict[bytes, bytes] = OrderedDict()
        self._store = self._asks.submit(Store.open, path).result()

    def close(self) -> None:
        self._asks.submit(self._store.close).result()
        self._asks.shutdown()
        self._hashes.shutdown()

    async def member(self, header: str | None, place: str) -> Member:
        """Whose token stands in an Authorization header. NotKnown, or TooMany for who guesses."""
        scheme, _, text = (header or "").partition(" ")
        found = secrets.parts(text.strip(), TOKEN) if scheme.lower() == "bearer" else None
        if found is None:
            raise self._wrong(place if header else None)
        identifier, secret = found
        kept = await self._ask(lambda store: membership.token(store.db, identifier))
        key = hashlib.sha256(text.strip().encode()).digest()
        if kept is not None and self._right.get(key) == kept[1].hash:
            self._right.move_to_end(key)
        else:
            self._may_guess(place)
            if not await self._hash(secret, kept[1] if kept else None) or kept is None:
                raise self._wrong(place)
            self._remember(key, kept[1])
        member, _, was_used = kept
        if not was_used:
            await self._ask(lambda store: membership.used(store, member))
        return member

    async def password(self, text: str, kept: Hashed | None, place: str) -> None:
        """NotKnown for a wrong password, and where there is none (`kept` is None); TooMany for who guesses."""
        key = hashlib.sha256(b"password" + text.encode()).digest()
        if kept is not None and self._right.get(key) == kept.hash:
            self._right.move_to_end(key)
            return
        if wait := self._guesses.take(place):  # taken before it is hashed, so that many at once are no way round
            raise TooMany(wait)
        if not await self._run(secrets.opens, text, kept) or kept is None:
            raise NotKnown
        self._guesses.spend(place, -1.0)
        self._remember(key, kept)

    async def enrol(self, text: str, place: str) -> tuple[str, str]:
        """A name and a token for an invitation. NotKnown for none that is open."""
        self._may_guess(place)
        found = secrets.parts(text, INVITATION)
        if found is None:
            raise self._wrong(place)
        identifier, secret = found
        kept = await self._ask(lambda store: membership.invitation(store.db, identifier, self._now()))
        if not await self._hash(secret, kept):
            raise self._wrong(place)
        enrolled = await self._ask(lambda store: membership.enrol(store, identifier, self._now()))
        if enrolled is None:
            raise self._wrong(place)
        return enrolled

    async def renew(self, member: Member) -> str:
        """Another token for a member."""
        return await self._ask(lambda store: membership.renew(store, member, self._now()))

    def _may_guess(self, place: str) -> None:
        if (wait := self._guesses.wait_s(place, 1.0)) > 0:
            raise TooMany(wait)

    def _wrong(self, place: str | None) -> NotKnown:
        if place is not None:
            self._guesses.spend(place)
        return NotKnown()

    def _remember(self, key: bytes, kept: Hashed) -> None:
        self._right[key] = kept.hash
        while len(self._right) > REMEMBERED:
            self._right.popitem(last=False)

    async def _hash(self, secret: str, kept: Hashed | None) -> bool:
        return await self._run(secrets.fits, secret, kept)

    async def _run(self, alike: Callable[[str, Hashed | None], bool], secret: str, kept: Hashed | None) -> bool:
        return await asyncio.get_running_loop().run_in_executor(self._hashes, alike, secret, kept)

    async def _ask(self, question: Callable[[Store], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._asks, lambda: question(self._store))
