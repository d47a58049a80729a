"""Registers: the official lists of what a government says should be blocked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from results.sql import statements

if TYPE_CHECKING:
    from sqlite_utils import Database


def sample_path() -> Path:
    """The built-in sample register (a dump.xml with made-up decisions), for the demo and for trying things out."""
    return Path(__file__).parent / "sample.xml"


def create_tables(db: Database) -> None:
    """Create the tables of registers that do not exist yet."""
    for statement in statements(str(Path(__file__).with_name("schema.py")))["TABLES"].split(";\n"):
        db.execute(statement)
