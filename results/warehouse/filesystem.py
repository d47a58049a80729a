"""Folders and files by URL, on this machine or in an object store: what fsspec opens, and its errors in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import fsspec
from fsspec.core import url_to_fs

from results.warehouse.engine import WarehouseError, hidden


class Place:
    """One file or folder of a file system."""

    def __init__(self, system: Any, path: str) -> None:
        self.system = system
        self.path = path

    def __str__(self) -> str:
        return str(self.system.unstrip_protocol(self.path))

    @property
    def name(self) -> str:
        return self.path.rstrip("/").rpartition("/")[2]

    def open(self, mode: str = "rb") -> BinaryIO:
        return cast(BinaryIO, self.system.open(self.path, mode))

    def is_folder(self) -> bool:
        return bool(self.system.isdir(self.path))

    def exists(self) -> bool:
        return bool(self.system.exists(self.path))

    def files(self) -> Iterator[Place]:
        """The files below, folder by folder, in a fixed order; hidden ones are not looked at."""
        for folder, folders, names in self.system.walk(self.path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if not name.startswith("."):
                    yield Place(self.system, f"{folder.rstrip('/')}/{name}")


def place(url: str) -> Place:
    """A path of this machine, or a URL as s3://BUCKET/PREFIX. WarehouseError where there is nothing to open it with."""
    try:
        return Place(*url_to_fs(url))
    except ImportError as error:
        raise WarehouseError(f"{hidden(url)!r}: {error}") from error
    except ValueError as error:
        known = "a path, or file://, s3://, gs://, memory://"
        raise WarehouseError(f"{hidden(url)!r}: {str(error)[:200]}; give {known}") from error


@contextmanager
def reached(where: Place | str) -> Iterator[None]:
    """What goes wrong on the way to a place, in words. Object stores raise what they like."""
    try:
        yield
    except WarehouseError:
        raise
    except (OSError, ValueError, fsspec.exceptions.FSTimeoutError) as error:
        raise WarehouseError(f"{hidden(str(where))}: {str(error)[:300] or type(error).__name__}") from error
