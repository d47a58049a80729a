"""A plain client for the lab: `look.py CA_FILE URL ADDRESS` says in one word what came of it.

`page SIZE TITLE`, `certificate CODE`, `reset`, `refused`, `unreachable`, `prohibited`, `timeout`,
`stall SIZE` or `end`. `look.py HEX ADDRESS` says these bytes to port 443 instead: `answer`, `alert` or one of these.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
import sys
from urllib.parse import urlsplit

TIMEOUT_S = 1.5
WORDS = {
    errno.ECONNRESET: "reset",
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "unreachable",
    errno.EACCES: "prohibited",  # Linux's word for ICMPv6 "administratively prohibited"; in IPv4 it is unreachable
}


def look(ca_file: str, url: str, address: str) -> str:
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    received = b""
    try:
        sock = socket.create_connection((address, parts.port or (443 if tls else 80)), TIMEOUT_S)
        if tls:
            sock = ssl.create_default_context(cafile=ca_file).wrap_socket(sock, server_hostname=parts.hostname)
        with sock:
            sock.sendall(f"GET / HTTP/1.1\r\nHost: {parts.hostname}\r\n\r\n".encode())
            while more := sock.recv(65536):
                received += more
    except ssl.SSLCertVerificationError as error:
        return f"certificate {error.verify_code}"
    except TimeoutError:
        return f"stall {len(received)}" if received else "timeout"
    except OSError as error:
        return WORDS.get(error.errno or 0, repr(error))
    title = re.search(rb"<title>(.*?)</title>", received)
    return f"page {len(received)} {title[1].decode() if title else ''}".strip() if received else "end"


def say(spoken: bytes, address: str) -> str:
    """What comes back, in a word."""
    try:
        with socket.create_connection((address, 443), TIMEOUT_S) as sock:
            sock.sendall(spoken)
            first = sock.recv(1)
    except TimeoutError:
        return "timeout"
    except OSError as error:
        return WORDS.get(error.errno or 0, repr(error))
    return {b"\x16": "answer", b"\x15": "alert", b"": "end"}.get(first, repr(first))


if __name__ == "__main__":
    print(say(bytes.fromhex(sys.argv[1]), sys.argv[2]) if len(sys.argv) == 3 else look(*sys.argv[1:4]))
