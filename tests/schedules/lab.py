"""A small censored network with a configuration and a database for it, for tests of whole command lines."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from schedules import cli
from schedules.demo import censor
from schedules.demo.network import Site
from tests.lab.network import LabNetwork

ROOT = Path(__file__).parents[2]


class Lab:
    """`good` is an honest site, `reset` one whose handshakes are reset by name."""

    def __init__(self, net: LabNetwork, folder: Path) -> None:
        self.net = net
        self.folder = folder
        self.db = folder / "x.db"
        self.good: Site = net.add_site("good.x.test")
        self.reset: Site = net.add_site("reset.x.test", censored=censor.resets)

    def configure(self, more: str = "") -> None:
        (self.folder / "c.toml").write_text(self.net.config_toml() + more)

    async def call(self, *arguments: str) -> int:
        """One command line in this process, beside the network's own loop."""
        whole = ["--config", str(self.folder / "c.toml"), "--db", str(self.db), *arguments]
        return await asyncio.to_thread(cli.call, whole)

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from schedules.cli import main; main()",
            *("--config", str(self.folder / "c.toml"), "--db", str(self.db), *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "REACHPROBE_CONSENT": "yes"},
        )


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
