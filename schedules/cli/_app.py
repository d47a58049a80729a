"""What every sub-command is handed: the global options, and the configuration and database they lead to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from schedules.runtime import paths

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.config.schema import Config
    from schedules.location.location import Locator


class App(msgspec.Struct, frozen=True, kw_only=True):
    """The options that stand before the sub-command, and the environment."""

    environ: Mapping[str, str]
    db: Path | None = None
    config_file: Path | None = None
    vantage: str | None = None
    quiet: bool = False
    verbose: bool = False

    def config(self) -> Config:
        """The configuration in force. ConfigError names the key and the line."""
        from schedules.config.load import load

        flags = {"vantage.name": self.vantage} if self.vantage is not None else {}
        return load(paths.config_file(self.environ, self.config_file), self.environ, flags)

    @property
    def database(self) -> Path:
        return paths.database(self.environ, self.db)

    def store(self, *, must_exist: bool = False) -> Store:
        """The database, made where there is none unless it must exist. StoreError says what is wrong with it."""
        from results.db.store import Store

        return Store.open(self.database, must_exist=must_exist)

    def here(self, *, leaves_a_trace: bool = True) -> Locator:
        """What looks where on the network this machine is. Without a trace its networks have other keys each time."""
        from functools import partial

        from schedules.hub_client.whoami import network_seen
        from schedules.location.location import Locator, secret_of

        if not leaves_a_trace:
            return Locator(b"")
        return Locator(secret_of(self.database), seen_by_hub=partial(network_seen, self.database))

    @property
    def command_line(self) -> str:
        """How this program is called for this database, for a hint that can be pasted."""
        if self.db is None:
            return "reachprobe"
        import shlex

        return f"reachprobe --db {shlex.quote(str(self.db))}"
