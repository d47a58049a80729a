"""An honest member of a hub while others attack it: mutated records, slow clients, bombs, idle downloads.

    python -m tests.bench.hub_under_attack [--records 5000] [--slow 200] [--members 10]

Everything runs on this machine, the attackers too. What counts is how long the honest member's requests take, and that
all of them are answered.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import gzip
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec

from results.db.store import Store
from results.hub.request_body import MAX_PLAIN_BYTES
from tests.bench.bench_hub import cpu_of, members, peak_mb
from tests.results.hub.hub_process import RunningHub, hang_up, record, statuses

BATCH, HONEST_BATCH = 100, 5
BOMB = gzip.compress(b"\n" * (MAX_PLAIN_BYTES - 64))
HONEST = "honest"
VALUES: tuple[Any, ...] = (
    None, True, -1, 2**63, 1e308, "", "x" * 100_000, "\x00\u202e<script>", "9999-99-99T99:99:99Z", [], {}, [[[[]]]],
    [None] * 5000, {"a": {"b": {}}}, "https://[::ffff:127.0.0.1]/", "'; DROP TABLE measurements; --",
)  # fmt: skip


class AttackResult(msgspec.Struct):
    """What the honest member saw."""

    seconds: list[float]
    statuses: Counter[int]
    stored: int
    records: Counter[str]
    """Of the attackers: what became of them."""

    @property
    def p99_s(self) -> float:
        return statistics.quantiles(self.seconds, n=100)[98]


def mutated(line: bytes, chance: random.Random) -> bytes:
    """A record with some of its values replaced, its keys dropped, or its bytes damaged."""
    if chance.random() < 0.2:
        at = chance.randrange(len(line))
        return line[:at] + chance.randbytes(chance.randrange(8)).replace(b"\n", b"") + line[at + chance.randrange(8) :]
    value = msgspec.json.decode(line)
    for _ in range(chance.randrange(1, 4)):
        holder, key = chance.choice(list(_places(value["record"])))
        if chance.random() < 0.2 and isinstance(holder, dict):
            holder.pop(key, None)
        elif not isinstance(holder, list) or key < len(holder):
            holder[key] = copy.deepcopy(chance.choice(VALUES))
    return msgspec.json.encode(value)


def _places(value: Any) -> list[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, part in items for place in ((value, key), *_places(part))]


def mutated_batches(names: Sequence[str], tokens: Sequence[str], count: int) -> dict[str, list[list[bytes]]]:
    """`count` mutated records in batches, by the token of the member that sends them."""
    chance = random.Random(1)
    batches: dict[str, list[list[bytes]]] = {token: [] for _, token in zip(names, tokens, strict=False)}
    for number in range(0, count, BATCH):
        place = number // BATCH % len(names)
        lines = [mutated(record(f"m{number + n:015}", names[place]), chance) for n in range(BATCH)]
        batches[tokens[place]].append(lines)
    return batches


class Attack:
    """Attackers of one hub, until they are stopped."""

    def __init__(self, hub: RunningHub, tokens: Sequence[str]) -> None:
        self.hub, self.tokens = hub, tokens
        self.records: Counter[str] = Counter()
        self.is_over = asyncio.Event()

    async def send_mutated(self, batches: dict[str, list[list[bytes]]]) -> None:
        """Batches of mutated records by token, of all members at once."""
        await asyncio.gather(*(self._send_all(token, waiting) for token, waiting in batches.items()))

    async def _send_all(self, token: str, batches: list[list[bytes]]) -> None:
        while batches:
            lines = batches[0]
            status, said = await self.hub.send(token, lines)
            if status == 429:
                await asyncio.sleep(0.1)
                continue
            batches.pop(0)
            self.records.update(statuses(said) if status == 200 else [f"batch {status}"] * len(lines))

    async def bomb(self, token: str) -> None:
        """Batches of empty lines, without pause."""
        while not self.is_over.is_set():
            with suppress(OSError):
                await self.hub.post("/v1/measurements", BOMB, token, Content_Encoding="gzip")

    async def hold(self, number: int) -> None:
        """A slow client: half a head, a body byte by byte, or an answer that is never read."""
        token = self.tokens[number % len(self.tokens)]
        requests = (
            "GET /v1/measurements HTTP/1.1\r\nX: y",
            f"POST /v1/measurements HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            "Content-Length: 4000000\r\n\r\n{",
            f"POST /v1/control HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            "Content-Length: 16000\r\n\r\n{",
            f"GET /v1/export?format=jsonl HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n",
            "POST /v1/enrol HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{",
        )
        while not self.is_over.is_set():
            writer = None
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.hub.port, limit=1024)
                writer.write(requests[number % len(requests)].encode())
                while not self.is_over.is_set() and not writer.is_closing():
                    await asyncio.sleep(0.5)
                    writer.write(b"x")
                    await writer.drain()
            if writer is not None:
                await hang_up(writer)


async def attack(folder: Path, records: int, slow: int, count: int) -> AttackResult:
    """What an honest member sees of a hub under attack."""
    hub = RunningHub(folder)
    names = [f"evil{number}" for number in range(count)]
    good, bomber, *tokens = members(hub.db, [HONEST, "bomber", *names, *(f"slow{number}" for number in range(count))])
    batches = mutated_batches(names, tokens, records)
    hub.start()
    assert hub.process is not None
    result = AttackResult([], Counter(), 0, Counter())
    try:
        attackers = Attack(hub, tokens[count:])
        work = [asyncio.create_task(attackers.hold(number)) for number in range(slow)]
        work.append(asyncio.create_task(attackers.bomb(bomber)))
        await asyncio.sleep(1)
        sending = asyncio.create_task(attackers.send_mutated(batches))
        await honest(hub, good, sending, result)
        await sending
        attackers.is_over.set()
        await asyncio.gather(*work)
        result.records = attackers.records
        print(f"the hub's CPU {cpu_of(hub.process.pid):.1f} s, peak memory {peak_mb(hub.process.pid):.0f} MB")
    finally:
        hub.kill()
        print(hub.log.read_text()[-2000:], end="")
    with closing(Store.open(hub.db)) as store:
        assert store.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (stored,) = store.db.execute("SELECT count(*) FROM findings WHERE vantage = ?", [HONEST]).fetchone()
        assert stored == result.stored
    return result


async def honest(hub: RunningHub, token: str, until: asyncio.Task[None], result: AttackResult) -> None:
    """A small batch, a page of measurements and a control request by turns, as long as the attack goes on."""
    number = 0
    while not until.done() or number < 120:
        number += 1
        began = time.monotonic()
        if number % 3 == 0:
            lines = [record(f"h{number:06}{n:09}", HONEST) for n in range(HONEST_BATCH)]
            status, said = await hub.send(token, lines)
            result.stored += statuses(said).count("stored") if status == 200 else 0
        elif number % 3 == 1:
            status, _, _ = await hub.get("/v1/measurements?limit=100", Authorization=f"Bearer {token}")
        else:
            status, _ = await hub.post("/v1/control", b'{"target": "https://192.0.2.1/"}', token)
        result.seconds.append(time.monotonic() - began)
        result.statuses[status] += 1
        await asyncio.sleep(0.25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=5000)
    parser.add_argument("--slow", type=int, default=200)
    parser.add_argument("--members", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(attack(Path(folder), given.records, given.slow, given.members))
    print(f"mutated records: {dict(found.records)}")
    print(f"the honest member's {len(found.seconds)} requests: {dict(found.statuses)}, {found.stored} records stored")
    print(f"median {statistics.median(found.seconds) * 1000:.0f} ms, p99 {found.p99_s * 1000:.0f} ms,", end=" ")
    print(
        f"longest {max(found.seconds) * 1000:.0f} ms; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()
