"""chDB: ClickHouse without a server, in a folder of this machine.

chDB takes over the signals, threads and allocator of its process, so it runs in a child process:
`python -m results.warehouse.chdb_engine FOLDER`. A request is a four-byte length and the query. An answer is `+` or
`-`, an eight-byte length, and an Arrow stream or an error text. The child ends at the end of its input.
"""

from __future__ import annotations

import importlib.util
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from gettext import gettext as _
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO

from results.warehouse.errors import WarehouseError, clickhouse_message, no_warehouse
from results.warehouse.schema import (
    READ_SETTINGS,
    STORED_BYTES_SQL,
    WRITE_SETTINGS,
    WarehouseTable,
    add_columns_ddl,
    all_tables,
    clickhouse_ddl,
    quoted_name,
)

if TYPE_CHECKING:
    import pyarrow as pa

EXIT_TIMEOUT_S = 60
MEMORY_SETTINGS = {
    "max_memory_usage": 4_000_000_000,
    "max_bytes_before_external_group_by": 1_500_000_000,
    "max_bytes_before_external_sort": 1_500_000_000,
}


class ChdbEngine:
    """An engine that sends queries to the child process, and batches as files in the warehouse's folder.

    It has no transactions: rows may be stored twice after an interruption, and are read once.
    """

    dialect = "clickhouse"

    def __init__(self, path: str, *, must_exist: bool = False) -> None:
        if importlib.util.find_spec("chdb") is None:
            raise ModuleNotFoundError("chdb", name="chdb")
        self._folder = Path(path)
        if must_exist and not self._folder.exists():
            raise WarehouseError(no_warehouse(path))
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise WarehouseError(
                _("{path}: {error}; choose another folder").format(path=path, error=error.strerror)
            ) from error
        command = [sys.executable, "-m", "results.warehouse.chdb_engine", str(self._folder / "store")]
        self._stderr = TemporaryFile()  # a full pipe would block the child  # noqa: SIM115
        self._process = subprocess.Popen(  # noqa: S603 our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, cwd=Path(__file__).parents[2]
        )
        try:
            self._receive()
            for table in all_tables():
                self.run(clickhouse_ddl(table))
                own = f"database = currentDatabase() AND table = '{table.name}'"
                columns = self.query(f"SELECT name FROM system.columns WHERE {own}")["name"].to_pylist()  # noqa: S608
                for statement in add_columns_ddl(table, columns, self.dialect):
                    self.run(statement)
        except BaseException:
            self.close()
            raise

    def insert(self, table: WarehouseTable, batch: pa.Table) -> None:
        import pyarrow as pa

        if batch.num_rows == 0:
            return
        with NamedTemporaryFile(dir=self._folder, prefix=".batch-", suffix=".arrow") as file:
            with pa.ipc.new_stream(file, batch.schema) as out:
                out.write_table(batch)
            file.flush()
            name = file.name.replace("\\", "\\\\").replace("'", "\\'")
            columns = ", ".join(map(quoted_name, table.names))
            rows = f"SELECT {columns} FROM file('{name}', 'ArrowStream')"  # noqa: S608
            self.run(f"INSERT INTO {quoted_name(table.name)} ({columns}) {rows}")

    def query(self, sql: str) -> pa.Table:
        import pyarrow as pa

        return pa.ipc.open_stream(self.run(sql)).read_all()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield

    def stored_bytes(self) -> dict[str, int]:
        return {row["table"]: row["bytes"] for row in self.query(STORED_BYTES_SQL).to_pylist()}

    def close(self) -> None:
        """Close the child's input and wait until it has written everything."""
        for stream in (self._stdin, self._stdout):
            with suppress(OSError):
                stream.close()
        try:
            self._process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stderr.close()

    def run(self, sql: str) -> bytes:
        """The child's answer to a query, an Arrow stream."""
        query = sql.encode()
        try:
            self._stdin.write(struct.pack(">I", len(query)) + query)
            self._stdin.flush()
        except OSError as error:
            raise WarehouseError(self._exit_message()) from error
        return self._receive()

    def _receive(self) -> bytes:
        head = self._stdout.read(9)
        if len(head) < 9:
            raise WarehouseError(self._exit_message())
        kind, (length,) = head[:1], struct.unpack(">Q", head[1:])
        body = self._stdout.read(length)
        if len(body) < length:
            raise WarehouseError(self._exit_message())
        if kind == b"-":
            raise WarehouseError(f"{self._folder}: {clickhouse_message(body.decode('utf-8', 'replace'))}")
        return body

    def _exit_message(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(EXIT_TIMEOUT_S)
        self._stderr.seek(0)
        errors = self._stderr.read().decode("utf-8", "replace")
        why = clickhouse_message(errors) or _("chDB ended unexpectedly")
        return f"{self._folder}: {why}"

    @property
    def _stdin(self) -> BinaryIO:
        assert self._process.stdin is not None
        return self._process.stdin  # type: ignore[return-value]

    @property
    def _stdout(self) -> BinaryIO:
        assert self._process.stdout is not None
        return self._process.stdout  # type: ignore[return-value]


def serve_queries(folder: str) -> None:
    """Answer the queries on standard input until it ends."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Send chDB's own output to stderr, away from the frames.
    os.dup2(2, 1)
    from chdb.session import Session

    session: Any = Session(folder)  # type: ignore[no-untyped-call]
    session.query("CREATE DATABASE IF NOT EXISTS reachprobe ENGINE = Atomic")
    session.query("USE reachprobe")
    settings = READ_SETTINGS | WRITE_SETTINGS | MEMORY_SETTINGS
    session.query("SET " + ", ".join(f"{name} = {value}" for name, value in settings.items()))
    _write_answer(answers, b"+", b"")
    while (query := _read_query(requests)) is not None:
        try:
            result = session.query(query, "ArrowStream")
            _write_answer(answers, b"+", result.bytes() if result is not None else b"")
        except Exception as error:  # the parent reports it
            _write_answer(answers, b"-", str(error).encode("utf-8", "replace")[:4000])
    session.close()


def _read_query(requests: BinaryIO) -> str | None:
    head = requests.read(4)
    if len(head) < 4:
        return None
    (length,) = struct.unpack(">I", head)
    query = requests.read(length)
    return query.decode() if len(query) == length else None


def _write_answer(answers: BinaryIO, kind: bytes, body: bytes) -> None:
    answers.write(kind + struct.pack(">Q", len(body)))
    answers.write(body)
    answers.flush()


if __name__ == "__main__":
    serve_queries(sys.argv[1])
