"""A ClickHouse to talk to by HTTP, in a process of its own: what `tests.results.warehouse.clickhouse_http` serves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


class RunningClickhouse:
    """Start it, kill it, start it again: on the same port and folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.results.warehouse.clickhouse_http", str(self.folder), str(self.port)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def kill(self) -> None:
        """At once, and the engine behind it."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self._ended()

    def stop(self) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._ended()

    def url(self, database: str, user: str = "reachprobe:right") -> str:
        return f"clickhouse://{user}@127.0.0.1:{self.port}/{database}"

    def _ended(self) -> None:
        assert self.process is not None
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        self.process.wait(60)
