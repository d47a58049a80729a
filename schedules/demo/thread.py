"""Runs the censored network in a thread and loop of its own, as the world is, while the main job runs in another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from schedules.demo.network import CensoredNetwork


@contextmanager
def running() -> Iterator[CensoredNetwork]:
    """The demo's network, started; leaving stops it. What fails while it starts is raised here."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="censored-network", daemon=True)
    thread.start()
    network = CensoredNetwork()
    try:
        asyncio.run_coroutine_threadsafe(network.__aenter__(), loop).result()
        try:
            yield network
        finally:
            asyncio.run_coroutine_threadsafe(network.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
