"""ClickHouse's HTTP interface in front of chDB on loopback: `python -m tests.results.warehouse.clickhouse_http FOLDER`.

It speaks what clickhouse-connect uses (https://clickhouse.com/docs/interfaces/http): queries in address or body,
`database`, `param_…`, settings, inserts as data behind a query, sessions that are locked while they are used, users,
compressed requests, and errors with their code and status. SQL, types, formats and storage are those of chDB, which is
ClickHouse. One query runs at a time; a session keeps nothing. It says its port, and ends when its standard input does.
"""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
import threading
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from struct import pack, unpack
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from schedules.hub_client.client import zstd

USERS = {"reachprobe": "right", "default": ""}
READER = "reader"
"""May read, and neither make nor fill anything."""
NO_SETTINGS = {"query", "database", "user", "password", "query_id", "default_format", "compress", "decompress"}
NO_SETTINGS |= {"session_id", "session_timeout", "session_check", "quota_key", "role"}
NO_SETTINGS |= {"wait_end_of_query", "buffer_size", "client_protocol_version"}
STATUS = {516: 403, 497: 403, 60: 404, 81: 404, 115: 404, 47: 404, 62: 400, 159: 408, 48: 501}
"""Of error codes, as ClickHouse's HTTPHandler gives them; others are 500."""
READS = re.compile(r"\s*(select|with|show|describe|exists|explain)\b", re.IGNORECASE)
INSERTS = re.compile(r"\s*(insert\s.*?)\bformat\s+(\w+)\s*(?:\n|$)", re.IGNORECASE | re.DOTALL)
FORMAT = re.compile(r"\bformat\s+(\w+)\s*;?\s*$", re.IGNORECASE)


class Refused(Exception):
    """An error in ClickHouse's words, with its code in them."""


class Chdb:
    """The worker that the engine for `chdb://` runs, asked one query after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._lock = folder, threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "results.warehouse.chdb_engine", str(folder / "store")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answer()
        from results.warehouse.schema import READ_SETTINGS, WRITE_SETTINGS

        # What the client wants set it has to say itself.
        self._run("SET " + ", ".join(f"{name} = DEFAULT" for name in READ_SETTINGS | WRITE_SETTINGS))

    def ask(self, query: str, database: str, settings: dict[str, str]) -> bytes:
        """With these settings, and as if nobody had set any before."""
        given = {name: "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" for name, value in settings.items()}
        with self._lock:
            self._run(f"USE `{database}`")
            if given:
                self._run("SET " + ", ".join(f"{name} = {value}" for name, value in given.items()))
            try:
                return self._run(query)
            finally:
                if others := [name for name in given if not name.startswith("param_")]:
                    self._run("SET " + ", ".join(f"{name} = DEFAULT" for name in others))

    def _run(self, query: str) -> bytes:
        assert self.process.stdin is not None
        sent = query.encode()
        self.process.stdin.write(pack(">I", len(sent)) + sent)
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> bytes:
        assert self.process.stdout is not None
        kind, length = unpack(">cQ", self.process.stdout.read(9))
        body = self.process.stdout.read(length)
        if kind == b"-":
            raise Refused(body.decode("utf-8", "replace"))
        return body


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        self._handle(b"")

    def do_POST(self) -> None:
        self._handle(self._body())

    def _handle(self, body: bytes) -> None:
        params = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        if urlsplit(self.path).path == "/ping":
            return self._send(200, b"Ok.\n")
        session = params.get("session_id", "")
        try:
            user = self._user(params)
            if not self.server.enter(session):
                raise Refused(f"Code: 373. DB::Exception: Session {session} is locked by a concurrent client.")
            try:
                found, kind = self._answered(params, body, user)
            finally:
                self.server.leave(session)
        except Refused as error:
            code = int(found_code[1]) if (found_code := re.search(r"Code: (\d+)", str(error))) else 1001
            said = f"{error} (version 26.9.2.1)\n".encode()
            return self._send(STATUS.get(code, 500), said, {"X-ClickHouse-Exception-Code": str(code)})
        return self._send(200, found, {"X-ClickHouse-Format": kind})

    def _user(self, params: dict[str, str]) -> str:
        user, password = params.get("user", "default"), params.get("password", "")
        scheme, _, told = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            user, _, password = b64decode(told).decode().partition(":")
        user = self.headers.get("X-ClickHouse-User", user)
        password = self.headers.get("X-ClickHouse-Key", password)
        if (USERS | {READER: "right"}).get(user) != password:
            raise Refused(
                f"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect, or there is no user "
                "with such name. (AUTHENTICATION_FAILED)"
            )
        return user

    def _answered(self, params: dict[str, str], body: bytes, user: str) -> tuple[bytes, str]:
        query = params["query"].encode() + b"\n" + body if "query" in params and body else body
        query = query or params.get("query", "").encode()
        # What follows an insert's FORMAT is data, and no text.
        head = INSERTS.match(query[:65536].decode("utf-8", "replace"))
        text = "" if head else query.decode()
        settings = {name: value for name, value in params.items() if name not in NO_SETTINGS}
        if head is None and READS.match(text):
            database = params.get("database") or "default"
        elif self.command == "GET":
            raise Refused("Code: 164. DB::Exception: Cannot execute query in readonly mode. (READONLY)")
        elif user == READER:
            raise Refused(f"Code: 497. DB::Exception: {user}: Not enough privileges. (ACCESS_DENIED)")
        else:
            database = params.get("database") or "default"
        if head is not None:
            data = query[len(head[0].encode()) :]
            return self._inserted(head[1], head[2], data, database, settings), "TSV"
        named = FORMAT.search(text)
        kind = named[1] if named else params.get("default_format", "TabSeparated")
        if named is None and READS.match(text):
            text = f"{text}\nFORMAT {kind}"
        return self.server.chdb.ask(text, database, settings), kind

    def _inserted(self, into: str, kind: str, data: bytes, database: str, settings: dict[str, str]) -> bytes:
        with NamedTemporaryFile(dir=self.server.chdb.folder, suffix=".data") as file:
            file.write(data)
            file.flush()
            return self.server.chdb.ask(f"{into} FROM INFILE '{file.name}' FORMAT {kind}", database, settings)

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            read = b""
            while length := int(self.rfile.readline(), 16):
                read += self.rfile.read(length)
                self.rfile.readline()
            self.rfile.readline()
        else:
            length = int(self.headers.get("Content-Length", 0))
            read = self.rfile.read(length)
            if len(read) < length:
                raise ConnectionError("the client is gone")
        packing = self.headers.get("Content-Encoding", "identity")
        return {"identity": bytes, "gzip": gzip.decompress, "zstd": zstd.decompress}[packing](read)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        headers = {
            "X-ClickHouse-Server-Display-Name": "loopback",
            "X-ClickHouse-Timezone": "Etc/UTC",
            **(headers or {}),
        }
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None: ...


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, chdb: Chdb) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.chdb, self._lock, self._sessions = chdb, threading.Lock(), set[str]()

    def enter(self, session: str) -> bool:
        with self._lock:
            is_free = not session or session not in self._sessions
            self._sessions.add(session)
            return is_free

    def leave(self, session: str) -> None:
        with self._lock:
            self._sessions.discard(session)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no news."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def main(folder: str, port: str = "0") -> None:
    server = Server(int(port), Chdb(Path(folder)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    server.shutdown()
    assert server.chdb.process.stdin is not None
    server.chdb.process.stdin.close()
    server.chdb.process.wait(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
