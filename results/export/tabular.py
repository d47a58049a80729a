"""Measurements as a flat table, one a row, for spreadsheets and statistics: CSV, and Parquet by DuckDB."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

COLUMNS = {
    "measurement_id": "VARCHAR",
    "started_at": "TIMESTAMP",
    "target": "VARCHAR",
    "service": "VARCHAR",
    "vantage": "VARCHAR",
    "country": "VARCHAR",
    "asn": "BIGINT",
    "path": "VARCHAR",
    "runtime_s": "DOUBLE",
    "outcome": "VARCHAR",
    "method": "VARCHAR",
    "trigger": "VARCHAR",
    "confidence": "VARCHAR",
    "agreement": "VARCHAR",
    "register": "VARCHAR",
    "listed": "BOOLEAN",
    "since": "VARCHAR",
    "since_source": "VARCHAR",
    "listed_at": "VARCHAR",
    "as_of": "VARCHAR",
    "basis": "VARCHAR",
    "control": "VARCHAR",
    "network": "VARCHAR",
    "repeats": "VARCHAR",
    "repeated_by": "VARCHAR",
    "rules": "VARCHAR",
    "evidence": "VARCHAR",
    "rules_version": "VARCHAR",
    "schema_version": "BIGINT",
    "licence": "VARCHAR",
}
"""Every column and its type (DuckDB's names). Lists are joined: rules by blanks, evidence by ` | `."""
RISKY = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


class NoParquet(ValueError):
    """Parquet cannot be written here; the message says what to install."""


def flat(row: Mapping[str, Any], licence: str | None = None) -> dict[str, Any]:
    """The documented row of a measurement as one value a column, None for what is not there."""
    vantage, expectation = row["vantage"], row["expectation"] or {}
    named = {"vantage": vantage["name"], "licence": licence, "rules": " ".join(row["rules"])}
    named |= {key: vantage[key] for key in ("country", "asn", "path")}
    named |= {"evidence": " | ".join(row["evidence"])}
    return {name: named[name] if name in named else row.get(name, expectation.get(name)) for name in COLUMNS}


def csv_lines(rows: Iterable[Mapping[str, Any]], licence: str | None = None) -> Iterator[bytes]:
    """Header and rows, RFC 4180 with plain line feeds; an empty field is what is not there."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        yield _taken(out)
        writer.writerow(map(_harmless, flat(row, licence).values()))
    yield _taken(out)


def _taken(out: io.StringIO) -> bytes:
    line = out.getvalue().encode("utf-8", "replace")
    out.seek(0)
    out.truncate()
    return line


def _harmless(value: Any) -> Any:
    """Foreign text that no spreadsheet runs."""
    return f"'{value}" if isinstance(value, str) and value.startswith(RISKY) else value


def write_parquet(rows: Iterable[Mapping[str, Any]], path: Path, licence: str | None = None) -> int:
    """One Parquet file at `path`, the licence in its metadata too; how many rows. Raises NoParquet, OSError.

    The rows pass through a temporary file of lines, so memory use does not grow with their number.
    """
    try:
        import duckdb
    except ImportError as error:
        raise NoParquet(
            "Parquet needs DuckDB: pip install 'reachprobe[parquet]'; --format csv and jsonl need nothing"
        ) from error
    lines = path.with_name(f".{path.name}.{os.getpid()}.jsonl")
    count = 0
    try:
        with lines.open("xb") as out:
            for row in rows:
                out.write(msgspec.json.encode(flat(row, licence)) + b"\n")
                count += 1
        with duckdb.connect(config={"autoinstall_known_extensions": False}) as engine:
            columns = ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in COLUMNS.items())
            about = f", KV_METADATA {{licence: {_quoted(licence)}}}" if licence else ""
            engine.execute(
                f"COPY (SELECT * FROM read_json({_quoted(str(lines))}, format = 'newline_delimited', "  # noqa: S608
                f"columns = {{{columns}}})) TO {_quoted(str(path))} (FORMAT parquet, COMPRESSION zstd{about})"
            )
    finally:
        lines.unlink(missing_ok=True)
    return count


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
