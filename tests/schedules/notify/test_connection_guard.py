"""Messages go where the configuration says: no proxy variable, ~/.netrc, redirect or name leads them elsewhere."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from probe.failure import PrivateAddress
from probe.net.address_policy import Gate
from schedules.notify.apprise_client import Message, NotifyUrl, send
from schedules.notify.connection_guard import guarded

REFUSED = "it points to a private address; [network] private_hosts can allow that"
HELLO = Message("reachprobe at home", "- www.wechat.com is blocked")
Asked = list[tuple[str, dict[str, str]]]


@contextmanager
def server(at: str, leads_to: str | None = None) -> Iterator[tuple[int, Asked]]:
    asked: Asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(200 if leads_to is None else 307)
            if leads_to is not None:
                self.send_header("Location", leads_to)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    made = ThreadingHTTPServer((at, 0), Handler)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made.server_port, asked
    finally:
        made.shutdown()
        made.server_close()
        thread.join()


def to(url: str, gate: Gate | None = None) -> NotifyUrl:
    return NotifyUrl(name="me", url=url, gate=gate or Gate())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_webhook_that_the_configuration_names_as_private_is_told(host: str) -> None:
    with server("127.0.0.1") as (port, asked):
        assert send(to(f"json://{host}:{port}/x"), HELLO) is None
    assert len(asked) == 1


@pytest.mark.parametrize("host", ["127.0.0.2", "0x7f.0.0.2", "2130706434", "127.2"])
def test_a_redirect_to_another_private_host_is_not_followed(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda h, *a, **k: real("127.0.0.2" if h == host else h, *a, **k))
    with server("127.0.0.2") as (inside, asked), server("127.0.0.1", f"http://{host}:{inside}/admin") as (port, first):
        assert send(to(f"json://127.0.0.1:{port}/x"), HELLO) == REFUSED
        assert (len(first), asked) == (1, [])
        assert send(to(f"json://127.0.0.1:{port}/x", Gate(allow_private=True)), HELLO) is None
        assert len(asked) == 1


def test_a_public_name_that_leads_to_a_private_address_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: real("127.0.0.1", *a, **k))
    with server("127.0.0.1") as (port, asked):
        url = f"json://hooks.example.org:{port}/x"
        assert send(to(url), HELLO) == REFUSED
        assert asked == []
        assert send(to(url, Gate(hosts=frozenset({"hooks.example.org"}))), HELLO) is None


def test_proxy_variables_and_netrc_are_not_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2secret\n")
    netrc.chmod(0o600)
    with server("127.0.0.1") as (port, asked), server("127.0.0.1") as (proxy, through):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("HOME", str(tmp_path))
        assert send(to(f"json://127.0.0.1:{port}/x"), HELLO) is None
    assert through == []
    assert ["authorization" in headers for _, headers in asked] == [False]


def test_every_kind_of_connection_is_held_also_in_threads_that_are_started_meanwhile() -> None:
    refused: list[str] = []

    def connect() -> None:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            attempts = {
                "connect": lambda: tcp.connect(("127.0.0.1", 9)),
                "connect_ex": lambda: tcp.connect_ex(("127.0.0.1", 9)),
                "name": lambda: tcp.connect(("localhost", 9)),
                "sendto": lambda: udp.sendto(b"x", ("127.0.0.1", 9)),
                "sendmsg": lambda: udp.sendmsg([b"x"], [], 0, ("127.0.0.1", 9)),
            }
            for name, attempt in attempts.items():
                try:
                    attempt()
                except PrivateAddress:
                    refused.append(name)
                except OSError:
                    continue

    expected = ["connect", "connect_ex", "name", "sendto", "sendmsg"]
    with guarded(Gate(), ["www.example.org"]) as guard:
        connect()
        assert (refused, guard.refused) == (expected, True)
        thread = threading.Thread(target=connect)
        thread.start()
        thread.join()
        assert refused == 2 * expected
    connect()
    assert refused == 2 * expected


def test_other_threads_are_left_alone() -> None:
    outcome: list[int] = []
    began, go = threading.Event(), threading.Event()

    def connect() -> None:
        began.set()
        go.wait(10)
        with socket.socket() as tcp:
            outcome.append(tcp.connect_ex(("127.0.0.1", 9)))

    thread = threading.Thread(target=connect)
    thread.start()
    began.wait(10)
    with guarded(Gate(), []):
        go.set()
        thread.join()
    assert outcome == [111]
