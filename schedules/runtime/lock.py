"""One round at a time: a lock next to the database, released by the system when its holder ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from gettext import gettext as _
from pathlib import Path

from probe.text import system_reason
from results.db.store import StoreError


class Locked(Exception):
    """Another round is under way; the message says whose."""

    exit_code = 75


@contextmanager
def held(database: Path, what: str = "round") -> Iterator[None]:
    """Hold this database's lock for a `what`, or raise Locked at once."""
    database = Path(os.path.realpath(database))  # one lock for all the names of one database
    path = database.with_name(f"{database.name}.lock" if what == "round" else f"{database.name}.{what}.lock")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        says = _("{path}: {reason}; choose another location with --db")
        raise StoreError(says.format(path=path, reason=system_reason(error))) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip() or "?"
            says = _("{path}: another agent is running (process {number}); wait until it finishes")
            if what == "round":
                says = _("{path}: another round is running (process {number}); wait until it finishes")
            raise Locked(says.format(path=path, number=holder)) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
