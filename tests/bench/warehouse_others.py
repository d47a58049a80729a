"""What a user would take instead of a warehouse, for the same rows and questions: this program's SQLite, and pandas."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from results.aggregate import questions
from results.aggregate.enforcement import SURE, Block
from results.aggregate.questions import (
    UNDETERMINED,
    AgreementRow,
    BlockRow,
    ChangeRow,
    DelayRow,
    MatrixRow,
    MethodRow,
    Period,
    ordered,
)
from results.db.columns import step_columns
from results.db.store import Store

NETWORK = ["country", "asn", "network_name"]
SERIES = ["service", "target", "vantage_key"]
NEEDED = [
    "id", "started_at", "target", "service", "vantage", *NETWORK, "path", "vantage_key", "repeats", "outcome", "method",
    "trigger", "confidence", "listed", "listed_since", "agreement",
]  # fmt: skip
WORDS = [name for name in NEEDED if name not in ("id", "started_at", "asn", "vantage_key", "repeats", "listed")]


class Sqlite:
    """The rows in this program's own tables, with all its indexes."""

    def __init__(self, path: Path) -> None:
        self._store = Store.open(path)
        self._targets: dict[str, int] = {}
        self._vantages: dict[int, int] = {}
        self._number = 0

    def insert(self, verdicts: pa.Table, steps: pa.Table) -> None:
        """One transaction a batch."""
        with self._store.writing():
            numbers = self._measurements(verdicts)
            measured = pa.array([numbers[one] for one in steps["measurement"].to_pylist()])
            steps = steps.set_column(0, "measurement", measured)
            for step in pc.unique(steps["step"]).to_pylist():
                self._steps(step, steps.filter(pc.field("step") == step))

    def _measurements(self, verdicts: pa.Table) -> dict[str, int]:
        connection, rows = self._store.db.conn, verdicts.to_pylist()
        times = _texts(verdicts["started_at"])
        numbers = {row["id"]: self._number + n for n, row in enumerate(rows, 1)}
        self._number += len(rows)
        rounds = {row["round_id"]: (row["round_id"], at) for row, at in zip(rows, times, strict=True)}
        connection.executemany(
            "INSERT OR IGNORE INTO rounds (id, started_at, network, evidence) VALUES (?, ?, 'online', '[]')",
            rounds.values(),
        )
        connection.executemany(
            "INSERT INTO measurements (number, id, target_id, vantage_id, round_id, started_at, runtime_s, control_of,"
            " context, repeats) VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)",
            (
                (numbers[r["id"]], r["id"], self._target(r), self._vantage(r), r["round_id"], at, r["runtime_s"],
                 r["context"], numbers.get(r["repeats"]))
                for r, at in zip(rows, times, strict=True)
            ),
        )  # fmt: skip
        connection.executemany(
            'INSERT INTO verdicts (measurement, outcome, method, "trigger", confidence, rules, evidence, control,'
            " rules_version, expectation, agreement, started_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (numbers[r["id"]], r["outcome"], r["method"], r["trigger"], r["confidence"], r["rules"], r["evidence"],
                 r["control"], r["rules_version"], r["expectation"], r["agreement"], at)
                for r, at in zip(rows, times, strict=True)
            ),
        )  # fmt: skip
        return numbers

    def _steps(self, step: str, rows: pa.Table) -> None:
        names = ["measurement", "place", *step_columns(step)]
        columns = [_texts(rows[name]) if name == "started_at" else rows[name].to_pylist() for name in names]
        marks = ", ".join("?" * len(names))
        self._store.db.conn.executemany(
            f"INSERT INTO observations ({', '.join(names)}) VALUES ({marks})", zip(*columns, strict=True)
        )

    def _target(self, row: dict[str, Any]) -> int:
        if row["target"] not in self._targets:
            names = ("target", "scheme", "host", "port", "request_path", "service", "required")
            columns = ", ".join(("text", *names[1:]))
            sql = f"INSERT INTO targets ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)"
            made = self._store.db.conn.execute(sql, [row[name] for name in names])
            self._targets[row["target"]] = int(made.lastrowid or 0)
        return self._targets[row["target"]]

    def _vantage(self, row: dict[str, Any]) -> int:
        if row["vantage_key"] not in self._vantages:
            sql = "INSERT INTO vantages (name, country, asn, network_name, path) VALUES (?, ?, ?, ?, ?)"
            made = self._store.db.conn.execute(sql, [row[n] for n in ("vantage", *NETWORK, "path")])
            self._vantages[row["vantage_key"]] = int(made.lastrowid or 0)
        return self._vantages[row["vantage_key"]]

    def close(self) -> sqlite3.Connection:
        """The connection, with the planner's statistics made."""
        self._store.db.execute("ANALYZE")
        return self._store.db.conn


def _texts(times: Any) -> list[str]:
    return [f"{text}Z" for text in pc.strftime(times, "%Y-%m-%dT%H:%M:%S").to_pylist()]


class Pandas:
    """The questions as an analyst writes them over one frame of the verdicts' columns."""

    def __init__(self, files: list[Path]) -> None:
        import pyarrow.parquet as pq

        parts = pa.concat_tables([pq.read_table(file, columns=NEEDED) for file in files])
        words = pa.Table.from_arrays(
            [pc.dictionary_encode(parts[n].combine_chunks()) if n in WORDS else parts[n] for n in NEEDED], names=NEEDED
        )
        frame = words.to_pandas(integer_object_nulls=False, types_mapper={pa.int64(): pd.Int64Dtype()}.get)
        self._frame = frame[~frame["id"].isin(frame["repeats"].dropna())]

    def matrix(self, period: Period) -> list[MatrixRow]:
        rows = self._frame.assign(untold=self._frame["outcome"].isin(UNDETERMINED))
        rows = rows.sort_values(["untold", "started_at", "id"], ascending=[False, True, True])
        last = rows.drop_duplicates(SERIES, keep="last")
        keys = ["service", "target", *NETWORK, "path", "outcome", "method", "agreement"]
        found = _grouped(last, keys).agg(vantages=("vantage", "nunique"), last_at=("started_at", "max"))
        return _rows(MatrixRow, found)

    def agreement_over_time(self, period: Period) -> list[AgreementRow]:
        rows = self._frame.assign(day=self._frame["started_at"].dt.strftime("%Y-%m-%d"))
        found = _grouped(rows, ["day", "country", "agreement"]).agg(
            findings=("id", "count"), targets=("target", "nunique"), vantages=("vantage", "nunique")
        )
        return _rows(AgreementRow, found)

    def _blocks(self, agreement: str) -> list[BlockRow]:
        rows = self._frame[self._frame["agreement"] == agreement]
        keys = ["service", "target", *NETWORK, "method", "trigger", "agreement"]
        found = _grouped(rows, keys).agg(
            vantages=("vantage", "nunique"), findings=("id", "count"), first_at=("started_at", "min"),
            last_at=("started_at", "max"),
        )  # fmt: skip
        return _rows(BlockRow, found)

    def unlisted_blocks(self, period: Period) -> list[BlockRow]:
        return self._blocks("unlisted-block")

    def collateral(self, period: Period) -> list[BlockRow]:
        return self._blocks("collateral")

    def methods_by_network(self, period: Period) -> list[MethodRow]:
        rows = self._frame[(self._frame["outcome"] == "blocked") & self._frame["method"].notna()]
        found = _grouped(rows, [*NETWORK, "method"]).agg(targets=("target", "nunique"), findings=("id", "count"))
        return _rows(MethodRow, found)

    def changes(self, period: Period) -> list[ChangeRow]:
        rows = self._frame[self._frame["outcome"].isin(["blocked", "reachable"])]
        rows = rows.sort_values([*SERIES, "started_at", "id"])
        before = rows.groupby(SERIES, observed=True, dropna=False)[["outcome", "method", "started_at"]].shift()
        rows = rows.assign(was=before["outcome"], earlier=before["method"], last_was_at=before["started_at"])
        rows = rows[rows["was"].notna() & (rows["was"].astype(object) != rows["outcome"].astype(object))]
        method = rows["method"].astype(object).where(rows["method"].notna(), rows["earlier"].astype(object))
        rows = rows.assign(method=method, now=rows["outcome"], first_now_at=rows["started_at"])
        return _rows(ChangeRow, rows)

    def enforcement_delay(self, period: Period) -> list[DelayRow]:
        listed = self._frame[(self._frame["listed"] == 1) & self._frame["listed_since"].notna()]
        listed = listed.assign(listed_at=listed["listed_since"].astype(str)).groupby(
            ["target", "country"], observed=True
        )
        since = listed["listed_at"].min().reset_index()
        direct = self._frame[self._frame["path"] == "direct"]
        sure = (direct["outcome"] == "blocked") & direct["confidence"].isin(SURE)
        seen = direct[(direct["outcome"] == "reachable") | sure]
        seen = (
            seen.drop(columns="listed_since").merge(since, on=["target", "country"]).sort_values(["started_at", "id"])
        )
        found = []
        for (target, *network, listed_at), rows in seen.groupby(["target", *NETWORK, "listed_at"], observed=True):
            block = (rows["outcome"] == "reachable").cumsum()
            blocks = [_block(one) for _, one in rows.groupby(block, sort=True)]
            place = (network[0], int(network[1]), network[2])
            found.append(questions.delay(target, place, listed_at, blocks))
        return ordered(found)


def _block(rows: pd.DataFrame) -> Block:
    opened = rows["started_at"][rows["outcome"] == "reachable"]
    blocked = rows["started_at"][rows["outcome"] == "blocked"]
    ends = (blocked.min(), blocked.max()) if len(blocked) else (None, None)
    return Block(_text(opened.max() if len(opened) else None), _text(ends[0]), _text(ends[1]))


def _grouped(rows: pd.DataFrame, keys: list[str]) -> Any:
    return rows.groupby(keys, observed=True, dropna=False)


def _text(value: Any) -> Any:
    return f"{value.isoformat(timespec='milliseconds')}Z" if value is not None else None


def _rows(kind: Any, found: pd.DataFrame) -> list[Any]:
    frame = found.reset_index()
    columns = []
    for name in kind.__struct_fields__:
        column: Iterator[Any] = iter(frame[name].astype(object))
        columns.append([None if pd.isna(v) else _text(v) if isinstance(v, pd.Timestamp) else v for v in column])
    plain = (
        [int(v) if hasattr(v, "item") or isinstance(v, int) else v for v in row] for row in zip(*columns, strict=True)
    )
    return ordered(kind(**dict(zip(kind.__struct_fields__, row, strict=True))) for row in plain)
