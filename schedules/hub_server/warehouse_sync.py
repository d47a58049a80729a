"""Loads a hub's database into a warehouse, in a process of its own, after records are acknowledged.

The warehouse itself knows where loading stopped, so a loader may end at any moment, and several hubs may share one
warehouse. `python -m schedules.hub_server.warehouse_sync DATABASE` loads once; the URL, which may hold a password, is
passed in the environment.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import closing, suppress
from gettext import gettext as _
from pathlib import Path

LOAD_EVERY_S = 60.0
URL_VARIABLE = "REACHPROBE_HUB_STORE"


async def sync_warehouse(database: Path, url: str, every_s: float = LOAD_EVERY_S) -> None:
    """Load what is new at intervals until cancelled."""
    command = (sys.executable, "-m", "schedules.hub_server.warehouse_sync", str(database))
    environ = os.environ | {URL_VARIABLE: url}
    while True:
        process = await asyncio.create_subprocess_exec(
            *command, env=environ, stdin=asyncio.subprocess.DEVNULL, cwd=Path(__file__).parents[2]
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
    from results.warehouse.engine import open_engine
    from results.warehouse.errors import WarehouseError
    from results.warehouse.load import load_source

    try:
        with closing(open_engine(os.environ[URL_VARIABLE])) as engine:
            for _step in load_source(engine, from_database.database_source(Path(database)), lambda: datetime.now(UTC)):
                pass
    except WarehouseError as error:
        says = _("{error}; retrying in {seconds} s").format(error=error, seconds=f"{LOAD_EVERY_S:.0f}")
        print(f"reachprobe: {says}", file=sys.stderr, flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
