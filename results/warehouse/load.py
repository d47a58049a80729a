"""Loading: batch after batch of each source, and after each how far it was read. Interrupted at any moment, and begun
again, nothing is missing and nothing counts twice: what is read again is the same row."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from results.warehouse.batch import Batch, table_of
from results.warehouse.ddl import literal, quoted
from results.warehouse.schema import LOADS

if TYPE_CHECKING:
    from results.warehouse.engine import Engine


class Source(msgspec.Struct, frozen=True):
    """One file or database: by what it is remembered, and how it is read from a position on."""

    name: str
    """What a person calls it."""
    key: str
    read: Callable[[int, str], Iterator[Batch]]


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """How far a source has come."""

    source: str
    position: int
    total: int | None
    measurements: int
    """In this batch."""
    skipped: int = 0
    why: str | None = None


class Position(msgspec.Struct, frozen=True):
    """How far a source was read, and in how many batches ever."""

    number: int = 0
    position: int = 0
    mark: str = ""


def key_of(place: str, name: str | None = None) -> str:
    """By what a source is remembered: of where it lies no more than its name is told."""
    name = name or place.rstrip("/").rpartition("/")[2]
    return f"{name[:100]}#{hashlib.sha256(place.encode('utf-8', 'replace')).hexdigest()[:12]}"


def load(engine: Engine, source: Source, clock: Callable[[], datetime]) -> Iterator[Loaded]:
    """Everything of a source that is not there yet; each batch is durable before it is handed on."""
    position = reached(engine, source.key)
    for batch in source.read(position.position, position.mark):
        position = Position(position.number + 1, batch.position, batch.mark)
        with engine.together():
            for table, rows in batch.tables:
                engine.insert(table, rows)
            # Last, so that where there are no transactions too, what is behind it is there.
            engine.insert(LOADS, table_of(LOADS, [_row(source.key, position, batch, clock())])[0])
        yield Loaded(
            source=source.name,
            position=batch.position,
            total=batch.total,
            measurements=batch.measurements,
            skipped=batch.skipped,
            why=batch.why,
        )


def reached(engine: Engine, key: str) -> Position:
    """How far the source of this key was read."""
    asked = f"SELECT number, position, mark FROM {quoted(LOADS.name)} WHERE source = {literal(key, engine.dialect)}"  # noqa: S608 quoted
    found = engine.ask(f"{asked} ORDER BY number DESC LIMIT 1").to_pylist()
    return Position(**found[0]) if found else Position()


def _row(key: str, position: Position, batch: Batch, at: datetime) -> tuple[Any, ...]:
    return key, position.number, batch.position, batch.mark, batch.measurements, at.replace(tzinfo=None)
