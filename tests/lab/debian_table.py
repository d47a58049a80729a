"""The table of real servers from Debian's packages: a file each in tests/lab/debian.

`command`, `config` and `files` may hold @address@ and @ipv6@ (its own), @at:SERVER@ (another's address), @folder@,
@config@, @log@, @www@ (a folder with a page), @pem@ (certificate and key for its names), @ca@, and @records@ (the
lab's zone).
"""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from tests.situation import Expected

FOLDER = Path(__file__).parent / "debian"
FIRST = 200


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is measured at a server, the verdict it must get, and why. `xfail` says what is still wrong."""

    target: str
    outcome: str
    why: str
    method: str | None = None
    trigger: str | None = None
    confidence: str | None = None
    also: tuple[str, ...] = ()
    changed: str | None = None
    xfail: str | None = None

    @property
    def expected(self) -> Expected:
        return Expected(self.outcome, self.method, self.trigger, self.confidence, also=self.also, changed=self.changed)


class DebianServer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server: how it is started, where it listens, its names in DNS, and what it is for."""

    name: str
    address: str
    package: str
    command: tuple[str, ...]
    listens: tuple[str, ...]
    config: str = ""
    files: dict[str, str] = {}
    place: Literal["internet", "gateway"] = "internet"
    names: tuple[str, ...] = ()
    ipv6_only: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """Servers that it asks."""
    expect: tuple[Target, ...] = ()
    control: str | None = None
    """The proxy that it is, as a control path."""
    resolvers: tuple[str, ...] = ()
    """The resolver that it is."""
    trusted_resolvers: tuple[str, ...] = ()
    xfail: dict[str, str] = {}
    """What is still wrong with it as "control", "path" or "resolver": "control https://dead.x.test/" -> why."""

    @property
    def missing(self) -> str | None:
        """The package to install, or None."""
        if shutil.which(self.command[0]) is None:
            return self.package
        return next((server.package for server in table() if server.name in self.needs and server.missing), None)


@cache
def table() -> tuple[DebianServer, ...]:
    """Every server, by name; each has an address of its own."""
    return tuple(
        msgspec.toml.decode(
            f'name = "{path.stem}"\naddress = "198.51.100.{number}"\n{path.read_text("utf-8")}', type=DebianServer
        )
        for number, path in enumerate(sorted(FOLDER.glob("*.toml")), FIRST)
    )
