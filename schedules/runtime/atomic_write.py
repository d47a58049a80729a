"""A file that is there only once it is whole."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Write beside `path`, then take its place; a pipe or a device is written to, never replaced. Raises OSError."""
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("xb") as out:
            out.write(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
