"""A database of years of rounds, made in bulk, and how long the questions that people and the agent ask of it take.

    python -m tests.bench.large_store [--observations 500000] [--database FILE] [--json FILE]

A record of each kind goes through the store's own hand; the rest are copies of these with their own ids and times.
Three vantages take turns, 2,500 targets a round, a round every six hours. With `--database` the file is kept, and used
again where it is there. 5,000,000 observations are 1,000,000 measurements and take 1.3 GB.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from probe.model import Target, Vantage
from results.db.store import Store
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.registers.expectation import Expectation
from results.registers.lookup import EntryRef
from tests.results.records import finished, measurement, target, verdict

TARGETS, STEPS, EVERY = 2500, 5, timedelta(hours=6)
NEWEST = datetime(2026, 11, 25, 18, tzinfo=UTC)
VANTAGES = (
    Vantage(name="home", country="RU", asn=12389),
    Vantage(name="home", country="NL", asn=64500, path="vpn"),
    Vantage(name="office", country="RU", asn=8359),
)
SERVICES = {"wechat": range(8), "linkedin": range(8, 14)}
FAILED = {"method": "tls.reset", "trigger": "name", "confidence": "confirmed", "rules": ("tls.sni_ab",)}
KINDS: dict[str, dict[str, Any]] = {
    "reachable": {},
    "blocked": FAILED,
    "denied": {"rules": ("refusal.over_valid_tls",)},
    "offline": {"rules": ("network.offline",)},
    "inconclusive": {"rules": ("nothing.tells",)},
}
AGREED = {
    ("reachable", False): "open",
    ("reachable", True): "unenforced",
    ("blocked", True): "enforced",
    ("blocked", False): "unlisted-block",
}
LISTED = {"register": "rkn", "as_of": "2026-11-24T00:00:00Z"}


ENTRY = EntryRef(
    id="e" * 16,
    how="host",
    block_type="name",
    basis=None,
    authority=None,
    decision_number=None,
    decision_date=None,
    listed_on=None,
    listed_at=None,
    first_seen="2026-11-01T00:00:00Z",
    last_seen=None,
)


def text_of(number: int) -> str:
    return f"https://www.site{number}.example.org/"


def target_of(number: int) -> Target:
    service = next((name for name, places in SERVICES.items() if number in places), None)
    return target(text_of(number), service=service)


def fill(store: Store, observations: int) -> int:
    """Fill a new database with about so many observations; gives how many measurements that is."""
    wanted = max(observations // STEPS, 2 * TARGETS)
    numbers = _by_hand(store)
    db = store.db
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -262144")
    with store.writing():
        begun = NEWEST - EVERY * (wanted // TARGETS)
        for number in range(wanted // TARGETS + 1):
            at = _text(begun + EVERY * number)
            db.execute("INSERT INTO rounds VALUES (?, ?, 'online', '[]', ?, 'declared')", [_round(number), at, "n" * 8])
        first = db.execute("SELECT max(number) + 1 FROM measurements").fetchone()[0]
        rows = list(_made(wanted, numbers, begun))
        db.conn.executemany(
            "INSERT INTO measurements VALUES (?, ?, ?, ?, ?, ?, 0.41, NULL, '{\"country\":\"RU\"}', NULL, NULL)",
            ((first + n, id_, target_id, vantage_id, _round(n // TARGETS), at)
             for n, (id_, target_id, vantage_id, at, _) in enumerate(rows)),
        )  # fmt: skip
        db.execute("CREATE TEMP TABLE copied (number INTEGER PRIMARY KEY, of INTEGER NOT NULL)")
        db.conn.executemany("INSERT INTO copied VALUES (?, ?)", ((first + n, row[4]) for n, row in enumerate(rows)))
        for table in ("observations", "verdicts"):
            names = [row[1] for row in db.execute(f"PRAGMA table_info({table})")][1:]
            quoted = ", ".join(f'"{name}"' for name in names)
            own = {"started_at": "m.started_at"} if table == "verdicts" else {}
            columns = ", ".join(own.get(name, f'o."{name}"') for name in names)
            db.execute(
                f"INSERT INTO {table} (measurement, {quoted}) "
                f"SELECT c.number, {columns} FROM copied c CROSS JOIN {table} o ON o.measurement = c.of "
                "CROSS JOIN measurements m ON m.number = c.number ORDER BY c.number"
            )
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return wanted


def _by_hand(store: Store) -> dict[tuple[str, bool], int]:
    """A record of each kind, listed and not, through the store; and the number of each. All targets, all vantages."""
    store.save_round(RoundRecord(id="by-hand", started_at="2020-01-01T00:00:00.000Z", network="online"))
    kinds = [(kind, listed) for kind in KINDS for listed in (False, True)]
    store.save(_record(f"0hand{n:011}", kind, listed) for n, (kind, listed) in enumerate(kinds))
    with store.writing():
        for number in range(TARGETS):
            store._ids.of(store.db, target_of(number))
        for vantage in VANTAGES:
            store._ids.of(store.db, vantage)
    found = dict(store.db.execute("SELECT id, number FROM measurements").fetchall())
    return {kind: found[f"0hand{n:011}"] for n, kind in enumerate(kinds)}


def _record(measurement_id: str, kind: str, listed: bool) -> JudgedMeasurement:
    entries = (ENTRY,) if listed else ()
    return finished(
        measurement_id,
        measurement=measurement(measurement_id, vantage=VANTAGES[0], target=target_of(0)),
        verdict=verdict(kind, **KINDS[kind]),
        expectation=Expectation(target=text_of(0), listed=listed, entries=entries, **LISTED),
        agreement=AGREED.get((kind, listed), "undecided"),
        round_id="by-hand",
    )


def _made(wanted: int, numbers: dict[tuple[str, bool], int], begun: datetime) -> Iterator[tuple[Any, ...]]:
    """Id, target, vantage, time, and of which record it is a copy; targets and vantages were entered in order."""
    for n in range(wanted):
        round_, place = divmod(n, TARGETS)
        vantage = round_ % len(VANTAGES)
        listed = place % 10 == 0 and round_ > 10
        id_ = f"{n * 0x9E3779B97F4A7C15 % 2**64:016x}"
        at = _text(begun + EVERY * round_ + timedelta(milliseconds=place * 40))
        yield id_, place + 1, vantage + 1, at, numbers[_kind(place, round_, vantage), listed]


def _kind(place: int, round_: int, vantage: int) -> str:
    if round_ % 97 == 50:
        return "offline"
    if place % 20 == 0 and vantage != 1 and round_ > 20:
        return "blocked"
    if place % 33 == 1:
        return "denied"
    return "inconclusive" if (place * 31 + round_) % 211 == 0 else "reachable"


def _round(number: int) -> str:
    return f"round{number:06}"


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Question(NamedTuple):
    said: str
    ask: Callable[[], object]


def questions(path: Path, store: Store, wanted: int) -> list[Question]:
    """What is asked in the bench, by the command line where there is a command for it."""
    from results.db.read import last_network, last_runs, recent_outcomes
    from schedules import cli

    def command(*words: str) -> Callable[[], object]:
        return lambda: _call(cli.call, ["--db", str(path), *words])

    week = _text(NEWEST - timedelta(days=7))[:10]
    some, now = target_of(40), _text(NEWEST + EVERY)
    middle = store.db.execute("SELECT id FROM measurements WHERE number = ?", [wanted // 2]).fetchone()[0]
    everyone = [target_of(number) for number in range(TARGETS)]
    listing = ("results", "list", "--json")
    return [
        Question("results list", command("results", "list")),
        Question("list --limit 100", command(*listing, "--limit", "100")),
        Question("list --target, all", command(*listing, "--target", some.text)),
        Question("list --service --limit 100", command(*listing, "--service", "wechat", "--limit", "100")),
        Question(
            "list --outcome reachable --limit 100", command(*listing, "--outcome", "reachable", "--limit", "100")
        ),
        Question("list --outcome blocked --limit 100", command(*listing, "--outcome", "blocked", "--limit", "100")),
        Question("list --outcome down --limit 100", command(*listing, "--outcome", "down", "--limit", "100")),
        Question("list --agreement enforced --limit 100",
                 command(*listing, "--agreement", "enforced", "--limit", "100")),
        Question("list --agreement collateral --limit 100",
                 command(*listing, "--agreement", "collateral", "--limit", "100")),
        Question("list --vantage office --limit 100", command(*listing, "--vantage", "office", "--limit", "100")),
        Question("list --since a week ago --outcome blocked", command(*listing, "--since", week, "--outcome",
                                                                      "blocked")),
        Question("results show", command("results", "show", middle)),
        Question("results enforcement", command("results", "enforcement")),
        Question("what is due: 2,500 targets", lambda: last_runs(store.db, everyone, VANTAGES[0], now)),
        Question("last network", lambda: last_network(store.db)),
        Question("history of a target", lambda: store.history(some, VANTAGES[0], now, network="n" * 8)),
        Question("latest outcome of a target", lambda: store.latest_outcome(some, VANTAGES[0], now, network="n" * 8)),
        Question("recent outcomes of a target",
                 lambda: recent_outcomes(store.db, some.text, VANTAGES[0], NEWEST + EVERY, 3, network="n" * 8)),
        Question("compare, a week", command("compare", str(path), "--since", week)),
        Question("compare, everything", command("compare", str(path))),
        Question("report, a week", command("report", str(path), "--since", week, "--output", f"{path}.html")),
    ]  # fmt: skip


def _call(call: Callable[[list[str]], int], words: list[str]) -> None:
    with redirect_stdout(io.StringIO()):
        code = call(words)
    assert code == 0, f"{words} ended with {code}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--observations", type=int, default=500_000)
    parser.add_argument("--database", type=Path)
    parser.add_argument("--only", default="", help="only the questions with this in their name")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HOME": folder, "STATE_DIRECTORY": folder}
        path = options.database or Path(folder) / "large.db"
        is_new, begun = not path.exists(), time.monotonic()
        with closing(Store.open(path)) as store:
            if is_new:
                fill(store, options.observations)
            count = store.db.execute("SELECT count(*) FROM observations").fetchone()[0]
            wanted = store.db.execute("SELECT count(*) FROM measurements").fetchone()[0]
            made = f", made in {time.monotonic() - begun:.0f} s" if is_new else ""
            print(f"{count} observations in {wanted} measurements, {path.stat().st_size / 1e6:.0f} MB{made}\n")
            took = _ask([one for one in questions(path, store, wanted) if options.only in one.said])
    if options.json:
        options.json.write_text(json.dumps({"observations": count, "measurements": wanted, "cpu_s": took}, indent=1))


def _ask(asked: list[Question]) -> dict[str, float]:
    """CPU seconds of each, the better of two where it is quick."""
    print("| question | CPU ms |\n|---|---:|")
    took = {}
    for question in asked:
        times = []
        while not times or (len(times) < 2 and times[0] < 1):
            begun = time.process_time()
            question.ask()
            times.append(time.process_time() - begun)
        took[question.said] = min(times)
        print(f"| {question.said} | {1000 * min(times):.1f} |", flush=True)
    return took


if __name__ == "__main__":
    main()
