"""What a situation has to come to, compared with a row of `--json`; shared by the situations that are measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Expected:
    """What the verdict has to be. None where it is left open. `also` are outcomes that are as right as the first, to
    which alone method, trigger and confidence belong.
    """

    outcome: str
    method: str | None = None
    trigger: str | None = None
    confidence: str | None = None
    also: tuple[str, ...] = ()
    agreement: str | None = None
    evidence: tuple[str, ...] = ()
    """Words that the evidence must hold."""
    at_most: str | None = None
    """The highest confidence that a `blocked` may have here."""
    changed: str | None = None
    """Why this expectation is another than when it was first written."""
    why: str | None = None
    """Why this is right."""
    xfail: str | None = None
    """What the program still gets wrong here. Once it is right, this has to go."""

    def wrong(self, row: Mapping[str, Any]) -> list[str]:
        """What is not as it has to be, in words; empty where all is."""
        found = []
        if row["outcome"] not in (self.outcome, *self.also):
            found.append(f"outcome {row['outcome']}, not {self.outcome}")
        of_the_first = ("method", "trigger", "confidence") if row["outcome"] not in self.also else ()
        for key in (*of_the_first, "agreement"):
            wanted = getattr(self, key)
            if wanted is not None and row[key] != wanted:
                found.append(f"{key} {row[key]}, not {wanted}")
        if self.at_most and row["outcome"] == "blocked" and _rank(row["confidence"]) > _rank(self.at_most):
            found.append(f"blocked, {row['confidence']}, where no more than {self.at_most} is known")
        if row["outcome"] != "blocked" and (row["method"] or row["trigger"]):
            found.append(f"{row['outcome']}, and yet a method or trigger")
        told = "\n".join(row["evidence"])
        found += [f"no word of {words!r} in the evidence" for words in self.evidence if words not in told]
        return found


def _rank(confidence: str) -> int:
    return ("possible", "probable", "confirmed").index(confidence)


@dataclass(frozen=True)
class Judged:
    """A situation, what was expected and the row that came of it (None: no row)."""

    name: str
    expected: Expected
    row: Mapping[str, Any] | None

    @property
    def outcome(self) -> str:
        return self.row["outcome"] if self.row else "none"

    @property
    def complaint(self) -> str | None:
        """One line, or None where all is as it has to be."""
        if self.row is None:
            return f"{self.name}: no row"
        wrong = self.expected.wrong(self.row)
        return f"{self.name}: {'; '.join(wrong)} {self.row['rules']} {self.row['evidence']}" if wrong else None

    @property
    def unexpected(self) -> str | None:
        """A complaint that is not known yet, or a known one that is no longer true."""
        if self.expected.xfail is None:
            return self.complaint
        return None if self.complaint else f"{self.name}: right now, so its xfail has to go"

    @property
    def is_wrongly_blocked(self) -> bool:
        return self.outcome == "blocked" and "blocked" not in (self.expected.outcome, *self.expected.also)
