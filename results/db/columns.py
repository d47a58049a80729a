"""The observations table's columns, derived from the records.

Columns have the names of envelope fields; those of detail fields have the step as prefix: `tls_alpn`. Nested values are
JSON; certificates and bodies are in tables of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from probe.model import Observation
from probe.steps import specs

Kind = Literal["plain", "bool", "json", "certificates", "body"]
SQL_TYPES = {int: "INTEGER", bool: "INTEGER", float: "REAL", str: "TEXT"}


class ObservationColumn(msgspec.Struct, frozen=True):
    """One column: the field it holds, how it is stored, and as what SQLite type."""

    name: str
    field: str
    kind: Kind
    sql: str
    type: Any


class BlobWriter(msgspec.Struct, frozen=True):
    """Stores bytes in their own tables; returns the key to store instead, None to keep the record's hash."""

    certificate: Callable[[bytes], int]
    body: Callable[[bytes], str | None]


class BlobReader(msgspec.Struct, frozen=True):
    """The inverse of BlobWriter. A body may not have been kept."""

    certificate: Callable[[int], bytes]
    body: Callable[[str], bytes | None]


ENVELOPE = tuple(field for field in Observation.__struct_fields__ if field != "detail")


@cache
def detail_types() -> dict[str, type[msgspec.Struct]]:
    """Step -> the record of its detail, by name."""
    return {name: spec.detail for name, spec in sorted(specs().items())}


@cache
def envelope_columns() -> tuple[ObservationColumn, ...]:
    return tuple(column for column in _columns(Observation, "") if column.field in ENVELOPE)


@cache
def detail_columns(step: str) -> tuple[ObservationColumn, ...]:
    return tuple(_columns(detail_types()[step], f"{step}_"))


def all_columns() -> dict[str, str]:
    """Column -> its SQLite type."""
    details = (column for step in detail_types() for column in detail_columns(step))
    return {column.name: column.sql for column in (*envelope_columns(), *details)}


@cache
def columns_of_kind(kind: Kind) -> tuple[str, ...]:
    """The columns of details stored as `kind`."""
    details = (column for step in detail_types() for column in detail_columns(step))
    return tuple(column.name for column in details if column.kind == kind)


def chain_columns() -> tuple[str, ...]:
    """The columns that hold certificates."""
    return columns_of_kind("certificates")


@cache
def step_columns(step: str) -> tuple[str, ...]:
    """The columns that an observation of one step fills; the rest of its row is NULL."""
    return tuple(dict.fromkeys(column.name for column in (*envelope_columns(), *detail_columns(step))))


def to_values(observation: Observation, keep: BlobWriter) -> dict[str, Any]:
    """Column -> value for one observation, in the order of its `step_columns`."""
    plan = _plan(observation.step)
    stored = [*plan.envelope(observation), *plan.detail(observation.detail)]
    for at, kind in plan.converted:
        value = stored[at]
        stored[at] = None if value is None or value == () else _store(value, kind, keep)
    values = dict(zip(plan.names, stored, strict=True))
    for name, first, last in plan.twice:
        values[name] = stored[first] if stored[last] is None else stored[last]
    return values


class _Plan(msgspec.Struct, frozen=True):
    """How a step's records become a row. `twice` are the columns that two fields fill, a body and its hash, with the
    places of both; the later one counts."""

    names: tuple[str, ...]
    envelope: Callable[[Observation], tuple[Any, ...]]
    detail: Callable[[Any], tuple[Any, ...]]
    converted: tuple[tuple[int, Kind], ...]
    twice: tuple[tuple[str, int, int], ...]


@cache
def _plan(step: str) -> _Plan:
    columns = (*envelope_columns(), *detail_columns(step))
    names = tuple(column.name for column in columns)
    last = {name: at for at, name in enumerate(names)}
    return _Plan(
        names=names,
        envelope=_fields_of(envelope_columns()),
        detail=_fields_of(detail_columns(step)),
        converted=tuple((at, column.kind) for at, column in enumerate(columns) if column.kind != "plain"),
        twice=tuple((name, at, last[name]) for at, name in enumerate(names) if at != last[name]),
    )


def _fields_of(columns: tuple[ObservationColumn, ...]) -> Callable[[Any], tuple[Any, ...]]:
    fields = tuple(column.field for column in columns)
    if len(fields) > 1:
        return attrgetter(*fields)
    return lambda record: tuple(getattr(record, field) for field in fields)


def from_values(values: Mapping[str, Any], find: BlobReader) -> Observation:
    """The observation that a row holds."""
    step = values["step"]
    detail = detail_types()[step](**_fields(values, detail_columns(step), find))
    return Observation(detail=detail, **_fields(values, envelope_columns(), find))


def _fields(values: Mapping[str, Any], columns: tuple[ObservationColumn, ...], find: BlobReader) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for column in columns:
        value = values[column.name]
        if value is not None:
            fields[column.field] = _load(value, column, find)
        elif NoneType in _parts(column.type):  # else it was an empty list, which is the default
            fields[column.field] = None
    return fields


def _load(value: Any, column: ObservationColumn, find: BlobReader) -> Any:
    if column.kind == "bool":
        return bool(value)
    if column.kind == "json":
        return msgspec.json.decode(value, type=column.type)
    if column.kind == "certificates":
        return tuple(map(find.certificate, msgspec.json.decode(value, type=list[int])))
    return find.body(value) if column.kind == "body" else value


def _store(value: Any, kind: Kind, keep: BlobWriter) -> Any:
    if kind == "bool":
        return int(value)
    if kind == "json":
        return msgspec.json.encode(value).decode()
    if kind == "certificates":
        return msgspec.json.encode([keep.certificate(der) for der in value]).decode()
    return keep.body(value)


def _columns(record: type[msgspec.Struct], prefix: str) -> Iterator[ObservationColumn]:
    for field, kind in get_type_hints(record).items():
        if field not in record.__struct_fields__:
            continue
        stored, sql = _stored_as(kind)
        hash_field = f"{field}_sha256"
        name = hash_field if stored == "body" and hash_field in record.__struct_fields__ else field
        yield ObservationColumn(prefix + name, field, stored, sql, kind)


def _stored_as(kind: Any) -> tuple[Kind, str]:
    # The type of a Literal is that of its first value.
    plain = {type(get_args(part)[0]) if get_origin(part) is Literal else part for part in _parts(kind)} - {NoneType}
    if plain == {bytes}:
        return "body", "TEXT"
    if any(get_origin(part) is tuple and get_args(part)[0] is bytes for part in _parts(kind)):
        return "certificates", "TEXT"
    if len(plain) == 1 and (only := plain.pop()) in SQL_TYPES:
        return ("bool" if only is bool else "plain"), SQL_TYPES[only]
    return "json", "TEXT"


def _parts(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
