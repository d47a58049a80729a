"""A hub in a process of its own, as its operator starts it, and what a test needs to talk to it."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from results.db.json_codec import to_plain
from results.judge.judged import JudgedMeasurement, RoundRecord
from schedules.hub_client.client import zstd
from tests.results.records import HOME, finished, measurement

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class RunningHub:
    """Start it, kill it, start it again: on the same port and database."""

    def __init__(self, folder: Path, config: str = "") -> None:
        self.folder, self.db, self.port = folder, folder / "hub.db", free_port()
        self.config, self.log = folder / "hub.toml", folder / "hub.log"
        self.config.write_text(config)
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *words: str) -> list[str]:
        program = [sys.executable, "-c", "from schedules.cli import main; main()"]
        return [*program, "--config", str(self.config), "--db", str(self.db), "hub", *words]

    def start(self, *more: str) -> None:
        words = self.command("--listen", f"127.0.0.1:{self.port}", *more)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(words, stderr=log, cwd=ROOT, env=os.environ)
        while b"listening at" not in self.log.read_bytes():
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(20)
        self.process = None
        return code

    def invite(self, name: str) -> str:
        done = subprocess.run(self.command("invite", name), capture_output=True, text=True, cwd=ROOT, check=True)
        return done.stdout.strip()

    async def enrol(self, name: str) -> str:
        """A token for a vantage of that name."""
        status, said = await self.post("/v1/enrol", json.dumps({"invitation": self.invite(name)}).encode())
        assert status == 200, said
        assert said["name"] == name
        return str(said["token"])

    async def post(
        self, path: str, body: bytes = b"{}", token: str | None = None, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        status, _, said = await self.raw(head.encode() + b"\r\n" + body)
        return status, said

    async def get(self, path: str, **headers: str) -> tuple[int, str, str]:
        """Status, head and body."""
        fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n".encode())
            await writer.drain()
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            await hang_up(writer)
        return int(head.split()[1]), head.decode("latin-1"), body.decode()

    async def raw(self, request: bytes) -> tuple[int, str, dict[str, Any]]:
        """Send bytes, and read an answer to its end: status, head, JSON body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            await writer.drain()
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            await hang_up(writer)
        if not head:
            raise ConnectionError("closed without an answer")
        length = re.search(rb"content-length: (\d+)", head.lower())
        if length is not None and len(body) < int(length[1]):
            raise ConnectionError("closed in the middle of an answer")
        return int(head.split()[1]), head.decode("latin-1"), json.loads(body) if body[:1] == b"{" else {}

    async def send(self, token: str, lines: Sequence[bytes], packing: str = "zstd") -> tuple[int, dict[str, Any]]:
        pack = {"zstd": zstd.compress, "gzip": gzip.compress, "identity": bytes}[packing]
        return await self.post("/v1/measurements", pack(b"\n".join(lines)), token, Content_Encoding=packing)


async def hang_up(*writers: asyncio.StreamWriter) -> None:
    """Close connections, and wait until they are."""
    for writer in writers:
        writer.transport.abort()
    for writer in writers:
        with suppress(OSError):
            await writer.wait_closed()


def record(identifier: str, vantage: str = "home-fibre", round_: RoundRecord | None = None, **changes: Any) -> bytes:
    """A line as an agent sends it; `changes` are those of the measurement."""
    seen = msgspec.structs.replace(HOME, name=vantage)
    return line(finished(identifier, measurement=measurement(identifier, **{"vantage": seen, **changes})), round_)


def line(one: JudgedMeasurement, round_: RoundRecord | None = None) -> bytes:
    return msgspec.json.encode({"record": to_plain(one, round_)})


def statuses(said: dict[str, Any]) -> list[str]:
    return [answer["status"] for answer in said["answers"]]
