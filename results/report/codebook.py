"""The codebook of the data: `python -m results.report.codebook > docs/codebook.md`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, get_args

import msgspec

from results.db import schema_docs
from results.db.json_codec import SCHEMA_VERSION
from results.export.exchange import COLUMNS
from results.i18n.translator import Translator
from results.judge.judged import Agreement
from results.judge.rules import rules, rules_version
from results.judge.verdict import METHODS, Confidence, NetworkState, Outcome, Trigger

HEAD = f"""# The codebook

What every column and every word in the data means. Rows are of schema version {SCHEMA_VERSION}, and each says so in
`schema_version`: it grows when a column changes its meaning, not when one is added. Verdicts are by rules of version
{rules_version()}, and each row says so in `rules_version`; `reachprobe results reclassify` makes verdicts anew by the
rules in force. A data licence is chosen at export (`results export --licence`), and is in each row's `licence`.

This page is made by `python -m results.report.codebook`.
"""


class CodebookText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """codebook.toml: a name of the data -> what it means."""

    outcomes: dict[Outcome, str]
    confidences: dict[Confidence, str]
    triggers: dict[Trigger, str]
    agreements: dict[Agreement, str]
    networks: dict[NetworkState, str]
    row: dict[str, str]
    only_json: dict[str, str]
    tables: dict[str, dict[str, str]]


@cache
def codebook_text() -> CodebookText:
    """The texts of codebook.toml. Raises ValueError where it has a table or a word of the data that is not known."""
    return msgspec.convert(tomllib.loads((files("results.report") / "codebook.toml").read_text("utf-8")), CodebookText)


def description(column: str) -> str:
    """What a column of an export holds. LookupError for one that is described neither here nor in the database."""
    if column in codebook_text().row:
        return codebook_text().row[column]
    for table in ("verdicts", "measurements", "targets", "vantages"):
        if column in schema_docs.words()[table]:
            return schema_docs.words()[table][column]
    raise LookupError(f"results/report/codebook.toml says nothing of the column {column}")


def page() -> str:
    """docs/codebook.md."""
    return "\n".join((HEAD.rstrip(), *_export(), *_words(), *_rules(), *_database()))


def _export() -> Iterator[str]:
    yield "\n## A row of an export\n"
    yield "`results export --format csv` and `--format parquet` give one row a measurement with these columns.\n"
    yield from (f"- `{name}` {kind.lower()}: {description(name)}" for name, kind in COLUMNS.items())
    yield (
        "\nIn JSON (`--json`, `--format jsonl`) a row has the same but `licence`, which is in the file's first\n"
        "line; `vantage` and `expectation` are records of their own, and there is more:\n"
    )
    yield from (f"- `{name}`: {text}" for name, text in codebook_text().only_json.items())
    for command, columns in codebook_text().tables.items():
        yield f"\n`{command}` has these columns:\n"
        yield from (f"- `{name}`: {text}" for name, text in columns.items())


def _words() -> Iterator[str]:
    texts = codebook_text()
    kinds: tuple[tuple[str, Any, Mapping[Any, str]], ...] = (
        ("Outcomes", Outcome, texts.outcomes),
        ("Confidence", Confidence, texts.confidences),
        ("Triggers", Trigger, texts.triggers),
        ("Agreements with the register", Agreement, texts.agreements),
        ("States of the vantage's network", NetworkState, texts.networks),
    )
    for title, kind, meanings in kinds:
        yield f"\n## {title}\n"
        yield from (f"- `{word}`: {meanings[word]}" for word in get_args(kind))
    yield "\n## Methods of blocking\n"
    english = Translator("en")
    yield from (f"- `{method}`: {english.say(f'method.{method}')}." for method in METHODS)


def _rules() -> Iterator[str]:
    yield f"\n## Rules, version {rules_version()}\n"
    yield "The first that applies decides. [rules.md](rules.md) lists what each needs.\n"
    for rule in rules():
        concludes = " ".join(
            filter(None, (rule.outcome, rule.method, rule.trigger and f"by {rule.trigger}", rule.confidence))
        )
        yield f"- `{rule.id}`: {rule.says} ({concludes})"


def _database() -> Iterator[str]:
    yield "\n## The database\n"
    yield "The same as in [schema.md](schema.md), for those who have this page alone."
    yield from schema_docs.as_markdown("###")


if __name__ == "__main__":
    print(page())
