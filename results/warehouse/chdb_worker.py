"""ClickHouse inside a process of its own: `python -m results.warehouse.chdb_worker FOLDER`.

The engine takes over the process that it is loaded into (signals, threads, allocator), so it gets one that does nothing
else. Frames over standard input and output: four bytes of length, then the query; back one byte, `+` or `-`, eight
bytes of length, and an Arrow stream or the error's text. It ends when its input does.
"""

from __future__ import annotations

import os
import struct
import sys
from typing import Any, BinaryIO

from results.warehouse.clickhouse_errors import READING, WRITING

MEMORY = {
    "max_memory_usage": 4_000_000_000,
    "max_bytes_before_external_group_by": 1_500_000_000,
    "max_bytes_before_external_sort": 1_500_000_000,
}


def main(folder: str) -> None:
    """Answer until nobody asks any more."""
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # What the engine itself prints must not get between the frames.
    os.dup2(2, 1)
    from chdb.session import Session

    session: Any = Session(folder)  # type: ignore[no-untyped-call]
    session.query("CREATE DATABASE IF NOT EXISTS reachprobe ENGINE = Atomic")
    session.query("USE reachprobe")
    session.query("SET " + ", ".join(f"{name} = {value}" for name, value in (READING | WRITING | MEMORY).items()))
    _answer(answers, b"+", b"")
    while (query := _next(asked)) is not None:
        try:
            found = session.query(query, "ArrowStream")
            _answer(answers, b"+", found.bytes() if found is not None else b"")
        except Exception as error:  # whatever it is, it is told to who asked
            _answer(answers, b"-", str(error).encode("utf-8", "replace")[:4000])
    session.close()


def _next(asked: BinaryIO) -> str | None:
    head = asked.read(4)
    if len(head) < 4:
        return None
    (length,) = struct.unpack(">I", head)
    query = asked.read(length)
    return query.decode() if len(query) == length else None


def _answer(answers: BinaryIO, kind: bytes, body: bytes) -> None:
    answers.write(kind + struct.pack(">Q", len(body)))
    answers.write(body)
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
