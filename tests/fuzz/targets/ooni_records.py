"""Records in OONI's format, others' and exports of our own: refused in words, or read, judged and written whole."""

from __future__ import annotations

import json

from results import ooni
from results.db.jsonl import BadRecord
from results.ooni.reading import MAX_HOPS
from tests.fuzz.json_mutator import mutated
from tests.fuzz.targets import refused_in_words
from tests.fuzz.targets.own_records import KEYS, NXDOMAIN, RESET, comes_back
from tests.results.ooni import records

INSTRUMENT = ("probe.target", "probe.text", "probe.timestamps", "results")


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    import atheris

    return mutated(data, max_size, seed, atheris.Mutate)


def check(data: bytes) -> None:
    try:
        finished, round_ = ooni.read_line(data)
    except BadRecord as error:
        refused_in_words(error)
        return
    assert all(step.hop <= MAX_HOPS for step in finished.measurement.observations)
    comes_back(finished, round_)


def _ours() -> bytes:
    finished, round_ = ooni.read_line(records.line(KEYS))
    return ooni.write_line(finished, round_)


def _dense(line: bytes) -> bytes:
    return json.dumps(json.loads(line), separators=(",", ":")).encode()


REDIRECTED = {
    "queries": [records.query(records.GOOD), records.query(records.OTHER, engine="doh", depth=1)],
    "tcp_connect": [records.connect(), records.connect(records.OTHER, depth=1)],
    "requests": [
        records.request("https://www.example.com/", 302, "", headers=[["Location", "http://other.example/"]]),
        records.request("http://other.example/", 200, "x", address=f"{records.OTHER}:80", depth=1),
    ],
}
SEEDS = (
    _dense(records.line(KEYS)),
    _dense(records.line(RESET)),
    _dense(records.line(NXDOMAIN, "0.4.2")),
    _dense(records.line(REDIRECTED)),
    _dense(records.line(REDIRECTED, "0.4.2")),
    _dense(_ours()),
)
