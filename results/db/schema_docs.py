"""What each table, view and column of the database holds: `python -m results.db.schema_docs > docs/schema.md`.

The columns come from the schema itself, the words from columns.toml; a column without words is an error.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files

import msgspec

from probe.steps import schemes, specs

HEAD = """# The database

One SQLite file (WAL mode, STRICT tables, foreign keys), by default `reachprobe.db` in the state folder. Any SQLite
program can read it, while a round is under way too: `sqlite3 reachprobe.db "SELECT * FROM latest"`, or `reachprobe
results browse` for a browser. Times are UTC, RFC 3339. `NULL` means that it did not happen. Lists and records are JSON
text.

Measurements and observations are never changed. Verdicts are computed from them and can be computed again
(`reachprobe results reclassify`). The schema is brought up to date when a newer version opens the file; before that a
copy is left beside it. A file from a newer version is refused.

Before anything is stored, the machine's own addresses, its hardware addresses, and its and its user's names where they
are no common words are taken out of every field, pages and certificates included. Behind NAT the public address is not
known: it is taken out where an answer calls it an address of the visitor's, and stays where it stands without a word.

This page is made by `python -m results.db.schema_docs`. First come the views, which are for people who browse.
"""
VIEWS = ("findings", "latest", "steps", "register_overview", "register_listing")
OF_A_VIEW = {
    "findings": ("verdicts", "measurements", "targets", "vantages", "rounds"),
    "latest": ("findings",),
    "steps": ("observations", "vantages"),
    "register_overview": ("register_versions", "registers"),
    "register_listing": ("register_entries", "register_spans"),
}
"""Where to look for the words of a view's column that has none of its own."""


class ColumnDoc(msgspec.Struct, frozen=True):
    """A column: its SQLite type (none for what a view computes), and what it holds."""

    name: str
    type: str
    says: str


class TableDoc(msgspec.Struct, frozen=True):
    """A table or view."""

    name: str
    is_view: bool
    says: str
    columns: tuple[ColumnDoc, ...]


@cache
def words() -> dict[str, dict[str, str]]:
    """Table -> column -> what it holds; the table itself stands under the empty name."""
    text = (files("results.db") / "columns.toml").read_text("utf-8")
    return tomllib.loads(text.replace("{steps}", _alternatives(specs())).replace("{schemes}", _alternatives(schemes())))


def _alternatives(names: Iterable[str]) -> str:
    *others, last = (f"`{name}`" for name in names)
    return f"{', '.join(others)} or {last}"


def tables() -> list[TableDoc]:
    """Every table and view of a new database, views first. LookupError names one that has no words."""
    from results.db.migrations import Database, add_columns, migrations

    with Database(memory=True) as db:
        migrations.apply(db)
        add_columns(db)
        query = "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY rowid"
        found = []
        for name, kind in db.execute(query).fetchall():
            if not name.startswith(("_", "sqlite_")):
                rows = db.execute(f"PRAGMA table_info({name})")
                columns = tuple(ColumnDoc(row[1], row[2], _description(name, row[1])) for row in rows)
                found.append(TableDoc(name, kind == "view", _description(name, ""), columns))
    order = {name: number for number, name in enumerate(VIEWS)}
    return sorted(found, key=lambda table: order.get(table.name, len(order)))


def _description(table: str, column: str) -> str:
    for place in (table, *OF_A_VIEW.get(table, ())):
        if column in (texts := words().get(place, {})):
            return texts[column]
        if place in OF_A_VIEW and place != table:
            return _description(place, column)
    raise LookupError(f"results/db/columns.toml says nothing of {table}{'.' if column else ''}{column}")


def as_markdown(level: str = "##") -> Iterator[str]:
    """A section for each table and view, a line for each column."""
    for table in tables():
        yield f"\n{level} {table.name}\n{table.says}\n"
        for column in table.columns:
            yield f"- `{column.name}`{f' {column.type.lower()}' if column.type else ''}: {column.says}"


def page() -> str:
    """docs/schema.md."""
    return "\n".join((HEAD.rstrip(), *as_markdown()))


if __name__ == "__main__":
    print(page())
