"""One member cannot take what the others need: places, memory, the hub's time, its disk."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import random
import time
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from results.db.store import Store
from results.hub import credentials, database
from results.hub.limits import (
    DAY_S,
    MAX_CPU_S,
    MAX_RECORDS,
    MIB,
    RECORDS_PER_S,
    FairSlots,
    Overloaded,
    Places,
    TooManyRequests,
    UploadBudget,
)
from results.hub.request_body import (
    MAX_PLAIN_BYTES,
    MAX_RECORDS_PER_BATCH,
    UNPACK_STEP_BYTES,
    BadRequest,
    read_batch,
    read_records,
    unpack,
)
from schedules.hub_client.client import zstd
from tests.results.hub.asgi_client import Inside
from tests.results.hub.hub_process import RunningHub, hang_up, record, statuses
from tests.results.hub.in_thread import Got, asked

NAME = "home-fibre"


async def hold(hub: RunningHub, path: str, token: str, length: int, times: int) -> list[asyncio.StreamWriter]:
    """Connections that announce a body and send one byte of it."""
    writers = []
    for _ in range(times):
        _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        writer.write(f"{head}Content-Length: {length}\r\n\r\n{{".encode())
        writers.append(writer)
    await asyncio.sleep(0.3)
    return writers


async def test_a_member_that_holds_uploads_has_one_place_and_the_others_theirs(hub: RunningHub) -> None:
    evil, good, invitation = await hub.enrol("evil"), await hub.enrol(NAME), hub.invite("newcomer")
    held = await hold(hub, "/v1/measurements", evil, 4 * MIB, 20)
    try:
        status, said = await hub.send(good, [record("a" * 16)])
        assert (status, statuses(said)) == (200, ["stored"])
        assert (await hub.post("/v1/control", b'{"target": "https://192.0.2.1/"}', good))[0] == 422
        assert (await hub.post("/v1/enrol", json.dumps({"invitation": invitation}).encode()))[0] == 200
        _, head, said = await hub.raw(upload(evil, record("b" * 16, "evil")))
        assert head.startswith("HTTP/1.1 429")
        assert "retry-after: " in head.lower()
        assert "no more than 1 batch at once" in said["error"]
    finally:
        await hang_up(*held)
    async with asyncio.timeout(10):
        while (await hub.send(evil, [record("b" * 16, "evil")]))[0] != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def upload(token: str, body: bytes) -> bytes:
    head = f"POST /v1/measurements HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


async def test_a_member_that_holds_small_requests_leaves_others_theirs_and_enrolment_too(hub: RunningHub) -> None:
    evil, good, invitation = await hub.enrol("evil"), await hub.enrol(NAME), hub.invite("newcomer")
    held = await hold(hub, "/v1/control", evil, 16_000, 40)
    held += await hold(hub, "/v1/enrol", "none", 1000, 3)
    ask = b'{"target": "https://192.0.2.1/"}'
    try:
        assert (await hub.post("/v1/control", ask, evil))[0] == 429
        assert (await hub.post("/v1/control", ask, good))[0] == 422
        assert (await hub.post("/v1/enrol", json.dumps({"invitation": invitation}).encode()))[0] == 200
    finally:
        await hang_up(*held)


async def test_a_refusal_reaches_a_sender_that_has_not_sent_all_yet(hub: RunningHub) -> None:
    evil = await hub.enrol("evil")
    held = await hold(hub, "/v1/measurements", evil, 4 * MIB, 1)
    try:
        status, said = await hub.post("/v1/measurements", bytes(3 * MIB), evil)
        assert (status, "at once" in said["error"]) == (429, True)
    finally:
        await hang_up(*held)


BOMBS = {
    "line feeds": b"\n" * (MAX_PLAIN_BYTES - 64),
    "blank lines": b" \r\n" * (MAX_PLAIN_BYTES // 3 - 64),
    "a brace a line": b"{\n" * (MAX_PLAIN_BYTES // 2 - 64),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_batch_of_millions_of_lines_is_refused_before_it_is_unpacked_and_costs_as_a_whole_one(kind: str) -> None:
    packed = gzip.compress(BOMBS[kind], 1)
    tracemalloc.start()
    try:
        batch = read_batch(packed, "gzip", NAME)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(batch.records, BadRequest)
    assert batch.records.status == 413
    assert batch.plain_bytes == MAX_PLAIN_BYTES
    assert peak < MAX_PLAIN_BYTES / 2
    assert batch.cpu_s > 0


@pytest.mark.parametrize("packing", [gzip.compress, zstd.compress])
def test_a_batch_of_many_parts_is_unpacked_whole(packing: Callable[[bytes], bytes]) -> None:
    for size in (0, 1, UNPACK_STEP_BYTES - 1, UNPACK_STEP_BYTES, UNPACK_STEP_BYTES + 1, MAX_PLAIN_BYTES):
        plain = random.Random(size).randbytes(2**16).replace(b"\n", b" ") * (size // 2**16 + 1)
        encoding = "gzip" if packing is gzip.compress else "zstd"
        assert unpack(packing(plain[:size]), encoding) == plain[:size]
        with pytest.raises(BadRequest):
            unpack(packing(plain[:size])[:-1], encoding)


def test_a_batch_of_as_many_records_as_are_allowed_is_read() -> None:
    full, more = b"{}\n" * MAX_RECORDS_PER_BATCH, b"{}\n" * (MAX_RECORDS_PER_BATCH + 1)
    assert len(read_records(full, NAME)) == MAX_RECORDS_PER_BATCH
    with pytest.raises(BadRequest, match="records in one batch"):
        read_records(more, NAME)


def test_what_does_not_unpack_costs_as_much_as_the_longest_that_does() -> None:
    batch = read_batch(gzip.compress(bytes(MAX_PLAIN_BYTES + 1), 1), "gzip", NAME)
    assert isinstance(batch.records, BadRequest)
    assert batch.plain_bytes == MAX_PLAIN_BYTES


async def test_bombs_of_one_member_delay_no_other(hub: RunningHub) -> None:
    evil, good = await hub.enrol("evil"), await hub.enrol(NAME)
    packed = gzip.compress(BOMBS["line feeds"], 9)
    bombs = [
        asyncio.create_task(hub.post("/v1/measurements", packed, evil, Content_Encoding="gzip")) for _ in range(24)
    ]
    await asyncio.sleep(0.2)
    began = time.monotonic()
    assert (await hub.send(good, [record("a" * 16)]))[0] == 200
    took = time.monotonic() - began
    said = await asyncio.gather(*bombs)
    assert took < 4
    assert {status for status, _ in said} <= {413, 429}


def test_a_daily_limit_of_bytes_is_said_and_comes_back_with_time() -> None:
    now = [0.0]
    budget = UploadBudget(64, lambda: now[0])
    for _ in range(4):
        budget.take_batch("1")
        budget.spend("1", plain_bytes=16 * MIB)
    with pytest.raises(TooManyRequests, match="the daily limit of 64 MiB is used up: try again in"):
        budget.take_batch("1")
    budget.take_batch("2")
    now[0] += DAY_S / 64
    budget.take_batch("1")


def test_a_budget_of_records_is_spent_by_each_record() -> None:
    now = [0.0]
    budget = UploadBudget(10_000, lambda: now[0])
    for _ in range(MAX_RECORDS // 500):
        budget.take_batch("1")
        budget.spend("1", records=500)
    with pytest.raises(TooManyRequests, match="records a second"):
        budget.take_batch("1")
    now[0] += 100 / RECORDS_PER_S
    budget.take_batch("1")


def test_work_for_the_hub_is_spent_by_the_second() -> None:
    budget = UploadBudget(10_000, lambda: 0.0)
    budget.spend("1", cpu_s=MAX_CPU_S)
    with pytest.raises(TooManyRequests, match="too much work"):
        budget.take_batch("1")
    budget.take_batch("2")


class Group:
    """A hub in this process, and members of it."""

    def __init__(self, folder: Path, mib_per_day: int = 512) -> None:
        self.inside = Inside(folder, mb_per_day=mib_per_day)
        self.database = folder / "hub.db"

    def token(self, name: str) -> str:
        now = datetime.now(UTC)
        with closing(Store.open(self.database)) as store:
            identifier, _ = credentials.split_secret(credentials.invite(store, name, now), credentials.INVITATION) or (
                "",
                "",
            )
            return (credentials.enrol(store, identifier, now) or ("", ""))[1]


async def post(app: object, token: str, body: bytes) -> Got:
    headers = {"authorization": f"Bearer {token}", "content-length": str(len(body))}
    return await asked(app, "/v1/measurements", headers, method="POST", body=body)


async def test_what_is_refused_or_known_counts_for_the_daily_limit(tmp_path: Path) -> None:
    group = Group(tmp_path, mib_per_day=1)
    with group.inside as app:
        evil, good = group.token("evil"), group.token(NAME)
        junk = b"\n".join([b'"' + b"x" * 9000 + b'"'] * 60)
        first, second = await post(app, evil, junk), await post(app, evil, junk)
        third, other = await post(app, evil, junk), await post(app, good, record("a" * 16))
    assert (first.status, second.status, third.status, other.status) == (200, 200, 429, 200)
    assert b"the daily limit of 1 MiB is used up" in third.body
    assert int(third.headers["retry-after"]) > 60


async def test_each_record_of_an_upload_counts_and_too_many_are_429(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("results.hub.limits.MAX_RECORDS", 5)
    monkeypatch.setattr("results.hub.limits.RECORDS_PER_S", 1e-6)
    group = Group(tmp_path)
    with group.inside as app:
        token = group.token(NAME)
        said = [await post(app, token, b"\n".join(record(f"{n}{m}" * 8) for m in range(3))) for n in range(1, 4)]
    assert [one.status for one in said] == [200, 200, 429]
    assert b"records a second" in said[-1].body


async def test_judging_counts_as_work_of_the_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0, 100.0)
    monkeypatch.setattr(database, "time", SimpleNamespace(thread_time=lambda: next(clock), monotonic=time.monotonic))
    group = Group(tmp_path)
    with group.inside as app:
        token = group.token(NAME)
        said = [(await post(app, token, record(f"{n}" * 16))).status for n in range(2)]
    assert said == [200, 429]


async def test_a_batch_waits_for_room_and_is_told_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = Group(tmp_path)
    with group.inside:
        collector = group.inside.collector
        collector.waiting = database.MAX_WAITING_RECORDS
        waiting = asyncio.create_task(collector.wait_for_room())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await collector.store(credentials.Member(1, NAME, "x"), [])
        collector.waiting = 0
        await collector.store(credentials.Member(1, NAME, "x"), [])
        await asyncio.wait_for(waiting, 1)
        monkeypatch.setattr(database, "MAX_ROOM_WAIT_S", 0.01)
        collector.waiting = database.MAX_WAITING_RECORDS
        with pytest.raises(Overloaded):
            await collector.wait_for_room()
        collector.waiting = 0
        storing = asyncio.create_task(collector.store(credentials.Member(1, NAME, "x"), [], database.MAX_WAITING_BYTES))
        await asyncio.sleep(0)
        assert collector._waiting_bytes == database.MAX_WAITING_BYTES
        await storing
        await collector.wait_for_room()
        collector._waiting_bytes = database.MAX_WAITING_BYTES
        with pytest.raises(Overloaded):
            await collector.wait_for_room()


def test_places_are_each_clients_own_and_come_back() -> None:
    places = Places(2, 3, "downloads")
    with ExitStack() as held:
        held.enter_context(places.taken("a"))
        with places.taken("a"), pytest.raises(TooManyRequests, match="no more than 2 downloads at once"):
            held.enter_context(places.taken("a"))
        held.enter_context(places.taken("b"))
        held.enter_context(places.taken("c"))
        with pytest.raises(Overloaded):
            held.enter_context(places.taken("d"))
    with places.taken("a"), places.taken("a"):
        pass


async def test_a_client_with_many_requests_leaves_slots_and_turns_to_others() -> None:
    slots, order, go = FairSlots(2, 1, Places(50)), [], asyncio.Event()

    async def work(key: str) -> None:
        async with slots.slot(key):
            order.append(key)
            await go.wait()

    tasks = [asyncio.create_task(work(key)) for key in ("evil", "evil", "evil", "good")]
    await asyncio.sleep(0.01)
    assert order == ["evil", "good"]
    go.set()
    await asyncio.gather(*tasks)
    assert order.count("evil") == 3
