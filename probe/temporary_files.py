"""Names of temporary files and folders. Whatever makes one takes its name from here, so that `wipe` finds what a killed
program left.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MERGING = ".merging-"
"""A folder beside the database, with the copy of another one."""
BESIDE = re.compile(rf"{re.escape(MERGING)}[a-z0-9_]{{8}}|\.(?:.+)\.\d{{1,10}}(?:\.jsonl)?")
IN_SYSTEM = re.compile(r"reachprobe-(\d{1,10})-[a-z0-9_]{8}")


def unfinished(path: Path, ending: str = "") -> Path:
    """The file beside `path` that takes its place when it is complete; one for each process."""
    return path.with_name(f".{path.name}.{os.getpid()}{ending}")


def system_prefix() -> str:
    """How a folder of this process in the system's folder for temporary files begins."""
    return f"reachprobe-{os.getpid()}-"


def leftover_files(path: Path) -> Iterator[Path]:
    """What a killed program left beside a file of that name."""
    for file in sorted(path.parent.iterdir()) if path.parent.is_dir() else ():
        if BESIDE.fullmatch(file.name) and file.name.startswith((MERGING, f".{path.name}.")):
            yield file


def leftover_folders() -> Iterator[Path]:
    """The folders of this user's processes that have ended."""
    for folder in sorted(Path(tempfile.gettempdir()).glob("reachprobe-*")):
        named = IN_SYSTEM.fullmatch(folder.name)
        with suppress(OSError):
            if named and not folder.is_symlink() and folder.stat().st_uid == os.getuid() and not _runs(int(named[1])):
                yield folder


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
