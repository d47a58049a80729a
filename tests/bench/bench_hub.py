"""A hub under load: many vantages send a batch each, while others ask it for controls, all on this machine.

    python -m tests.bench.bench_hub [--vantages 1000] [--records 100] [--controls 50] [--seconds 60]

A record here is an ordinary one: a site that answered over TLS, its two certificates, no page. It counts as durable
when it is acknowledged. The senders' own work, on the same cores, is in the figures; their batches are packed before.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from results.db.store import Store
from results.hub import credentials
from schedules.hub_client.client import zstd
from tests.results.hub.hub_process import RunningHub, line, statuses
from tests.results.records import HOME, finished, measurement

SENDERS = 64
PAGES = 200
"""As many targets are asked for; each is measured once and given from memory after that."""


class Load:
    def __init__(self, hub: RunningHub, until: float) -> None:
        self.hub, self.until = hub, until
        self.durable, self.busy, self.busy_controls = 0, 0, 0
        self.batches: list[float] = []
        self.controls: list[float] = []
        self.failed = 0

    async def send(self, waiting: list[tuple[str, bytes]]) -> None:
        """One sender after another takes its turn, as long as there is time."""
        while waiting and time.monotonic() < self.until:
            token, packed = waiting.pop()
            began = time.monotonic()
            status, said = await self.hub.post("/v1/measurements", packed, token, Content_Encoding="zstd")
            if status == 503:
                self.busy += 1
                waiting.insert(0, (token, packed))
                await asyncio.sleep(0.2)
                continue
            self.batches.append(time.monotonic() - began)
            self.durable += statuses(said).count("stored") if status == 200 else 0
            self.failed += status != 200

    async def ask(self, tokens: Sequence[str], port: int, per_s: float, done: asyncio.Event) -> None:
        """Ask for controls at a steady pace, whatever the answers do."""
        asking: set[asyncio.Task[None]] = set()
        for number in itertools.count():
            if done.is_set() or time.monotonic() > self.until:
                break
            task = asyncio.create_task(self._ask(tokens[number % len(tokens)], port, number % PAGES))
            asking.add(task)
            task.add_done_callback(asking.discard)
            await asyncio.sleep(1 / per_s)
        await asyncio.gather(*asking)

    async def _ask(self, token: str, port: int, page: int) -> None:
        began = time.monotonic()
        body = json.dumps({"target": f"http://127.0.0.1:{port}/{page}"}).encode()
        status, _ = await self.hub.post("/v1/control", body, token)
        self.busy_controls += status == 503
        self.failed += status not in (200, 503)
        self.controls.append(time.monotonic() - began)


def batch(vantage: str, records: int) -> bytes:
    lines = []
    for number in range(records):
        made = measurement(f"{vantage}.{number:010d}", vantage=msgspec.structs.replace(HOME, name=vantage))
        *steps, page = made.observations
        page = msgspec.structs.replace(page, detail=msgspec.structs.replace(page.detail, body=None))
        made = msgspec.structs.replace(made, observations=(*steps, page))
        lines.append(line(finished(made.id, measurement=made)))
    return zstd.compress(b"\n".join(lines))


def members(database: Path, names: Sequence[str]) -> list[str]:
    """A token for each."""
    tokens, now = [], datetime.now(UTC)
    with closing(Store.open(database)) as store:
        for name in names:
            identifier, _ = credentials.split_secret(credentials.invite(store, name, now), credentials.INVITATION) or (
                "",
                "",
            )
            tokens.append((credentials.enrol(store, identifier, now) or ("", ""))[1])
    return tokens


def peak_mb(process: int) -> float:
    """The most memory that a process had; 0 where the system does not tell."""
    status = Path(f"/proc/{process}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(one.split()[1]) / 1024 for one in lines if one.startswith("VmHWM")), 0.0)


def cpu_of(process: int) -> float:
    """Seconds of CPU that a process has used; 0 where the system does not tell."""
    stat = Path(f"/proc/{process}/stat")
    fields = stat.read_text().rpartition(")")[2].split() if stat.exists() else []
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
    writer.close()


async def bench(folder: Path, vantages: int, records: int, controls: float, seconds: float) -> None:
    hub = RunningHub(folder, "[network]\nallow_private = true\n")
    tokens = members(hub.db, [f"v{number}" for number in range(vantages)])
    waiting = [(token, batch(f"v{number}", records)) for number, token in enumerate(tokens)]
    hub.start()
    assert hub.process is not None
    try:
        async with await asyncio.start_server(page, "127.0.0.1", 0) as server:
            load = Load(hub, time.monotonic() + seconds)
            done, began = asyncio.Event(), time.monotonic()
            asking = asyncio.create_task(load.ask(tokens, server.sockets[0].getsockname()[1], controls, done))
            await asyncio.gather(*(load.send(waiting) for _ in range(SENDERS)))
            took = time.monotonic() - began
            done.set()
            await asking
        peak, cpu_s = peak_mb(hub.process.pid), cpu_of(hub.process.pid)
    finally:
        hub.kill()
        print(hub.log.read_text()[-3000:], end="")
    with closing(Store.open(hub.db)) as store:
        (there,) = store.db.execute("SELECT count(*) FROM received").fetchone()
    assert there >= load.durable, "something that was acknowledged is not there"
    print(f"{load.durable} records durable in {took:.1f} s: {load.durable / took:.0f} a second")
    print(f"{len(load.batches)} batches of {records}: {_spread(load.batches)}; told to come back {load.busy} times")
    print(f"{len(load.controls)} controls asked for: {_spread(load.controls)}; {load.busy_controls} told to come back")
    print(f"the hub's own CPU {cpu_s:.1f} s, {cpu_s / max(1, load.durable) * 1000:.2f} ms a record, controls included")
    print(f"peak memory {peak:.0f} MB, database {hub.db.stat().st_size / 1e6:.0f} MB, failed {load.failed}")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def _spread(times: Sequence[float]) -> str:
    if len(times) < 2:
        return "too few"
    cuts = statistics.quantiles(times, n=100)
    return f"median {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vantages", type=int, default=1000)
    parser.add_argument("--records", type=int, default=100)
    parser.add_argument("--controls", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(bench(Path(folder), given.vantages, given.records, given.controls, given.seconds))


if __name__ == "__main__":
    main()
