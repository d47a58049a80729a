"""What tests of faults share: how long they run, what a database holds, a small disk."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

LONG = bool(os.environ.get("REACHPROBE_LONG"))
"""With REACHPROBE_LONG=1 the same faults are met more often and at full size; that takes some twenty minutes."""


def kept(database: Path) -> set[str]:
    """The ids of what is stored, in a database that opens and is whole."""
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        return {identifier for (identifier,) in connection.execute("SELECT id FROM measurements")}


@contextmanager
def small_disk(folder: Path, size: str = "4m") -> Iterator[Path]:
    """A disk of its own under `folder`; skips where none may be mounted."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    disk = folder / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], capture_output=True
    ).returncode:
        pytest.skip("root may not mount here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Take all the room that is left; gives what to delete to have it back."""
    filling = disk / "filling"
    try:
        with filling.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    except OSError:
        return filling
