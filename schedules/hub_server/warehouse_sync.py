"""A hub's results into a warehouse as well: after they are in its database and acknowledged, by a process of its own.

What the hub answers to its members says that a record is on this machine's disk, and waits for nothing else. The
loader begins where the warehouse itself says that it stopped, so that it may end at any moment, and several hubs may
load into one warehouse. `python -m schedules.hub_server.warehouse_sync DATABASE` loads once; the URL comes in the
environment, for it may hold a password.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import closing, suppress
from pathlib import Path

EVERY_S = 60.0
WHERE = "REACHPROBE_HUB_STORE"


async def storing(database: Path, url: str, every_s: float = EVERY_S) -> None:
    """Load what is new, now and then, until cancelled. What goes wrong is said, and tried again the next time."""
    command = (sys.executable, "-m", "schedules.hub_server.warehouse_sync", str(database))
    while True:
        process = await asyncio.create_subprocess_exec(
            *command, env=os.environ | {WHERE: url}, stdin=asyncio.subprocess.DEVNULL, cwd=Path(__file__).parents[2]
        )
        try:
            await process.wait()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        await asyncio.sleep(every_s)


def main(database: str) -> int:
    """Load once; 2 where the warehouse or the database cannot be used."""
    from datetime import UTC, datetime

    from results.warehouse import from_database
    from results.warehouse.engine import WarehouseError, open_engine
    from results.warehouse.load import load

    try:
        with closing(open_engine(os.environ[WHERE])) as engine:
            for _ in load(engine, from_database.source(Path(database)), lambda: datetime.now(UTC)):
                pass
    except WarehouseError as error:
        print(f"reachprobe: {error}; tried again in {EVERY_S:.0f} s", file=sys.stderr, flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
