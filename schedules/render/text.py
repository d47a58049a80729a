"""Short texts for a terminal: outcomes, methods, listings, durations."""

from __future__ import annotations

import re
from typing import Any

from probe.text import safe
from results.i18n.signs import OUTCOME_SIGNS
from results.judge.step_text import method_text as method_text

SIGNS = {outcome: sign for outcome, sign in OUTCOME_SIGNS.items() if outcome is not None}
STYLES = {
    "reachable": "green",
    "blocked": "bold red",
    "denied": "yellow",
    "down": "blue",
    "offline": "dim",
    "inconclusive": "magenta",
}
WHERE_AND_AFTER = re.compile(r"^\S+ at \S+: | after [0-9.]+ s$|^\S+: after [0-9.]+ s (?=the resolver )")
RESOLVER = re.compile(r"^the resolver \S+ ")
IN_BRACKETS = re.compile(r"\(([^()]{1,40})\)$")


def how(row: dict[str, Any]) -> str:
    """The method in a few words; for other abnormal outcomes the most relevant evidence."""
    if row["method"] is not None and row["outcome"] == "blocked":
        words = [method_text(row["method"])]
        evidence = row["evidence"] if row["method"] == "http.blockpage" else ()
        if pages := list(filter(None, map(IN_BRACKETS.search, evidence))):
            words = [f"block page ({safe(pages[0][1])})"]
        if row["trigger"] is not None:
            words.append(f"triggered by the {row['trigger']}")
        if row["confidence"] == "possible":
            words.append("possibly")
        return ", ".join(words)
    if row["outcome"] == "reachable" or not row["evidence"]:
        return ""
    relevant = row["evidence"][-1 if row["outcome"] == "denied" else 0]
    return safe(RESOLVER.sub("the resolver ", WHERE_AND_AFTER.sub("", relevant)), 60)


def what(target: str) -> str:
    """A target in short: only the host of a plain https URL."""
    return safe(target.removeprefix("https://").removesuffix("/"))


def listing(row: dict[str, Any]) -> str:
    """The register entry, in short."""
    expectation = row["expectation"]
    if expectation is None or expectation["listed"] is None:
        return "no register"
    if not expectation["listed"]:
        return "not listed"
    article = (expectation["basis"] or "").split()[-1:]
    return " ".join(["since", safe(expectation["since"] or "?"), *map(safe, article)])


def agreement_text(agreement: str) -> str:
    """An agreement in the words of the report and the hub."""
    from results.i18n.language import active
    from results.i18n.translator import Translator

    return Translator(active()).term("agreement", agreement)


def seconds(duration: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if duration < 10:
        return f"{duration:.1f} s"
    if duration < 60:
        return f"{duration:.0f} s"
    minutes, rest = divmod(round(duration), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def how_many(number: int, one: str, several: str | None = None) -> str:
    """`1 entry`, `12 entries`; without `several` an s is put at the end."""
    return f"{number} {one if number == 1 else several or f'{one}s'}"


def age(days: float) -> str:
    """`3 hours old`, `2 days old`."""
    hours = days * 24
    if hours < 1:
        return "fresh"
    if hours < 48:
        return f"{hours:.0f} hours old" if hours >= 1.5 else "1 hour old"
    return f"{days:.0f} days old"
