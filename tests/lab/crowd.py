"""Five hundred sites behind one line: a hundred addresses of nginx, one resolver that knows them, and silent ones.

`python -m tests.lab.crowd FOLDER` serves them in the internet's namespace and says `ready`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schedules.demo.authority import Authority
from schedules.demo.listener import Listeners
from schedules.demo.resolver import DemoResolver, addresses
from tests.lab import kernel, real
from tests.lab.servers import listening
from tests.lab.standing import Lab

SERVED = [f"198.51.100.{number}" for number in range(100, 200)]
SILENT = [f"198.51.100.{number}" for number in range(200, 250)]
PAGE_BYTES = 8_000
CANARY = "canary.x.test"

SERVER = """  ssl_certificate {pem}; ssl_certificate_key {pem}; ssl_session_cache off;
  server {{ {listens} root {folder}/www; }}
"""


def name(number: int) -> str:
    return f"n{number}.x.test"


def silent_name(number: int) -> str:
    """The name of one whose address answers no SYN."""
    return f"s{number}.x.test"


def config_toml(ca_file: Path, *, timeout_s: float, concurrency: int) -> str:
    return f"""[vantage]
name = "lab"
[network]
resolvers = ["udp://{kernel.RESOLVER}"]
trusted_resolvers = []
canaries = ["https://{CANARY}/"]
no_resolver = ""
innocent_name = "{name(0)}"
ca_file = "{ca_file}"
allow_private = true
timeout_s = {timeout_s}
concurrency = {concurrency}
"""


@contextmanager
def crowd(folder: Path) -> Iterator[Lab]:
    """The lab with these sites alone. Raises kernel.LabError, which says why there can be none."""
    with kernel.take():
        server = None
        try:
            kernel.up([*SERVED, *SILENT, kernel.RESOLVER], ["2001:db8:2::2"])
            silent = ("-m", "iprange", "--dst-range", f"{SILENT[0]}-{SILENT[-1]}")
            kernel.inside(kernel.INTERNET, "iptables", "-A", "INPUT", *silent, "-j", "DROP")
            server = kernel.start(kernel.INTERNET, sys.executable, "-m", "tests.lab.crowd", str(folder))
            yield Lab(folder)
        finally:
            kernel.down()
            kernel.LOCK.unlink(missing_ok=True)
            if server is not None:
                server.wait()
                if server.stdout is not None:
                    server.stdout.close()


async def main(folder: Path) -> None:
    authority = Authority(folder)
    (folder / "www").mkdir(exist_ok=True)
    (folder / "www" / "index.html").write_text(f"<html><title>A page</title>{'x' * PAGE_BYTES}</html>")
    listens = " ".join(f"listen {address}:443 ssl backlog=1024;" for address in SERVED)
    server = SERVER.format(folder=folder, listens=listens, pem=authority.pem("*.x.test", "x.test"))
    (folder / "nginx.conf").write_text(real.NGINX.format(folder=folder, connections=4096, servers=server))
    zone = {name(n): addresses(SERVED[n % len(SERVED)]) for n in range(2500)} | {CANARY: addresses(SERVED[0])}
    zone |= {silent_name(n): addresses(SILENT[n % len(SILENT)]) for n in range(2500)}
    async with Listeners() as here:
        DemoResolver(zone).listen(here, kernel.RESOLVER, 53)
        real.start("nginx", "-c", str(folder / "nginx.conf"))
        await listening((address, 443) for address in SERVED)
        print("ready", flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
