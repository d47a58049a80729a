"""getaddrinfo beside the loop: silent names hold up neither the others nor the end of the program."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from probe.net import resolver as system_resolver
from probe.net.resolver import SystemResolver


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Names under silent.example are answered only once the event is set."""
    over = threading.Event()

    def answer(host: str, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        if host.endswith("silent.example"):
            over.wait(30)
        if host == "unknown.example":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, 1, 6, "", ("192.0.2.1", 0)), (socket.AF_INET, 1, 6, "", ("192.0.2.1", 0)),
                (socket.AF_INET6, 1, 6, "", ("2001:db8::1", 0, 0, 0))]  # fmt: skip

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    yield over
    over.set()


async def test_each_address_comes_once(silence: threading.Event) -> None:
    assert await SystemResolver().addresses("www.example") == ("192.0.2.1", "2001:db8::1")


async def test_an_unknown_name_is_an_error_with_its_number(silence: threading.Event) -> None:
    with pytest.raises(socket.gaierror) as raised:
        await SystemResolver().addresses("unknown.example")
    assert raised.value.errno == socket.EAI_NONAME


async def test_many_silent_names_do_not_hold_up_one_that_answers(silence: threading.Event) -> None:
    resolver = SystemResolver()
    silent = [
        asyncio.create_task(resolver.addresses(f"{n}.silent.example")) for n in range(system_resolver.MAX_LOOKUPS - 1)
    ]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(resolver.addresses("www.example"), 10)
    for task in silent:
        task.cancel()
    assert all(isinstance(e, asyncio.CancelledError) for e in await asyncio.gather(*silent, return_exceptions=True))


def test_the_program_ends_while_a_name_is_still_silent(silence: threading.Event) -> None:
    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await SystemResolver().addresses("a.silent.example")

    asyncio.run(give_up())
    assert not silence.is_set()
    assert any(thread.name == "getaddrinfo a.silent.example" for thread in threading.enumerate())


async def test_the_number_of_threads_is_bounded(silence: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_resolver, "MAX_LOOKUPS", 3)
    resolver = SystemResolver()
    tasks = [asyncio.create_task(resolver.addresses(f"b{n}.silent.example")) for n in range(20)]
    for _ in range(50):
        await asyncio.sleep(0)
    assert sum(thread.name.startswith("getaddrinfo b") for thread in threading.enumerate()) == 3
    silence.set()
    assert len(await asyncio.gather(*tasks)) == 20
