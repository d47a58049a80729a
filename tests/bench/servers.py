"""What the benches measure against: nginx over TLS on many loopback addresses, and a resolver that knows them."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.flags
import dns.message
import dns.rrset
import trustme

from schedules.demo import censor
from schedules.demo.listener import Listeners, leave_unanswered

ADDRESSES = [f"127.78.0.{n}" for n in range(1, 65)]
RESOLVER = "127.78.1.53"
SILENT = [f"127.78.2.{n}" for n in range(1, 65)]
"""Addresses that answer no SYN."""
PORT, SLOW_PORT, BLOCK_PORT = 8443, 8444, 8080
PAGE_BYTES = 20_000
SLOW_BYTES_PER_S = 10_000

NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_timeout 5;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  ssl_certificate {folder}/chain.pem; ssl_certificate_key {folder}/key.pem; ssl_session_cache off;
  server {{ {listens} root {folder}/www; default_type text/html; }}
  server {{ {slow} root {folder}/www; default_type text/html; limit_rate {rate}; }}
  server {{ {block} root {folder}/www; default_type text/html; error_page 403 /blocked.html;
            location = / {{ return 403; }} }}
}}
"""


def name(n: int) -> str:
    """The n-th target's host name."""
    return f"n{n}.x.test"


def silent_name(n: int) -> str:
    """The name of one whose address answers nothing."""
    return f"s{n}.x.test"


def address(n: int) -> str:
    """Where the n-th target is served."""
    return ADDRESSES[n % len(ADDRESSES)]


@contextmanager
def serving(folder: Path) -> Iterator[Path]:
    """Serve a 20 KB page for every name; gives the CA's PEM file. RuntimeError where nginx is not installed."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        raise RuntimeError("nginx is not installed: apt-get install nginx-light")
    authority = trustme.CA()
    leaf = authority.issue_cert("*.x.test")
    (folder / "chain.pem").write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    (folder / "key.pem").write_bytes(leaf.private_key_pem.bytes())
    authority.cert_pem.write_to_path(folder / "ca.pem")
    (folder / "www").mkdir()
    page = f"<html><title>A page</title><body>{'x' * PAGE_BYTES}</body></html>"
    (folder / "www" / "index.html").write_text(page)
    (folder / "www" / "blocked.html").write_text(f"<html><title>{censor.BLOCK_TITLE}</title>{censor.BLOCK_TEXT}</html>")
    folder.chmod(0o755)
    listens, slow, block = (
        " ".join(f"listen {a}:{port}{tls} backlog=4096;" for a in ADDRESSES)
        for port, tls in ((PORT, " ssl"), (SLOW_PORT, " ssl"), (BLOCK_PORT, ""))
    )
    written = NGINX.format(folder=folder, listens=listens, slow=slow, block=block, rate=SLOW_BYTES_PER_S)
    (folder / "nginx.conf").write_text(written)
    process = subprocess.Popen([nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder)])
    try:
        _wait_for(ADDRESSES[-1], PORT)
        with _resolving():
            yield folder / "ca.pem"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _resolving() -> Iterator[None]:
    """Answer A for n<N>.x.test and an empty answer for AAAA, from memory."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind((RESOLVER, 5353))
        sock.settimeout(0.2)
        over = threading.Event()
        thread = threading.Thread(target=_answer, args=(sock, over))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _answer(sock: socket.socket, over: threading.Event) -> None:
    while not over.is_set():
        try:
            wire, client = sock.recvfrom(4096)
        except TimeoutError:
            continue
        query = dns.message.from_wire(wire)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        question = query.question[0]
        host = question.name.to_text().split(".")[0]
        if question.rdtype == 1 and host[1:].isdigit():
            n = int(host[1:])
            there = SILENT[n % len(SILENT)] if host[0] == "s" else address(n)
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", there))
        sock.sendto(answer.to_wire(), client)


@contextmanager
def silent() -> Iterator[None]:
    """Whoever connects to one of the silent addresses waits: see `leave_unanswered`."""
    here = Listeners()
    try:
        for one in SILENT:
            leave_unanswered(here, one, PORT)
        yield
    finally:
        asyncio.run(here.close())


def _wait_for(host: str, port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection((host, port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("nginx did not start")
