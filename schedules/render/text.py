"""Short texts for a terminal: outcomes, methods, listings, durations."""

from __future__ import annotations

from gettext import gettext as _
from typing import Any

import msgspec

from probe.text import safe
from results.i18n.language import active
from results.i18n.signs import OUTCOME_SIGNS
from results.i18n.translator import Phrase, Translator, english
from results.judge.verdict import Evidence
from results.judge.wording import sentence_of

SIGNS = {outcome: sign for outcome, sign in OUTCOME_SIGNS.items() if outcome is not None}
STYLES = {
    "reachable": "green",
    "blocked": "bold red",
    "denied": "yellow",
    "down": "blue",
    "offline": "dim",
    "inconclusive": "magenta",
}
MAX_SHORT = 60


class TerminalTranslator(Translator):
    """Sentences with ordinary spaces, which people can search for."""

    def say(self, key: str, **values: object) -> str:
        return super().say(key, **values).replace("\N{NO-BREAK SPACE}", " ")


def words() -> Translator:
    """Sentences and terms in the language of this process."""
    return TerminalTranslator(active())


def how(row: dict[str, Any]) -> str:
    """The method in a few words; for other abnormal outcomes the most relevant evidence."""
    if row["method"] is not None and row["outcome"] == "blocked":
        found = [method_text(row["method"])]
        pages = [one["values"] for one in row["signals"] if one["signal"].startswith("page.")]
        name = next((values["name"] for values in pages if "name" in values), None)
        if row["method"] == "http.blockpage" and name is not None:
            found = [_("block page ({name})").format(name=safe(name, MAX_SHORT))]
        if row["trigger"] is not None:
            found.append(words().term("trigger", row["trigger"]))
        if row["confidence"] == "possible":
            found.append(words().term("confidence", "possible"))
        return ", ".join(found)
    if row["outcome"] == "reachable" or not row["evidence"]:
        return ""
    which = -1 if row["outcome"] == "denied" else 0
    relevant = msgspec.convert(row["signals"][which], Evidence) if row["signals"] else row["evidence"][which]
    return safe(_in_short(relevant), MAX_SHORT)


def _in_short(found: Evidence | str) -> str:
    """The method that a piece of evidence is about, else its sentence without the place."""
    if isinstance(found, str):
        return found
    failed: Any = found.values.get("failure")
    if isinstance(failed, Phrase) and failed.phrase == "evidence.received":
        failed = failed.values.get("failure")
    if isinstance(failed, Phrase):
        method = failed.phrase.removeprefix("failed.")
        if f"method.{method}" in english():
            return method_text(method)
    place = (failed if isinstance(failed, Phrase) else found).values.get("place")
    said = words().phrase(sentence_of(found))
    return said.partition(f"{place}: ")[2] or said


def what(target: str) -> str:
    """A target in short: only the host of a plain https URL."""
    return safe(target.removeprefix("https://").removesuffix("/"))


def listing(row: dict[str, Any]) -> str:
    """The register entry, in short."""
    expectation = row["expectation"]
    if expectation is None or expectation["listed"] is None:
        return _("no register")
    if not expectation["listed"]:
        return _("not listed")
    article = (expectation["basis"] or "").split()[-1:]
    return " ".join([_("since {date}").format(date=safe(expectation["since"] or "?")), *map(safe, article)])


def outcome_text(outcome: str) -> str:
    """An outcome in the words of the report and the hub."""
    return words().term("outcome", outcome)


def agreement_text(agreement: str) -> str:
    """An agreement in the words of the report and the hub."""
    return words().term("agreement", agreement)


def method_text(method: str) -> str:
    """A method in the words of the report and the hub."""
    return words().term("method", method)


def seconds(duration: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    say = words()
    if duration < 60:
        return say.say("time.seconds", seconds=say.number(round(duration, 1) if duration < 10 else round(duration)))
    minutes, rest = divmod(round(duration), 60)
    if minutes < 60:
        return say.say("time.minutes", minutes=minutes, seconds=rest)
    return say.say("time.hours", hours=minutes // 60, minutes=minutes % 60)


def how_many(number: int, thing: str) -> str:
    """`1 entry`, `12 entries` of a thing that the catalogue counts."""
    return words().say(f"count.{thing}", count=number)


def age(days: float) -> str:
    """`3 hours old`, `2 days old`."""
    hours = days * 24
    if hours < 1:
        return words().say("time.fresh")
    if hours < 48:
        return words().say("time.hours_old", count=round(hours))
    return words().say("time.days_old", count=round(days))
