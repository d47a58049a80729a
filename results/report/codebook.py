"""The codebook of the data: `python -m results.report.codebook > docs/codebook.md`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from results.db import schema_docs
from results.db.json_rows import SCHEMA_VERSION
from results.export.tabular import COLUMNS
from results.i18n.translator import Translator
from results.judge.judged import Agreement
from results.judge.rules import rules, rules_version
from results.judge.verdict import METHODS, Confidence, NetworkState, Outcome, Trigger

HEAD = f"""# The codebook

What every column and every word in the data means. Rows are of schema version {SCHEMA_VERSION}, and each says so in
`schema_version`: it grows when a column changes its meaning, not when one is added. Verdicts are by rules of version
{rules_version()}, and each row says so in `rules_version`; `reachprobe results reclassify` makes verdicts anew by the
rules in force. A data licence is chosen at export (`results export --licence`), and stands in each row's `licence`.

This page is made by `python -m results.report.codebook`.
"""
OUTCOMES = {
    "reachable": "The real service answered in full: over TLS valid for its name, or with what a control sees too.",
    "blocked": "Something between the vantage and the service stopped or forged it, and it works from a control, or "
    "the interference itself is proof.",
    "denied": "The service itself turns the visitor away: a challenge, a geoblock, 403 or 451 with its certificate.",
    "down": "It fails in the same way from the control.",
    "offline": "The vantage has no working network, or is behind a captive portal.",
    "inconclusive": "Something is odd, and there is not enough to tell what.",
}
CONFIDENCES = {
    "confirmed": "The interference itself is proof, or the certificate is.",
    "probable": "A control got through at the step where the vantage failed, twice; or it agrees.",
    "possible": "Neither, but the same came back over hours, or controls disagree.",
}
TRIGGERS = {
    "name": "The name sets it off: in the DNS question, the SNI or the Host header.",
    "address": "The address sets it off, whatever the name.",
}
NETWORKS = {
    "online": "The canaries work.",
    "restricted": "Those inside the country work, those abroad do not: the network is cut off from abroad.",
    "portal": "Something else answers in their place.",
    "offline": "None works.",
}
AGREEMENTS = {
    "enforced": "Listed and blocked.",
    "unenforced": "Listed and reachable.",
    "collateral": "Not listed, and blocked by an address that an entry in force blocks as such.",
    "unlisted-block": "Not listed, and blocked.",
    "open": "Not listed, and reachable.",
    "undecided": "No register for that country and day, a version that is too old, or an outcome that is neither "
    "blocked nor reachable.",
}
ROW = {
    "measurement_id": "Key of the measurement, the same everywhere.",
    "vantage": "The vantage's name.",
    "register": "The register that was asked.",
    "listed": "Whether it listed the target then; empty where it could not say.",
    "since": "Since when it lists it, a date as the register gives it.",
    "since_source": "Whence that date is: `inclusion`, `decision` or `first_seen`.",
    "listed_at": "The instant of the listing (UTC), where it is known.",
    "as_of": "The version of the register that was asked.",
    "basis": "The law that it is listed by.",
    "target": "The target, as it was given.",
    "network": "What the canaries said of the vantage's network.",
    "repeats": "The id of the measurement that it repeats.",
    "repeated_by": "The id of the measurement that repeats it, and tells.",
    "rules": "Ids of the rules that made the verdict.",
    "evidence": "One sentence for each piece of evidence.",
    "schema_version": "The version of this row's columns.",
    "licence": "Under which others may use the row, by its SPDX identifier.",
}
"""The columns of an export that are not told in the dictionary, or otherwise there."""
ONLY_JSON = {
    "kind": "`target`; `service` for a service's row, `header` for a file's first line.",
    "expectation": "What the register says: `register`, `listed`, `since`, `since_source`, `listed_at`, `as_of`, "
    "`basis`, and the three below.",
    "entries": "Ids of the entries that list the target.",
    "address_blocks": "Ids of the entries that block one of its addresses as such.",
    "shares_address_with": "Listed names that stood at its addresses: a note, never a listing.",
    "record": "In `--format jsonl`: the whole measurement, its controls and the context it was judged in.",
}
TABLES = {
    "compare --csv": {
        "row": "The service or target; one line for each of its cells.",
        "difference": "What kind of difference the row has, as in [comparing](comparing.md).",
        "by": "The vantage, network, country, path or day of the cell.",
        "outcome": "Its state; empty for a gap: nothing measured, or too old.",
        "method": "How it is blocked there.",
        "agreement": "Its state against the register.",
        "measurements": "How many there are.",
        "vantage_days": "On how many days vantages measured it, each vantage's days counted.",
        "blocked_share": "Of these the share that is blocked, from 0 to 1.",
        "low": "Where the 95% interval (Wilson) of that share begins.",
        "high": "Where it ends.",
        "last": "When the last measurement was.",
        "says": "The difference in a sentence.",
        "note": "What was left out of the comparison, and what is odd.",
    },
    "report --format csv": {
        "section": "What the fact is of: `report`, `place`, `row`, `matrix`, `course`, `register`, `hours`, `methods`, "
        "`times` or `evidence`.",
        "row": "The service, the target or the step.",
        "place": "The network.",
        "what": "Which fact.",
        "value": "The fact; shares from 0 to 1, durations in seconds, `at_least` and `at_most` in hours.",
    },
}


def description(column: str) -> str:
    """What a column of an export holds. LookupError where nobody has said it."""
    if column in ROW:
        return ROW[column]
    for table in ("verdicts", "measurements", "targets", "vantages"):
        if column in schema_docs.words()[table]:
            return schema_docs.words()[table][column]
    raise LookupError(f"results/report/codebook.py says nothing of the column {column}")


def page() -> str:
    """docs/codebook.md."""
    return "\n".join((HEAD.rstrip(), *_export(), *_words(), *_rules(), *_database()))


def _export() -> Iterator[str]:
    yield "\n## A row of an export\n"
    yield "`results export --format csv` and `--format parquet` give one row a measurement with these columns.\n"
    yield from (f"- `{name}` {kind.lower()}: {description(name)}" for name, kind in COLUMNS.items())
    yield (
        "\nIn JSON (`--json`, `--format jsonl`) a row has the same but `licence`, which stands in the file's first\n"
        "line; `vantage` and `expectation` are records of their own, and there is more:\n"
    )
    yield from (f"- `{name}`: {told}" for name, told in ONLY_JSON.items())
    for command, columns in TABLES.items():
        yield f"\n`{command}` has these columns:\n"
        yield from (f"- `{name}`: {told}" for name, told in columns.items())


def _words() -> Iterator[str]:
    tables = (
        ("Outcomes", Outcome, OUTCOMES),
        ("Confidence", Confidence, CONFIDENCES),
        ("Triggers", Trigger, TRIGGERS),
        ("Agreements with the register", Agreement, AGREEMENTS),
        ("States of the vantage's network", NetworkState, NETWORKS),
    )
    for title, kind, told in tables:
        yield f"\n## {title}\n"
        yield from (f"- `{word}`: {told[word]}" for word in get_args(kind))
    yield "\n## Methods of blocking\n"
    english = Translator("en")
    yield from (f"- `{method}`: {english.say(f'method.{method}')}." for method in METHODS)


def _rules() -> Iterator[str]:
    yield f"\n## Rules, version {rules_version()}\n"
    yield "The first that applies decides. What each needs stands in [rules.md](rules.md).\n"
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
