"""The pages about the data say what the data are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from results.db import schema_docs
from results.db.json_codec import SCHEMA_VERSION, row
from results.db.store import Store
from results.export.exchange import COLUMNS
from results.judge.judged import Agreement
from results.judge.rules import rules, rules_version
from results.judge.verdict import METHODS, Confidence, Outcome
from results.report import codebook
from results.report import csv as facts
from tests.results.records import finished

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize(("name", "module"), [("schema", schema_docs), ("codebook", codebook)])
def test_the_page_is_current(name: str, module: object) -> None:
    made = module.page() + "\n"  # type: ignore[attr-defined]
    assert (DOCS / f"{name}.md").read_text("utf-8") == made, f"python -m {module.__name__} > docs/{name}.md"  # type: ignore[attr-defined]


def test_each_column_of_the_database_has_its_line(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "a.db")
    page = (DOCS / "schema.md").read_text("utf-8")
    names = store.db.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT GLOB '_*'")
    for (name,) in names.fetchall():
        if name.startswith("sqlite_"):
            continue
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        columns = [row[1] for row in store.db.execute(f"PRAGMA table_info({name})")]
        assert re.findall(r"^- `(\w+)`", section, re.MULTILINE) == columns
    store.close()


def test_nothing_is_told_that_is_not_there() -> None:
    there = {table.name: {column.name for column in table.columns} for table in schema_docs.tables()}
    for name, columns in schema_docs.words().items():
        assert columns.keys() - {""} <= there[name], name


def test_a_column_without_words_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {name: dict(columns) for name, columns in schema_docs.words().items()}
    del told["verdicts"]["failed_by"]
    monkeypatch.setattr(schema_docs, "words", lambda: told)
    with pytest.raises(LookupError, match=r"nothing of verdicts\.failed_by"):
        schema_docs.tables()


def test_every_word_of_the_data_is_in_the_codebook() -> None:
    page = (DOCS / "codebook.md").read_text("utf-8")
    for word in (*get_args(Outcome), *get_args(Agreement), *get_args(Confidence), *METHODS, *COLUMNS):
        assert f"- `{word}`" in page, word
    assert all(f"- `{rule.id}`: " in page for rule in rules())
    assert f"rules of version\n{rules_version()}" in page
    assert f"schema version {SCHEMA_VERSION}" in page


def test_every_key_of_a_row_of_json_is_told(tmp_path: Path) -> None:
    from results.registers.expectation import Expectation

    known = {*COLUMNS, *codebook.codebook_text().only_json, "name"}
    made = row(finished(expectation=Expectation(target="https://www.example.com/")))
    assert made["expectation"] is not None
    keys = {*made, *made["vantage"], *made["expectation"]}
    assert keys <= known, keys - known
    assert tuple(codebook.codebook_text().tables["report --format csv"]) == facts.HEAD


def test_each_row_says_by_which_versions_it_is(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "a.db")
    store.save([finished()])
    (line,) = store.rows()
    assert line["schema_version"] == SCHEMA_VERSION
    assert line["rules_version"] == "1", "as it was judged"
    store.close()
