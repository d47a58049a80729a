"""Databases of rounds with an outage, and a time in which the machine was off."""

from __future__ import annotations

from pathlib import Path

import msgspec

from results.db.store import Store
from results.judge.judged import RoundRecord
from tests.results.records import finished, measurement

DAYS = "oooxx.......oooooo"
"""A round every six hours; the fourth and the fifth are offline, then the machine is off for two days."""


def id_of(kind: str, number: int) -> str:
    return f"{kind}{number}".ljust(16, "x")


def build(path: Path, rounds: str, every_h: int = 6) -> Path:
    store = Store.open(path)
    for number, letter in enumerate(rounds):
        hours = number * every_h
        at = f"2026-06-{10 + hours // 24:02}T{hours % 24:02}:00:00.000Z"
        if letter == ".":
            continue
        state = "online" if letter == "o" else "offline"
        store.save_round(RoundRecord(id=id_of("r", number), started_at=at, network=state), network_key="home")
        made = msgspec.structs.replace(measurement(id_of("m", number)), started_at=at, observations=())
        outcome = "reachable" if letter == "o" else "offline"
        store.save([finished(made.id, outcome, measurement=made, round_id=id_of("r", number))])
    store.close()
    return path
