"""A database's measurements as batches: read only, in the order of their numbers, and not believed."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from probe.model import Vantage
from probe.text import printable
from results.compare.databases import BadDatabase, open_read_only, results_query
from results.db.columns import all_columns, chain_columns
from results.warehouse.batch import Batch, Row, day_of, table_of, time_of, vantage_key
from results.warehouse.engine import WarehouseError
from results.warehouse.load import Source, key_of
from results.warehouse.schema import BLOBS, VERDICTS, observations

if TYPE_CHECKING:
    import pyarrow as pa

    from results.warehouse.schema import Table

AT_ONCE = 4000
"""Measurements in a batch."""
LONGEST_BODY = 16 * 1024 * 1024
JOINED = """
JOIN targets t ON t.id = m.target_id JOIN vantages w ON w.id = m.vantage_id
LEFT JOIN measurements c ON c.number = m.control_of
WHERE m.number > ? AND m.number <= ?
"""
EXPECTED = "iif(json_valid(v.expectation), v.expectation, NULL)"
VERDICT = f"""
SELECT m.id, 0, ifnull(c.started_at, m.started_at), m.started_at, t.text, t.service, w.name, w.country, w.asn,
    w.network_name, w.path, w.id, c.id, (SELECT f.id FROM measurements f WHERE f.number = {{m.repeats}}), m.round_id,
    r.network, t.scheme, t.host, t.port, t.request_path, t.required, m.runtime_s, m.context, v.outcome, v.method,
    v."trigger", v.confidence, v.rules, v.evidence, v.control, v.rules_version,
    json_extract({EXPECTED}, '$.register'), json_extract({EXPECTED}, '$.listed'),
    ifnull(json_extract({EXPECTED}, '$.listed_at'), json_extract({EXPECTED}, '$.since')),
    json_extract({EXPECTED}, '$.as_of'), {EXPECTED}, v.agreement
FROM measurements m LEFT JOIN verdicts v ON v.measurement = m.number LEFT JOIN rounds r ON r.id = m.round_id
{JOINED} ORDER BY m.number
"""  # noqa: S608 constants only
OBSERVATION = f"""
SELECT m.id, o.place, ifnull(c.started_at, m.started_at), t.text, t.service, w.name, w.country, w.asn, w.network_name,
    w.path, w.id, {{columns}}
FROM observations o JOIN measurements m ON m.number = o.measurement
{JOINED} ORDER BY o.measurement, o.place
"""  # noqa: S608 constants only
OWN_ID = "CASE WHEN o.id LIKE '.%' THEN m.id || o.id ELSE o.id END"


def source(path: Path) -> Source:
    """The database as a source, known by when it was made, wherever it lies: several hubs' have the same path."""
    return Source(str(path), key_of(f"{path.name}/{_made_at(path)}", path.name), partial(batches, path))


def _made_at(path: Path) -> str:
    try:
        with closing(open_read_only(path)) as connection:
            return str(connection.execute("SELECT min(applied_at) FROM _sqlite_migrations").fetchone()[0])
    except sqlite3.Error:
        return str(path.resolve())  # none of ours, or one that cannot be read: reading it will say so


def batches(path: Path, position: int = 0, mark: str = "") -> Iterator[Batch]:
    """What stands behind the measurement with the number `position`, if that still is the one with the id `mark`;
    else everything. WarehouseError where it cannot be read."""
    try:
        with closing(open_read_only(path)) as connection:
            results_query(connection, path)
            reader = _Reader(connection)
            if reader.id_of(position) != mark:
                position = 0
            while (last := reader.last_of(position)) is not None:
                yield reader.batch(position, last)
                position = last
    except (sqlite3.Error, BadDatabase) as error:
        raise WarehouseError(f"{path}: {printable(str(error))}") from error


class _Reader:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        there = {row[1] for row in connection.execute("PRAGMA table_info(observations)")}
        self._own = [_as_stored(name) if name in there else "NULL" for name in all_columns()]
        there = {row[1] for row in connection.execute("PRAGMA table_info(measurements)")}
        self._verdict = VERDICT.replace("{m.repeats}", "m.repeats" if "repeats" in there else "NULL")
        self._vantage = cache(self._vantage_key)
        self._chain = cache(self._sha256s)
        self._sent: set[tuple[str, str]] = set()
        self._total = connection.execute("SELECT max(number) FROM measurements").fetchone()[0]

    def id_of(self, number: int) -> str:
        row = self._connection.execute("SELECT id FROM measurements WHERE number = ?", [number]).fetchone()
        return str(row[0]) if row else ""

    def last_of(self, position: int) -> int | None:
        """The number of the last measurement of the batch behind a position."""
        ahead = "SELECT max(number) FROM (SELECT number FROM measurements WHERE number > ? ORDER BY number LIMIT ?)"
        last: int | None = self._connection.execute(ahead, [position, AT_ONCE]).fetchone()[0]
        return last

    def batch(self, position: int, last: int) -> Batch:
        """Two reads of one database that is never changed but at its end."""
        steps = OBSERVATION.replace("{columns}", ", ".join(self._own))
        verdicts, why = self._table(VERDICTS, self._verdict, 2, [3], 11, (position, last))
        observed, more = self._table(observations(), steps, 2, [_place("started_at")], 10, (position, last))
        blobs, lost = table_of(BLOBS, list(self._blobs(observed)))
        why += more + lost
        return Batch(
            tables=[(BLOBS, blobs), (observations(), observed), (VERDICTS, verdicts)],
            measurements=verdicts.num_rows,
            position=last,
            mark=self.id_of(last),
            skipped=len(why),
            why=why[0] if why else None,
            total=self._total,
        )

    def _table(
        self, table: Table, query: str, day: int, times: list[int], vantage: int, between: tuple[int, int]
    ) -> tuple[pa.Table, list[str]]:
        """The rows of a query, with what stands otherwise in the warehouse brought into its form."""
        rows: list[Row] = []
        why: list[str] = []
        chains = [place for place, name in enumerate(table.names) if name in chain_columns()]
        for found in self._connection.execute(query, between):
            row = list(found)
            try:
                row[day], row[vantage] = day_of(row[day]), self._vantage(row[vantage])
                for place in times:
                    row[place] = time_of(row[place])
                for place in chains:
                    row[place] = self._chain(row[place]) if row[place] is not None else None
                rows.append(row)
            except (ValueError, TypeError) as error:
                why.append(printable(str(error)))
        made, unfit = table_of(table, rows)
        return made, why + unfit

    def _vantage_key(self, number: int) -> int:
        row = self._connection.execute(
            "SELECT name, country, asn, network_name, path FROM vantages WHERE id = ?", [number]
        ).fetchone()
        return vantage_key(Vantage(**dict(zip(Vantage.__struct_fields__, row, strict=True))))

    def _sha256s(self, text: str) -> str:
        found = [self._certificate(number) for number in msgspec.json.decode(text, type=list[int])]
        return msgspec.json.encode(found).decode()

    def _certificate(self, number: int) -> str | None:
        row = self._connection.execute("SELECT sha256 FROM certificates WHERE id = ?", [number]).fetchone()
        return row[0] if row else None

    def _blobs(self, observed: pa.Table) -> Iterator[Row]:
        """Certificates and pages that these steps name, each once a month."""
        import pyarrow as pa

        named: set[tuple[str, str]] = set()
        months = [f"{day:%Y-%m}-01" for day in observed["day"].to_pylist()]
        for column in (*chain_columns(), "http_body_sha256"):
            values = observed[column].to_pylist() if isinstance(observed, pa.Table) else []
            for value, month in zip(values, months, strict=True):
                if value is not None:
                    hashes = [value] if column not in chain_columns() else msgspec.json.decode(value)
                    named.update((sha256, month) for sha256 in hashes if sha256)
        for sha256, month in sorted(named - self._sent):
            content = self._content(sha256)
            if content is not None:
                yield sha256, day_of(month), content
        self._sent |= named

    def _content(self, sha256: str) -> bytes | None:
        row = self._connection.execute("SELECT der FROM certificates WHERE sha256 = ?", [sha256]).fetchone()
        if row:
            return bytes(row[0])
        row = self._connection.execute("SELECT zlib FROM bodies WHERE sha256 = ?", [sha256]).fetchone()
        if row is None:
            return None
        try:
            return zlib.decompressobj().decompress(row[0], LONGEST_BODY)
        except zlib.error:
            return None


def _as_stored(name: str) -> str:
    return OWN_ID if name == "id" else f"o.{name}"


@cache
def _place(name: str) -> int:
    return observations().names.index(name)
