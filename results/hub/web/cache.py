"""What was found is kept for a moment, so that a crowd of readers asks the database once."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

from results.hub.web import queries

if TYPE_CHECKING:
    from sqlite_utils import Database

    from results.hub.read_pool import Reading

T = TypeVar("T")
MOST_ROWS = 400_000
"""Of all that is kept: 100 MB or so."""
LONGEST_S = 60.0
"""What is kept though nothing new was received: a verdict may have been judged again."""
WORTH = 20
"""A question that took a second is not asked again for so many, whatever is received meanwhile."""
LONGEST_ANSWER_S = 20.0


class _Kept:
    def __init__(self, version: int, value: Any, took_s: float, at: float) -> None:
        self.version, self.value, self.took_s, self.at = version, value, took_s, at
        parts = value if isinstance(value, tuple) else (value,)
        self.rows = 100 + sum(len(part) for part in parts if isinstance(part, (list, set)))


class Remembering:
    """One for all pages. Of several who ask the same at once the first one's answer serves all."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._asking: dict[Hashable, asyncio.Lock] = {}

    async def ask(self, reading: Reading, key: Hashable, question: Callable[[Database], T]) -> T:
        """What `question` finds, or found a moment ago."""
        lock = self._asking.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                version = await reading.ask(queries.newest_number)
                kept = self._kept.get(key)
                if kept is None or not self._holds(kept, version):
                    begun = self._clock()
                    value = await reading.ask(question, LONGEST_ANSWER_S)
                    kept = self._kept[key] = _Kept(version, value, self._clock() - begun, self._clock())
                self._kept.move_to_end(key)
                while len(self._kept) > 1 and sum(one.rows for one in self._kept.values()) > MOST_ROWS:
                    self._kept.popitem(last=False)
                answer: T = kept.value
                return answer
        finally:
            if not lock.locked():
                self._asking.pop(key, None)

    def _holds(self, kept: _Kept, version: int) -> bool:
        age = self._clock() - kept.at
        return age < (LONGEST_S if kept.version == version else WORTH * kept.took_s)
