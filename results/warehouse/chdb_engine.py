"""chDB: ClickHouse on one machine without a server, in a folder. It runs in a process of its own."""

from __future__ import annotations

import importlib.util
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import TYPE_CHECKING, BinaryIO

from results.warehouse import ddl
from results.warehouse.clickhouse_errors import STORED, said
from results.warehouse.engine import WarehouseError
from results.warehouse.schema import Table, tables

if TYPE_CHECKING:
    import pyarrow as pa

LAST_S = 60


class ChdbEngine:
    """A query goes to the other process over its standard input; a batch as a file beside the tables.

    There are no transactions: what a batch began may be there twice after an interruption, and is read once.
    """

    dialect = "clickhouse"

    def __init__(self, place: str, *, must_exist: bool = False) -> None:
        if importlib.util.find_spec("chdb") is None:
            raise ModuleNotFoundError("chdb", name="chdb")
        self._folder = Path(place)
        if must_exist and not self._folder.exists():
            raise WarehouseError(f"{place}: there is no warehouse yet; `reachprobe warehouse load` makes it")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise WarehouseError(f"{place}: {error.strerror}; choose another folder") from error
        command = [sys.executable, "-m", "results.warehouse.chdb_worker", str(self._folder / "store")]
        self._told = TemporaryFile()  # a pipe that nobody reads would hold it up  # noqa: SIM115
        self._process = subprocess.Popen(  # noqa: S603 our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._told, cwd=_home()
        )
        try:
            self._answer()
            for table in tables():
                self.run(ddl.clickhouse(table))
        except BaseException:
            self.close()
            raise

    def insert(self, table: Table, batch: pa.Table) -> None:
        import pyarrow as pa

        if batch.num_rows == 0:
            return
        with NamedTemporaryFile(dir=self._folder, prefix=".batch-", suffix=".arrow") as file:
            with pa.ipc.new_stream(file, batch.schema) as out:
                out.write_table(batch)
            file.flush()
            name = file.name.replace("\\", "\\\\").replace("'", "\\'")
            columns = ", ".join(map(ddl.quoted, table.names))
            rows = f"SELECT {columns} FROM file('{name}', 'ArrowStream')"  # noqa: S608
            self.run(f"INSERT INTO {ddl.quoted(table.name)} {rows}")

    def ask(self, sql: str) -> pa.Table:
        import pyarrow as pa

        return pa.ipc.open_stream(self.run(sql)).read_all()

    @contextmanager
    def together(self) -> Iterator[None]:
        yield

    def stored_bytes(self) -> dict[str, int]:
        return {row["table"]: row["bytes"] for row in self.ask(STORED).to_pylist()}

    def close(self) -> None:
        """Let it write what it holds, and end."""
        for stream in (self._stdin, self._stdout):
            with suppress(OSError):
                stream.close()
        try:
            self._process.wait(LAST_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._told.close()

    def run(self, sql: str) -> bytes:
        """What the other process answers, an Arrow stream."""
        query = sql.encode()
        try:
            self._stdin.write(struct.pack(">I", len(query)) + query)
            self._stdin.flush()
        except OSError as error:
            raise WarehouseError(self._ended()) from error
        return self._answer()

    def _answer(self) -> bytes:
        head = self._stdout.read(9)
        if len(head) < 9:
            raise WarehouseError(self._ended())
        kind, (length,) = head[:1], struct.unpack(">Q", head[1:])
        body = self._stdout.read(length)
        if len(body) < length:
            raise WarehouseError(self._ended())
        if kind == b"-":
            raise WarehouseError(f"{self._folder}: {said(body.decode('utf-8', 'replace'))}")
        return body

    def _ended(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(LAST_S)
        self._told.seek(0)
        told = self._told.read().decode("utf-8", "replace")
        return f"{self._folder}: {said(told) or 'chDB ended by itself'}"

    @property
    def _stdin(self) -> BinaryIO:
        assert self._process.stdin is not None
        return self._process.stdin  # type: ignore[return-value]

    @property
    def _stdout(self) -> BinaryIO:
        assert self._process.stdout is not None
        return self._process.stdout  # type: ignore[return-value]


def _home() -> Path:
    """Where the other process finds this package."""
    return Path(__file__).parents[2]
