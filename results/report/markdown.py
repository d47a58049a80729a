"""A report as Markdown, for a page or a message: the sentences and the tables."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from probe.text import replace_unprintable
from results.i18n.translator import Translator
from results.judge.wording import sentences
from results.report import narrative, tables
from results.report.summary import Summary

SPECIAL = "\\`*_{}[]|#~"
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def render(summary: Summary, words: Translator) -> str:
    """The whole report."""
    return "\n".join(_lines(summary, words)) + "\n"


def _lines(summary: Summary, words: Translator) -> Iterator[str]:
    yield f"# {_escaped(words.say('general.title'))}"
    yield ""
    yield _escaped(words.say("general.made", when=words.moment(summary.generated_at), version=summary.version))
    yield from _section("summary", words, lead=False)
    yield from _paragraphs(narrative.in_short(summary, words))
    for row in summary.rows:
        yield ""
        yield f"**{_escaped(row.title)}**: {_escaped(' '.join(narrative.of_row(summary, row, words)))}"
    if summary.rows:
        yield from _tables(summary, words)
    yield from _section("about", words, lead=False)
    yield from _paragraphs(narrative.about(summary, words))


def _tables(summary: Summary, words: Translator) -> Iterator[str]:
    for name in ("matrix", "register"):
        yield from _section(name, words)
        yield from _table(getattr(tables, name)(summary, words), words)
    yield from _section("timeline", words, lead=False)
    for row in summary.rows:
        yield f"\n### {_escaped(row.title)}\n"
        yield from _paragraphs(list(filter(None, [narrative.listing(summary, row, words)])))
        yield from _table(tables.timeline(row, summary, words), words)
    for name in ("hours", "outages", "methods", "times"):
        table = getattr(tables, name)(summary, words)
        if table.rows:
            yield from _section(name, words)
            if name == "hours":
                yield ""
                yield from _paragraphs(list(narrative.delays(summary, words)))
            yield from _table(table, words)
    if summary.evidence:
        yield from _section("evidence", words)
        yield from _evidence(summary, words)


def _evidence(summary: Summary, words: Translator) -> Iterator[str]:
    for target, proofs in groupby(summary.evidence, key=lambda one: one.target):
        yield f"\n### {_escaped(tables.short_target(target))}\n"
        for one in proofs:
            head = (
                f"{tables.network(one.place, summary, words)}: {words.verdict(one.method, one.trigger, one.confidence)}"
            )
            yield f"- **{_escaped(head)}** ({_escaped(words.moment(one.at))})"
            yield from (f"  - {_escaped(sentence)}" for sentence in sentences(one.evidence, words))
            rules = ", ".join(one.rules)
            last = f"{words.say('column.rules')}: {rules}; {words.say('column.id')}: {one.measurement_id}"
            yield f"  - {_escaped(last)}"
    if summary.evidence_left_out:
        yield f"\n{_escaped(words.say('general.more_evidence', count=summary.evidence_left_out))}"


def _section(name: str, words: Translator, *, lead: bool = True) -> Iterator[str]:
    yield f"\n## {_escaped(words.say(f'heading.{name}'))}\n"
    if lead:
        yield words.say(f"lead.{name}")


def _paragraphs(sentences: list[str]) -> Iterator[str]:
    for number, sentence in enumerate(sentences):
        if number:
            yield ""
        yield _escaped(sentence)


def _table(table: tables.ReportTable, words: Translator) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(map(_escaped, table.columns))} |"
    yield "|" + "---|" * len(table.columns)
    for row in table.rows:
        yield f"| {' | '.join(_escaped(_cell(cell)) for cell in row)} |"
    if table.left_out:
        yield f"\n{_escaped(words.say('general.more_rows', count=table.left_out))}"


def _cell(cell: tables.ReportCell) -> str:
    first = f"{cell.sign} {cell.text}" if cell.sign else cell.text
    return ", ".join((first, *cell.more))


def _escaped(text: str) -> str:
    """Foreign text in one line, its markup and links disabled."""
    shown = replace_unprintable(text, " ")
    for letter, entity in ENTITIES.items():
        shown = shown.replace(letter, entity)
    for letter in SPECIAL:
        shown = shown.replace(letter, f"\\{letter}")
    return shown.replace("://", ":\\//")
