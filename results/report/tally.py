"""What is counted, and what is shown of very much: targets by agreement and method, durations, evidence of blocks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import accumulate

from probe.model import Vantage
from results.compare.compare import ComparedRow, labels
from results.report.evidence import Details, Proof, seconds_of
from results.report.summary import Evidence, Time

MOST_EVIDENCE = 120
SURENESS = ("confirmed", "probable", "possible", None)
Labels = Mapping[Vantage, str]


class TargetCounts:
    """At each place, how many targets are in each agreement with the register, and are blocked by each method."""

    def __init__(self, targets: Iterable[ComparedRow]) -> None:
        self.agreements: Counter[tuple[str, str]] = Counter()
        self.methods: Counter[tuple[str, str]] = Counter()
        for row in targets:
            for cell in row.cells:
                if cell.outcome is not None and cell.agreement is not None:
                    self.agreements[cell.by, cell.agreement] += 1
                if cell.outcome == "blocked" and cell.method is not None:
                    self.methods[cell.by, cell.method] += 1


def times(details: Details, names: Labels) -> tuple[Time, ...]:
    bins: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for vantage, step, bin_, count in details.durations():
        if vantage in names:
            bins[names[vantage], step][bin_] += count
    return tuple(
        Time(
            place=place,
            step=step,
            count=counts.total(),
            low=_quantile(counts, 0.1),
            middle=_quantile(counts, 0.5),
            high=_quantile(counts, 0.9),
        )
        for (place, step), counts in sorted(bins.items())
    )


def _quantile(counts: Counter[int], share: float) -> float:
    passed = accumulate(counts[bin_] for bin_ in sorted(counts))
    reached = zip(sorted(counts), passed, strict=True)
    return seconds_of(next(bin_ for bin_, count in reached if count >= share * counts.total()))


def proofs(details: Details, names: Labels) -> tuple[tuple[Evidence, ...], int]:
    """One for each target and place, the surest and of equals the newest; and how many there was no room for."""
    best: dict[tuple[str, str], Evidence] = {}
    beside: set[tuple[str, str]] = set()
    for proof in details.proofs():
        one = _evidence(proof, names)
        key = (one.target, one.place)
        if len(best) >= MOST_EVIDENCE and key not in best:
            beside.add(key)
            continue
        known = best.setdefault(key, one)
        if (SURENESS.index(one.confidence), -one.at) < (SURENESS.index(known.confidence), -known.at):
            best[key] = one
    return tuple(best.values()), len(beside)


def _evidence(proof: Proof, names: Labels) -> Evidence:
    return Evidence(
        target=proof.target,
        service=proof.service,
        place=names.get(proof.vantage, labels([proof.vantage], "network")[proof.vantage]),
        at=proof.at,
        measurement_id=proof.id,
        method=proof.method or "",
        trigger=proof.trigger,
        confidence=proof.confidence,
        rules=proof.rules,
        sentences=proof.sentences,
        listing=", ".join(filter(None, (proof.register, proof.basis))) or None,
    )
