"""Who sends a request: members by token, readers by policy, the operator by password; guesses are rate-limited."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

from results.db.store import Store
from results.hub import credentials
from results.hub.credentials import INVITATION, TOKEN, HashedSecret, Member, is_slow
from results.hub.limits import Places, RateLimits, TooManyRequests

T = TypeVar("T")
ReadPolicy = Literal["public", "password", "members"]
GUESSES_PER_S, MAX_GUESSES = 1 / 30, 10
READS_PER_S, MAX_READS = 20.0, 400
MAX_VERIFIED, MAX_HASHING = 5000, 32
BROWSER_CHALLENGE = 'Basic realm="reachprobe hub", charset="UTF-8"'


class Unauthorized(Exception):
    """No token, or a wrong one; which of the two is not disclosed."""


class HubAuth:
    """Checks credentials: one thread for the database, two for hashing. A verified secret is not hashed again."""

    def __init__(
        self,
        path: Path,
        policy: ReadPolicy = "members",
        password: HashedSecret | None = None,
        operator: HashedSecret | None = None,
    ) -> None:
        self._policy, self._password, self._operator = policy, password, operator
        self._database_thread = ThreadPoolExecutor(1, "auth")
        self._hash_threads = ThreadPoolExecutor(2, "hashing")
        self._guesses, self._reads = RateLimits(GUESSES_PER_S, MAX_GUESSES), RateLimits(READS_PER_S, MAX_READS)
        self._hashing = Places(MAX_GUESSES, MAX_HASHING)
        self._verified: OrderedDict[bytes, bytes] = OrderedDict()
        self._store = self._database_thread.submit(Store.open, path).result()

    def close(self) -> None:
        self._database_thread.submit(self._store.close).result()
        self._database_thread.shutdown()
        self._hash_threads.shutdown()

    async def member(self, header: str | None, place: str) -> Member:
        """The member of the bearer token in an Authorization header. Unauthorized or TooManyRequests."""
        scheme, _, text = (header or "").partition(" ")
        parts = credentials.split_secret(text.strip(), TOKEN) if scheme.lower() == "bearer" else None
        if parts is None:
            raise self._wrong(place if header else None)
        identifier, secret = parts
        key = hashlib.sha256(text.strip().encode()).digest()
        if key not in self._verified and (wait := self._guesses.wait_s(place, 1.0)):
            raise TooManyRequests(wait)
        found = await self._query(lambda store: credentials.token(store.db, identifier))
        if found is None or not self._is_verified(key, found[1]):
            await self._check_secret(secret, found[1] if found else None, place)
            if found is None:
                raise Unauthorized
            self._remember(key, found[1])
        member, _, was_used = found
        if not was_used:
            await self._query(lambda store: credentials.mark_used(store, member))
        return member

    async def reader(self, header: str | None, place: str) -> Member | None:
        """The member who reads, None for others who may read. A member's token works as Basic password too."""
        secret = secret_of(header)
        if secret is not None and credentials.split_secret(secret, TOKEN) is not None:
            try:
                member = await self.member(f"Bearer {secret}", place)
            except (Unauthorized, TooManyRequests):
                if self._policy != "public":
                    raise
            else:
                self._count_read(f"member {member.id}")
                return member
        self._count_read(place)
        if self._policy == "public":
            return None
        if secret is None:
            raise Unauthorized
        await self.password(secret, self._password if self._policy == "password" else None, place)
        return None

    async def operator(self, header: str | None, place: str) -> None:
        """Unauthorized for others, and always where no operator password is set."""
        if (secret := secret_of(header)) is None:
            raise Unauthorized
        await self.password(secret, self._operator, place)

    async def password(self, text: str, stored: HashedSecret | None, place: str) -> None:
        """Unauthorized for a wrong password, and always where `stored` is None. TooManyRequests."""
        key = hashlib.sha256(b"password" + text.encode()).digest()
        if stored is not None and self._is_verified(key, stored):
            return
        if wait := self._guesses.take(place):  # taken before hashing, so that parallel guesses count too
            raise TooManyRequests(wait)
        if not await self._hash(place, credentials.password_matches, text, stored) or stored is None:
            raise Unauthorized
        self._guesses.spend(place, -1.0)
        self._remember(key, stored)

    async def enrol(self, text: str, place: str) -> tuple[str, str]:
        """Name and token for an open invitation. Unauthorized or TooManyRequests."""
        if wait := self._guesses.wait_s(place, 1.0):
            raise TooManyRequests(wait)
        parts = credentials.split_secret(text, INVITATION)
        if parts is None:
            raise self._wrong(place)
        identifier, secret = parts
        stored = await self._query(lambda store: credentials.invitation(store.db, identifier, datetime.now(UTC)))
        await self._check_secret(secret, stored, place)
        enrolled = await self._query(lambda store: credentials.enrol(store, identifier, datetime.now(UTC)))
        if enrolled is None:
            raise self._wrong(place)
        return enrolled

    async def renew(self, member: Member) -> str:
        """Another token for a member."""
        return await self._query(lambda store: credentials.renew(store, member, datetime.now(UTC)))

    def _count_read(self, client: str) -> None:
        if wait := self._reads.take(client):
            raise TooManyRequests(wait)

    async def _check_secret(self, secret: str, stored: HashedSecret | None, place: str) -> None:
        """Unauthorized for a wrong token or invitation. TooManyRequests."""
        if wait := self._guesses.take(place):  # before hashing, so that parallel guesses count too
            raise TooManyRequests(wait)
        check = credentials.secret_matches
        is_right = await self._hash(place, check, secret, stored) if is_slow(stored) else check(secret, stored)
        if not is_right:
            raise Unauthorized
        self._guesses.spend(place, -1.0)

    def _wrong(self, place: str | None) -> Unauthorized:
        if place is not None:
            self._guesses.spend(place)
        return Unauthorized()

    def _is_verified(self, key: bytes, stored: HashedSecret) -> bool:
        is_verified = self._verified.get(key) == stored.hash
        if is_verified:
            self._verified.move_to_end(key)
        return is_verified

    def _remember(self, key: bytes, stored: HashedSecret) -> None:
        self._verified[key] = stored.hash
        while len(self._verified) > MAX_VERIFIED:
            self._verified.popitem(last=False)

    async def _hash(
        self, place: str, check: Callable[[str, HashedSecret | None], bool], text: str, stored: HashedSecret | None
    ) -> bool:
        """A slow check, of a bounded number at a time. Overloaded."""
        with self._hashing.taken(place):
            return await asyncio.get_running_loop().run_in_executor(self._hash_threads, check, text, stored)

    async def _query(self, question: Callable[[Store], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._database_thread, lambda: question(self._store))


def secret_of(header: str | None) -> str | None:
    """The bearer token, or the password of Basic authentication (RFC 7617) with any user name; None for neither."""
    scheme, _, text = (header or "").partition(" ")
    text = text.strip()
    if scheme.lower() == "bearer":
        return text or None
    if scheme.lower() != "basic":
        return None
    try:
        _, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        return None
    return password if colon else None
