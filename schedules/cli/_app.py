"""The global options of the command line, and the configuration and database they select."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from gettext import gettext as _
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from results.i18n.language import chosen
from schedules.runtime import paths

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.config.schema import Config
    from schedules.location.location import Locator


class App(msgspec.Struct, frozen=True, kw_only=True):
    """The options before the sub-command, and the environment."""

    environ: Mapping[str, str]
    db: Path | None = None
    config_file: Path | None = None
    vantage: str | None = None
    quiet: bool = False
    verbose: bool = False

    def config(self) -> Config:
        """The configuration in force. Raises ConfigError, which names the key and the line."""
        from schedules.config.load import load

        flags = {"vantage.name": self.vantage} if self.vantage is not None else {}
        return load(paths.config_file(self.environ, self.config_file), self.environ, flags)

    @property
    def database(self) -> Path:
        return paths.database(self.environ, self.db)

    @property
    def home(self) -> Path:
        return Path(self.environ.get("HOME") or Path.home())

    def store(self, *, must_exist: bool = False) -> Store:
        """The open database, to be closed by `with`; created if missing unless it must exist. Raises StoreError."""
        from results.db.store import Store

        return Store.open(self.database, must_exist=must_exist)

    def locator(self, *, writes_files: bool = True) -> Locator:
        """Finds where on the network this machine is. Without a trace it writes no file, and network keys vary."""
        from functools import partial

        from schedules.hub_client.client import network_seen
        from schedules.location.location import Locator, secret_of

        if not writes_files:
            return Locator(b"")
        return Locator(secret_of(self.database), seen_by_hub=partial(network_seen, self.database))

    @property
    def command_line(self) -> str:
        """The command that runs this program on this database, for hints."""
        if self.db is None:
            return "reachprobe"
        import shlex

        return f"reachprobe --db {shlex.quote(str(self.db))}"


def preferred_language(given: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """The language of the messages: `--language` of the `given` options, else [ui] language, else the locale's."""
    wanted = given.get("language") or environ.get("REACHPROBE_UI_LANGUAGE")
    return chosen(environ, wanted or _configured(paths.config_file(environ, given.get("config_file"))))


def _configured(path: Path | None) -> str | None:
    """[ui] language; a configuration that cannot be read is reported where it is used."""
    if path is None:
        return None
    from schedules.config.toml import ConfigError, decode, read

    try:
        language = decode(read(path), path, dict[str, Any])["ui"]["language"]
    except (ConfigError, LookupError, TypeError):
        return None
    return language if isinstance(language, str) else None


@contextmanager
def reported(*kinds: type[Exception]) -> Iterator[None]:
    """End the command with the text of an error of these kinds."""
    try:
        yield
    except kinds as error:
        raise click.ClickException(str(error)) from error


def confirmed(question: str) -> bool:
    """Ask on a terminal; False without one, and for anything but yes, in English or the reader's language."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    click.echo(question, err=True, nl=False)
    return sys.stdin.readline().strip().lower() in ("yes", "y", _("yes"))
