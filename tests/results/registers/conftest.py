from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils

from results.registers import create_tables
from results.registers.importing import ImportOptions, import_register
from results.registers.records import ImportReport


@pytest.fixture
def db() -> Iterator[sqlite_utils.Database]:
    database = sqlite_utils.Database(memory=True)
    create_tables(database)
    yield database
    database.close()


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., Path]:
    """A zapret CSV of these rows, in CP1251, with its first line unless `updated` is None."""

    def write(*rows: str, updated: str | None = "2017-05-08 09:00:00", name: str = "dump.csv", end: str = "\n") -> Path:
        head = [f"Updated: {updated} +0000"] if updated else []
        path = tmp_path / name
        path.write_bytes(("\n".join([*head, *rows]) + end).encode("cp1251"))
        return path

    return write


@pytest.fixture
def xml_file(tmp_path: Path) -> Callable[..., Path]:
    """A dump.xml of these contents, in windows-1251."""

    def write(*contents: str, updated: str = "2017-05-08T12:00:00+03:00", name: str = "dump.xml") -> Path:
        head = (
            '<?xml version="1.0" encoding="windows-1251"?><reg:register xmlns:reg="http://rsoc.ru" '
            f'updateTime="{updated}" formatVersion="2.4">'
        )
        path = tmp_path / name
        path.write_bytes((head + "".join(contents) + "</reg:register>").encode("cp1251"))
        return path

    return write


@pytest.fixture
def imported(db: sqlite_utils.Database) -> Callable[..., ImportReport]:
    def run(*paths: Path, **how: Any) -> ImportReport:
        return import_register(db, list(paths), ImportOptions(**{"name": "rkn", "country": "RU", **how}))

    return run
