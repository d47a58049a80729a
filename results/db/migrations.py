"""The database's schema, step by step; docs/schema.md shows where the steps lead."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from results.db.columns import all_columns
from results.registers import create_tables
from results.sql import statements

UNUSED = ("numpy", "pandas")
"""sqlite-utils imports these where they are installed, which takes 0.5 s and 100 MB."""


@contextmanager
def _hidden(names: tuple[str, ...]) -> Iterator[None]:
    """Make these modules appear not installed, except those already loaded."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type] # None: Python's own sign for it
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


with _hidden(UNUSED):
    from sqlite_utils import Database as Database
    from sqlite_utils import Migrations

SQL = statements(__file__)
SET = "reachprobe"

migrations = Migrations(SET)


def missing_columns(db: Database) -> dict[str, str]:
    """The columns that `observations` lacks for fields of a step's record: name and SQL type."""
    there = {row[1] for row in db.execute("PRAGMA table_info(observations)")}
    return {name: sql for name, sql in all_columns().items() if name not in there}


def add_columns(db: Database) -> None:
    """Add the missing columns to `observations`."""
    for name, sql in missing_columns(db).items():
        db.execute(f"ALTER TABLE observations ADD COLUMN {name} {sql}")


def _spans_by_register(db: Database) -> None:
    """For databases whose spans of an entry do not name its register yet."""
    if "register_id" not in {row[1] for row in db.execute("PRAGMA table_info(register_spans)")}:
        _apply((SQL["EARLIER_SPANS"], create_tables, SQL["SPANS_BY_REGISTER"]), db)


Step = str | Callable[[Database], None]
STEPS: dict[str, tuple[Step, ...]] = {
    "m001_measurements": (SQL["MEASUREMENTS"], add_columns, SQL["VIEWS"]),
    "m002_registers": (create_tables,),
    "m003_repeats": (SQL["REPEATS"],),
    "m004_register_samples": (create_tables,),
    "m005_notices": (SQL["NOTICES"],),
    "m006_care": (SQL["NETWORKS"],),
    "m007_spans_by_register": (_spans_by_register,),
    "m008_hub": (SQL["HUB"],),
    "m009_looked_up": (SQL["TIMES_OF_VERDICTS"],),
    "m010_corrections": (SQL["CORRECTIONS"],),
    "m011_internal_errors": (SQL["INTERNAL_ERRORS"],),
    "m012_consent_language": (SQL["CONSENT_LANGUAGE"],),
}
"""The migrations by the names that databases store, in order: scripts and functions."""


def _apply(steps: tuple[Step, ...], db: Database) -> None:
    """Statement by statement, as executescript would end the migration's transaction."""
    for step in steps:
        if isinstance(step, str):
            for statement in step.split(";\n"):
                db.execute(statement)
        else:
            step(db)


def _register(name: str, steps: tuple[Step, ...]) -> None:
    @migrations(name=name)
    def migrate(db: Database) -> None:
        _apply(steps, db)


for _name, _steps in STEPS.items():
    _register(_name, _steps)
