"""How often is a lossy line called a block? `python -m tests.lab.loss [--share 0.1 ...] [--rounds 20] [--timeout 4]`.

Nobody censors: a share of all packets, whoever sends them, is lost by chance, and every site of the lab is measured
round after round, with its control behind the same line. Prints a table in Markdown and exits 1 where anything was
called blocked; the measurement is then shown, and its database kept under --keep. Takes minutes: no part of the tests.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from results.db.store import Store
from results.judge.classify import classify
from results.judge.judged import JudgedMeasurement
from results.judge.verdict import Verdict
from tests.lab import censorship
from tests.lab.sites import ALL
from tests.lab.situations import DOWN
from tests.lab.standing import Lab, lab
from tests.lab.world import http, https

OUTCOMES = ("reachable", "denied", "down", "inconclusive", "offline", "blocked")
MOST_ROUNDS = 200
WITHIN_S = 1800
BESIDE = ("canary", "canary-at-home", "canary-heavy", "innocent", "slow-for-all")
TARGETS = (
    *(https(word) for site in ALL if (word := site.name.partition(".")[0]) not in BESIDE),
    *map(http, ("plain", "news", "host-reset", "host-dropped", "big")),
    "tls://neighbour.x.test:443",
)


@dataclass
class Tally:
    """What was said at one share of loss: of sites that work, of those that do not, and before a second look."""

    share: float
    works: Counter[str] = field(default_factory=Counter)
    fails: Counter[str] = field(default_factory=Counter)
    first: Counter[str] = field(default_factory=Counter)
    """Rules by which the first look alone would have said blocked."""
    wrong: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        for about, counts in (("works", self.works), ("is down", self.fails)):
            told = " | ".join(str(counts[outcome] or "·") for outcome in OUTCOMES)
            first = sum(self.first.values()) if about == "works" else 0
            yield f"| {self.share:.0%} | {about} | {counts.total()} | {told} | {first or '·'} |"


def measure(share: float, rounds: int, timeout_s: float, folder: Path, standing: Lab) -> Tally:
    """So many rounds over one line; the database stays in the lab's folder."""
    tally = Tally(share)
    censorship.forgives()
    censorship.loses_of_everything(share)
    config = standing.config_toml(timeout_s=timeout_s)
    for number in range(rounds):
        ran = standing.reachprobe("-q", "check", "--json", *TARGETS, config=config, within_s=WITHIN_S)
        for row in ran.rows:
            counts = tally.fails if row["target"] in DOWN else tally.works
            counts[row["outcome"]] += 1
            tally.wrong += [row["measurement_id"]] if row["outcome"] == "blocked" else []
        print(f"{share:.0%}, round {number + 1} of {rounds}: exit {ran.code}", file=sys.stderr, flush=True)
    store = Store.open(next(folder.glob("*.db")))
    try:
        tally.first.update(_at_first_sight(store))
    finally:
        store.close()
    for measurement_id in tally.wrong:
        print(standing.reachprobe("results", "show", measurement_id, config=config).out, file=sys.stderr)
    return tally


def _at_first_sight(store: Store) -> Iterator[str]:
    """The rule of every `blocked` that one look alone would have come to."""
    own = "SELECT id FROM measurements WHERE control_of IS NULL AND repeats IS NULL"
    for (measurement_id,) in store.db.execute(own).fetchall():
        verdict = _alone(store.finished(measurement_id))
        if verdict.outcome == "blocked":
            yield verdict.rules[0]


def _alone(finished: JudgedMeasurement) -> Verdict:
    context = msgspec.structs.replace(finished.context, repeat=None)
    return classify(finished.measurement, finished.controls, context)


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, nargs="+", default=[0.05, 0.1, 0.25])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--timeout", type=float, default=4.0)
    parser.add_argument("--keep", type=Path, help="where the databases go")
    asked = parser.parse_args(words)
    tallies = []
    for share in asked.share:
        with TemporaryDirectory() as name, lab(Path(name)) as standing:
            folder = Path(name)
            tallies.append(measure(share, min(asked.rounds, MOST_ROUNDS), asked.timeout, folder, standing))
            if asked.keep:
                asked.keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(next(folder.glob("*.db")), asked.keep / f"loss-{share:g}-timeout-{asked.timeout:g}.db")
    print(f"timeout {asked.timeout:g} s, {asked.rounds} rounds of {len(TARGETS)} targets\n")
    print("| lost | the site | measured | " + " | ".join(OUTCOMES) + " | blocked at first sight |")
    print("|---|---|" + "---:|" * (len(OUTCOMES) + 2))
    for tally in tallies:
        print(*tally.lines(), sep="\n")
    for tally in tallies:
        for rule, count in tally.first.most_common():
            print(f"at first sight, {tally.share:.0%} lost: {rule} {count} times", file=sys.stderr)
    return 1 if any(tally.wrong for tally in tallies) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
