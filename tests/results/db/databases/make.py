"""Makes the database that is kept of the schema as it is now: what the program itself stores on a censored network.

    python -m tests.results.db.databases.make

Of each version of the schema one is kept, `v6.db.gz`; the number is that of the last migration in it. A new migration
needs the file of the version before it: run this first, on the commit before the migration, and commit what it writes.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from schedules import cli
from schedules.demo import censor, resolver, sites
from tests.lab.network import LabNetwork

REGISTER = "reset.x.test\nlisted-and-open.x.test\n*.masked.x.test\n127.0.0.7\n"


async def fill(folder: Path) -> Path:
    """A database of two rounds on a censored network, with a register and consent."""
    os.environ |= {"REACHPROBE_CONSENT": "yes", "STATE_DIRECTORY": str(folder), "HOME": str(folder)}
    database, config = folder / "x.db", folder / "c.toml"
    (folder / "register.txt").write_text(REGISTER)
    async with LabNetwork(timeout_s=2.0) as net:
        good = net.add_site("good.x.test", sites.answers(sites.response(200, sites.html("welcome"))))
        plain = net.add_site("plain.x.test", tls=False)
        reset = net.add_site("reset.x.test", censored=censor.resets)
        forged = net.add_site("forged.x.test", lie=resolver.nxdomain)
        denied = net.add_site("denied.x.test", sites.answers(sites.response(403, sites.html("go away"))))
        config.write_text(net.config_toml())

        async def call(*words: str) -> None:
            code = await asyncio.to_thread(cli.call, ["--config", str(config), "--db", str(database), *words])
            assert code == 0, f"{words} ended with {code}"

        await call("register", "import", str(folder / "register.txt"), "--as", "rkn", "--country", "RU")
        for _ in range(2):
            await call("check", *(site.url for site in (good, plain, reset, forged, denied)), "--json")
    return database


def pack(database: Path, folder: Path) -> Path:
    """The database, as small as it can be, named by its schema's version."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("INSERT INTO consents (given_at, text_version) VALUES ('2026-11-24T18:00:00Z', 1)")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("VACUUM")
        (number,) = connection.execute("SELECT count(*) FROM _sqlite_migrations").fetchone()
    packed = folder / f"v{number}.db.gz"
    packed.write_bytes(gzip.compress(database.read_bytes(), mtime=0))
    return packed


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        packed = pack(asyncio.run(fill(Path(folder))), Path(__file__).parent)
    print(packed.name, packed.stat().st_size, "bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
