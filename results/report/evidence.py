"""Evidence, listings and durations of measurements, each once, in a temporary SQLite file."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cache, partial
from math import floor, log10
from pathlib import Path
from typing import Any

import msgspec

from probe.model import Vantage
from probe.timestamps import rfc3339_of_epoch
from results.aggregate.enforcement import Enforcement, EnforcementInput, ListingEntry, enforcement
from results.aggregate.outages import NetworkInterval, RoundFacts, network_intervals
from results.compare.record import VANTAGE_FIELDS, comparable_vantage
from results.judge.rules import is_in_force
from results.judge.verdict import Evidence, evidence_from
from results.report.load import MeasurementDetail, read, rounds, versions

CACHE_KIB = 32 * 1024
BINS_PER_DECADE = 40
"""Durations are counted in logarithmic bins, which keeps them within 3%."""
FIELDS = ("at", "target", "service", *VANTAGE_FIELDS, "outcome", "method", '"trigger"', "confidence", "rules",
          "evidence", "register", "listed", "as_of", "basis", "entries", "rules_version")  # fmt: skip
VANTAGE_COLUMNS = ", ".join(VANTAGE_FIELDS)
PRECEDENCE = (
    "is_in_force({}rules_version)",
    *(f"ifnull({{}}{field}, '')" for field in ("rules_version", "entries", "evidence", "outcome", *FIELDS)),
)
"""Of two records with one id the one with the greater values counts."""
IS_BETTER = "({}) > ({})".format(*(", ".join(field.format(side) for field in PRECEDENCE) for side in ("excluded.", "")))
INSERT = f"""
INSERT INTO details VALUES ({", ".join("?" * (len(FIELDS) + 1))})
ON CONFLICT (id) DO UPDATE SET {", ".join(f"{field} = excluded.{field}" for field in FIELDS)} WHERE {IS_BETTER}
"""  # noqa: S608 constants only
BLOCK_EVIDENCE = f"""
SELECT id, at, target, service, {VANTAGE_COLUMNS}, method, "trigger", confidence, rules, evidence,
    CASE WHEN listed THEN register END, CASE WHEN listed THEN basis END
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY target, {VANTAGE_COLUMNS}
        ORDER BY confidence = 'confirmed' DESC, confidence = 'probable' DESC, at DESC, id
    ) AS place
    FROM details WHERE outcome = 'blocked'
) WHERE place = 1 ORDER BY service IS NULL, service, target, asn IS NULL, asn, {VANTAGE_COLUMNS}
"""  # noqa: S608 constants only
LISTED = f"""
SELECT id, target, {VANTAGE_COLUMNS}, at, outcome, confidence, register, listed, as_of, entries FROM details
WHERE target IN (SELECT target FROM details WHERE listed = 1)
"""  # noqa: S608 constants only
NAMES = """
SELECT asn, network_name FROM details WHERE asn IS NOT NULL AND network_name IS NOT NULL AND path = 'direct'
GROUP BY 1, 2 ORDER BY 1, count(*), 2 DESC
"""
DURATIONS = f"""
SELECT {VANTAGE_COLUMNS}, step, bin, count(*) FROM steps
GROUP BY {VANTAGE_COLUMNS}, step, bin ORDER BY step, bin, {VANTAGE_COLUMNS}
"""  # noqa: S608 constants only
SERVICES = "SELECT target, min(service) FROM details WHERE service IS NOT NULL GROUP BY target"


class VantageEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """The surest measurement of a block at one vantage, with its evidence."""

    id: str
    at: float
    target: str
    service: str | None
    vantage: Vantage
    method: str | None
    trigger: str | None
    confidence: str | None
    rules: tuple[str, ...]
    evidence: tuple[Evidence | str, ...]
    register: str | None
    """The register that listed it then, and the legal basis."""
    basis: str | None


class DetailIndex:
    """The details of all sources, each measurement once."""

    def __init__(
        self, connection: sqlite3.Connection, known: Mapping[str, Sequence[float]], rounds: Mapping[str, RoundFacts]
    ) -> None:
        self._connection = connection
        self._known, self._rounds = known, rounds

    def block_evidence(self) -> Iterator[VantageEvidence]:
        """The surest measurement of each blocked target at each vantage, of equals the newest."""
        for row in self._connection.execute(BLOCK_EVIDENCE):
            place = Vantage(**dict(zip(VANTAGE_FIELDS, row[4:9], strict=True)))
            yield VantageEvidence(
                id=row[0],
                at=row[1],
                target=row[2],
                service=row[3],
                vantage=comparable_vantage(place),
                method=row[9],
                trigger=row[10],
                confidence=row[11],
                rules=msgspec.json.decode(row[12], type=tuple[str, ...]),
                evidence=evidence_from(row[13]),
                register=row[14],
                basis=row[15],
            )

    def enforcements(self) -> list[Enforcement]:
        """The delay from listing to blocking for each target, register and network."""
        return enforcement(self._listed(), self._known)

    def outages(self) -> list[NetworkInterval]:
        """Outages and times without data, oldest first."""
        return network_intervals(self._rounds.values())

    def _listed(self) -> Iterator[EnforcementInput]:
        entries = cache(partial(msgspec.json.decode, type=tuple[ListingEntry, ...]))
        for (
            id_,
            target,
            name,
            country,
            asn,
            network,
            path,
            at,
            outcome,
            confidence,
            *listing,
        ) in self._connection.execute(LISTED):
            register, listed, as_of, text = listing
            yield EnforcementInput(
                id=id_,
                target=target,
                vantage=name,
                country=country,
                asn=asn,
                network_name=network,
                path=path,
                at=rfc3339_of_epoch(at, "milliseconds"),
                outcome=outcome,
                confidence=confidence,
                register=register,
                listed=None if listed is None else bool(listed),
                as_of=as_of,
                entries=entries(text or "[]"),
            )

    def network_names(self) -> dict[int, str]:
        """ASN -> its name in most measurements."""
        return dict(self._connection.execute(NAMES).fetchall())

    def rules_versions(self) -> list[str]:
        """The versions of the rules of all verdicts."""
        rows = self._connection.execute(
            "SELECT DISTINCT rules_version FROM details WHERE rules_version <> '' ORDER BY 1"
        )
        return [version for (version,) in rows]

    def registers(self) -> list[str]:
        """The registers of all expectations."""
        rows = self._connection.execute("SELECT DISTINCT register FROM details WHERE register <> '' ORDER BY 1")
        return [register for (register,) in rows]

    def durations(self) -> Iterator[tuple[Vantage, str, int, int]]:
        """Vantage, step, bin (of `seconds_of`) and count of successful steps, in ascending bins."""
        for *place, step, bin_, count in self._connection.execute(DURATIONS):
            yield Vantage(**dict(zip(VANTAGE_FIELDS, place, strict=True))), step, bin_, count

    def services(self) -> dict[str, str]:
        """Target -> its service."""
        return dict(self._connection.execute(SERVICES).fetchall())


@contextmanager
def gather_details(
    sources: Iterable[Path], *, since: float | None = None, until: float | None = None, now: float | None = None
) -> Iterator[DetailIndex]:
    """Read all of `sources`, with bounds as for `results.compare.gather`."""
    with closing(sqlite3.connect("")) as connection:
        connection.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{CACHE_KIB};"
            f"PRAGMA temp_store = FILE; CREATE TABLE details (id TEXT PRIMARY KEY, {', '.join(FIELDS)});"
            f"CREATE TABLE steps (id TEXT, place INTEGER, {VANTAGE_COLUMNS}, step TEXT, bin INTEGER,"
            " PRIMARY KEY (id, place));"
        )
        connection.create_function("is_in_force", 1, is_in_force, deterministic=True)
        known: dict[str, set[float]] = defaultdict(set)
        found: dict[str, RoundFacts] = {}
        for source in sources:
            found |= dict(rounds(source, since=since, until=now if until is None else until))
            for register, at in versions(source):
                known[register].add(at)
            for detail in read(source, since=since, until=until):
                if _in_period(detail, since, until, now):
                    if detail.round is not None:
                        found.setdefault(*detail.round)
                    _keep(connection, detail)
        yield DetailIndex(connection, {register: sorted(times) for register, times in known.items()}, found)


def _in_period(detail: MeasurementDetail, since: float | None, until: float | None, now: float | None) -> bool:
    return (
        (now is None or detail.at <= now)
        and (since is None or detail.at >= since)
        and (until is None or detail.at < until)
    )


def _keep(connection: sqlite3.Connection, detail: MeasurementDetail) -> None:
    place = [getattr(detail.vantage, field) for field in VANTAGE_FIELDS]
    listing = detail.listing
    connection.execute(
        INSERT,
        (
            detail.id, detail.at, detail.target, detail.service, *place, detail.outcome, detail.method, detail.trigger,
            detail.confidence, _json(detail.rules), _json(detail.evidence), listing.register, listing.listed,
            listing.as_of, listing.basis, _json(listing.entries), detail.rules_version,
        ),
    )  # fmt: skip
    known = comparable_vantage(detail.vantage)
    connection.executemany(
        "INSERT OR IGNORE INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (detail.id, number, *(getattr(known, field) for field in VANTAGE_FIELDS), step, bin_of(seconds))
            for number, (step, seconds) in enumerate(detail.steps)
        ],
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def bin_of(seconds: float) -> int:
    """The bin of a duration."""
    return floor(BINS_PER_DECADE * log10(max(seconds, 1e-6)))


def seconds_of(bin_: int) -> float:
    """The middle of a bin."""
    return float(10 ** ((bin_ + 0.5) / BINS_PER_DECADE))
