"""A month of a fleet as the warehouse's rows: what `tests.three_weeks` really measured, spread over many vantages.

Each measurement is one of three weeks' own, judged by the real rules, with another place, time and id, other addresses,
times taken and pages; which one it is follows from what its network blocks since when, with the same chances of a
failure that happened once, which is repeated, and of a try that slips through.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from probe.model import Vantage
from probe.net.network import ALPHABET
from results.warehouse import from_database
from results.warehouse.rows import vantage_key
from results.warehouse.schema import VERDICTS, arrow_schema, observations

START = datetime(2026, 10, 1, tzinfo=UTC)
A_DAY = 4
COUNTRIES = ("RU", "RU", "RU", "BY", "KZ", "IR", "TR", "UA", "DE", "NL", "IN", "ID")
REGISTERS = ("RU", "UA", "TR")
NETWORKS, VANTAGES, TARGETS = 60, 300, 128
FLAKES, SLIPS = 1 / 30, 1 / 50
OPEN, RESET, NAME, DOWN, FLAKE = range(5)
SHOWN_BY = {  # kind -> target, vantage, outcome of three weeks
    OPEN: ("https://signal.example/", "home", "reachable"),
    RESET: ("https://www.linkedin.com/", "home", "blocked"),
    NAME: ("https://www.linkedin.com/", "office", "blocked"),
    DOWN: ("https://bbm.example/", "home", "down"),
    FLAKE: ("https://signal.example/", "home", "inconclusive"),
}


class Fleet:
    """Who measures what, and the truth about it; the same for the same seed."""

    def __init__(self, database: Path, seed: int = 15) -> None:
        chance = random.Random(seed)
        (_, _), (_, steps), (_, said) = next(from_database.database_batches(database)).tables
        self.kinds = [_kind(steps, said, *SHOWN_BY[kind]) for kind in range(5)]
        self.networks = [(chance.choice(COUNTRIES), 1000 + n, f"Network {n}") for n in range(NETWORKS)]
        self.vantages = [_vantage(n, self.networks[n % NETWORKS], chance) for n in range(VANTAGES)]
        self.targets = [f"site{n:03d}.example" for n in range(TARGETS)]
        self.down = np.array([chance.random() < 0.02 for _ in self.targets])
        self.blocked_h = np.full((TARGETS, NETWORKS), np.inf)
        self.method = np.array([chance.choice((RESET, RESET, NAME)) for _ in self.networks])
        listed = {c: [chance.random() < 0.15 for _ in self.targets] for c in REGISTERS}
        since = {c: [chance.choice((-1000.0, chance.uniform(0, 500))) for _ in self.targets] for c in REGISTERS}
        for t in range(TARGETS):
            for n, (country, _, _) in enumerate(self.networks):
                if country in REGISTERS and listed[country][t] and chance.random() < 0.85:
                    self.blocked_h[t, n] = since[country][t] + chance.expovariate(1 / 48)
                elif chance.random() < 0.02:
                    self.blocked_h[t, n] = -1000
        self.listed_since = {
            c: [_instant(since[c][t]) if listed[c][t] else None for t in range(TARGETS)] for c in REGISTERS
        }

    def batches(self, rounds: int, seed: int = 16) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Verdicts and observations of one round after the other."""
        chance = np.random.default_rng(seed)
        for number in range(rounds):
            yield self._round(START + timedelta(hours=24 // A_DAY * number), chance)

    def _round(self, at: datetime, chance: np.random.Generator) -> tuple[pa.Table, pa.Table]:
        v, t = (grid.ravel() for grid in np.meshgrid(np.arange(VANTAGES), np.arange(TARGETS), indexing="ij"))
        hours = (at - START).total_seconds() / 3600
        network = v % NETWORKS
        luck = chance.random(v.size)
        blocked = self.blocked_h[t, network] <= hours
        kind = np.where(
            blocked, np.where(luck < SLIPS, OPEN, self.method[network]), np.where(luck < FLAKES, FLAKE, OPEN)
        )
        kind = np.where(self.down[t], DOWN, kind)
        again = np.flatnonzero(kind == FLAKE)
        ids = _ids(v.size + again.size, chance)
        repeats = pa.concat_arrays([pa.nulls(v.size, pa.string()), ids.take(pa.array(again))])
        v, t = np.concatenate([v, v[again]]), np.concatenate([t, t[again]])
        kind = np.concatenate([kind, np.full(again.size, OPEN)])
        began = np.concatenate(
            [chance.integers(0, 600_000, network.size), chance.integers(600_000, 660_000, again.size)]
        )
        started = np.datetime64(at.replace(tzinfo=None), "ms") + began.astype("timedelta64[ms]")
        place = self._places(v, t)
        return self._verdicts(v, t, kind, ids, repeats, started, at, place), self._steps(
            t, kind, ids, started, at, place, chance
        )

    def _places(self, v: np.ndarray, t: np.ndarray) -> dict[str, pa.Array]:
        vantages = self.vantages
        per_target = {
            "target": [f"https://{host}/" for host in self.targets],
            "service": [f"service{n % 32}" for n in range(TARGETS)],
        }
        per_vantage: dict[str, list[Any]] = {
            "vantage": [one.name for one in vantages],
            "country": [one.country for one in vantages],
            "asn": [one.asn for one in vantages],
            "network_name": [one.network_name for one in vantages],
            "path": [one.path for one in vantages],
            "vantage_key": [vantage_key(one) for one in vantages],
        }
        places = {name: pa.array(values).take(pa.array(t)) for name, values in per_target.items()}
        return places | {name: pa.array(values).take(pa.array(v)) for name, values in per_vantage.items()}

    def _verdicts(
        self, v: np.ndarray, t: np.ndarray, kind: np.ndarray, ids: pa.Array, repeats: pa.Array, started: np.ndarray,
        at: datetime, place: dict[str, pa.Array],
    ) -> pa.Table:  # fmt: skip
        said = pa.concat_tables([one[0] for one in self.kinds]).take(pa.array(kind))
        countries = [vantage.country for vantage in self.vantages]
        words = {(c, n): self._expected(c, n, at) for c in dict.fromkeys(countries) for n in range(TARGETS)}
        expected = [words[countries[a], b] for a, b in zip(v.tolist(), t.tolist(), strict=True)]
        outcome = said["outcome"].to_pylist()
        mine = {
            **place,
            "id": ids,
            "repeats": repeats,
            "started_at": pa.array(started),
            "day": pa.array([at.date()] * v.size),
            "round_id": pc.binary_join_element_wise(place["vantage"], f"{at:%d%H}", "-"),
            "host": pa.array(self.targets).take(pa.array(t)),
            "register": pa.array([one[0] for one in expected]),
            "listed": pa.array([one[1] for one in expected], pa.int64()),
            "listed_since": pa.array([one[2] for one in expected]),
            "as_of": pa.array([one[3] for one in expected]),
            "expectation": pa.array([one[4] for one in expected]),
            "agreement": pa.array([_agreement(one[1], how) for one, how in zip(expected, outcome, strict=True)]),
        }
        schema = arrow_schema(VERDICTS)
        return pa.Table.from_arrays([_column(mine.get(f.name, said[f.name]), f.type) for f in schema], schema=schema)

    def _expected(self, country: str | None, target: int, at: datetime) -> tuple[Any, ...]:
        if country not in REGISTERS:
            return None, None, None, None, None
        since = self.listed_since[country][target]
        as_of = f"{at - timedelta(days=1):%Y-%m-%d}T09:00:00Z"
        listed = since is not None and since <= f"{at:%Y-%m-%dT%H:%M:%SZ}"
        told: dict[str, Any] = {
            "target": f"https://{self.targets[target]}/",
            "register": country.lower(),
            "country": country,
            "listed": listed,
        }
        told |= {"since": since[:10], "listed_at": since, "basis": "149-FZ 15.4"} if listed and since else {}
        told |= {"as_of": as_of, "age_days": 0.63, "stale": False}
        text = json.dumps(told, separators=(",", ":"))
        return country.lower(), int(listed), since if listed else None, as_of, text

    def _steps(
        self, t: np.ndarray, kind: np.ndarray, ids: pa.Array, started: np.ndarray, at: datetime,
        place: dict[str, pa.Array], chance: np.random.Generator,
    ) -> pa.Table:  # fmt: skip
        lengths = np.array([one[1].num_rows for one in self.kinds])
        begins = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        many = lengths[kind]
        of = np.repeat(np.arange(kind.size), many)
        nth = np.arange(of.size) - np.repeat(np.cumsum(many) - many, many)
        rows = pa.concat_tables([one[1] for one in self.kinds]).take(pa.array(begins[kind][of] + nth))
        who, what = pa.array(of), pa.array(t[of])
        measurement = ids.take(who)
        took = np.round(chance.lognormal(-3, 0.9, of.size), 6)
        moments = started[of] + (took * 1000 * (nth + 1)).astype("timedelta64[ms]")
        per_target = _foreign(self.targets)
        mine: dict[str, Any] = {name: column.take(who) for name, column in place.items()}
        mine |= {name: pa.array(values).take(what) for name, values in per_target.items()}
        mine |= {
            "measurement": measurement,
            "place": pa.array(nth),
            "day": pa.array([at.date()] * of.size),
            "id": pc.binary_join_element_wise(measurement, pc.cast(pa.array(nth), pa.string()), "."),
            "started_at": pa.array(moments),
            "offset_s": pa.array(np.round(took * nth, 6)),
            "duration_s": pa.array(took),
            "http_headers": _headers(of.size, at, chance),
            "http_length": pa.array(chance.integers(2_000, 200_000, of.size)),
        }
        schema = arrow_schema(observations())
        columns = [_kept(rows[f.name], mine.get(f.name), f.type) for f in schema]
        return pa.Table.from_arrays(columns, schema=schema)


def _kind(steps: pa.Table, said: pa.Table, target: str, vantage: str, outcome: str) -> tuple[pa.Table, pa.Table]:
    """One measurement of three weeks that was found so: its verdict and its steps."""
    wanted = (pc.field("target") == target) & (pc.field("vantage") == vantage) & (pc.field("outcome") == outcome)
    verdict = said.filter(wanted & (pc.field("path") == "direct")).slice(0, 1)
    return verdict, steps.filter(pc.field("measurement") == verdict["id"][0].as_py())


def _vantage(number: int, network: tuple[str, int, str], chance: random.Random) -> Vantage:
    country, asn, name = network
    path = "vpn" if chance.random() < 0.1 else "direct"
    return Vantage(name=f"vantage-{number:04d}", country=country, asn=asn, network_name=name, path=path)


def _foreign(hosts: list[str]) -> dict[str, list[str]]:
    """What differs from target to target in the steps."""
    address = [f"198.51.{n // 250}.{n % 250 + 1}" for n in range(len(hosts))]
    answers = [f'[{{"type":"A","value":"{one}","ttl":300}}]' for one in address]
    sha256 = [f"{n:04x}" * 16 for n in range(len(hosts))]
    return {
        "host": hosts, "address": address, "dns_answers": answers, "tls_server_name": hosts,
        "tls_fingerprint": sha256, "tls_chain": [f'["{one}"]' for one in sha256],
        "http_url": [f"https://{host}/" for host in hosts], "http_body_sha256": sha256,
        "http_title": [f"Title of {host}" for host in hosts],
    }  # fmt: skip


def _headers(size: int, at: datetime, chance: np.random.Generator) -> pa.Array:
    """Heads with a date to the second and a cookie that never comes again."""
    head = f'[["Server","nginx"],["Content-Type","text/html; charset=utf-8"],["Date","{at:%a, %d %b %Y} '
    second = pc.cast(pa.array(chance.integers(0, 86400, size)), pa.string())
    middle = pa.array(['"],["Set-Cookie","session=']).take(pa.array(np.zeros(size, dtype=int)))
    return pc.binary_join_element_wise(pa.scalar(head), second, middle, _ids(size, chance), pa.scalar('"]]'), "")


def _ids(size: int, chance: np.random.Generator) -> pa.Array:
    letters = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)[chance.integers(0, 32, (size, 16))]
    return pa.array(np.ascontiguousarray(letters).view("S16").ravel()).cast(pa.string())


def _kept(shown: pa.ChunkedArray, mine: Any, kind: pa.DataType) -> Any:
    """Our own value, where the measurement that is copied has one at all."""
    if mine is None:
        return shown
    column = _column(mine, kind)
    return column if shown.null_count == 0 else pc.if_else(pc.is_valid(shown), column, pa.scalar(None, kind))


def _column(values: Any, kind: pa.DataType) -> Any:
    return values if values.type == kind else pc.cast(values, kind)


def _agreement(listed: int | None, outcome: str) -> str:
    if listed is None or outcome not in ("blocked", "reachable"):
        return "undecided"
    return {("blocked", 1): "enforced", ("blocked", 0): "unlisted-block", ("reachable", 1): "unenforced"}.get(
        (outcome, listed), "open"
    )


def _instant(hours: float) -> str:
    return f"{START + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"
