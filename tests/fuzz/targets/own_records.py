"""Records of our own, as a stranger's file or a hub's member sends them: refused in words, or stored and shown."""

from __future__ import annotations

import io
import json
import zlib
from pathlib import Path

import msgspec
from msgspec.structs import fields
from rich.console import Console

from probe.model import Observation
from results import ooni
from results.db import read as loading
from results.db.columns import detail_types
from results.db.json_codec import row
from results.db.jsonl import BadRecord
from results.db.store import Store
from results.export import exchange
from results.judge.classify import classify
from results.judge.judged import JudgedMeasurement, RoundRecord
from schedules.render.explain import print_explanation
from tests.fuzz.json_mutator import mutated
from tests.fuzz.targets import is_one_short_line, refused_in_words
from tests.results.ooni import records

INSTRUMENT = ("probe.target", "probe.text", "probe.timestamps", "results", "schedules.render")
STORED = 4
"""One record in so many goes through a database too."""
CONTROLS = {chr(code) for code in range(32)} - {"\n"} | {"\x7f", "\u202e", "\x9b"}


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    import atheris

    return mutated(data, max_size, seed, atheris.Mutate)


def check(data: bytes) -> None:
    try:
        finished, round_ = exchange.read_line(data)
    except BadRecord as error:
        refused_in_words(error)
        return
    comes_back(finished, round_)


def comes_back(finished: JudgedMeasurement, round_: RoundRecord | None) -> None:
    """What was accepted can be judged, written in each format, read again, stored and shown."""
    verdict = classify(finished.measurement, finished.controls, finished.context)
    finished = msgspec.structs.replace(finished, verdict=verdict)
    assert classify(finished.measurement, finished.controls, finished.context) == verdict
    written = exchange.write_line(finished, round_)
    assert exchange.read_line(written) == (finished, round_)
    assert ooni.read_line(ooni.write_line(finished, round_)) == (finished, round_)
    for line in exchange.csv_lines([row(finished)]):
        assert line.count(b'"') % 2 == 0
    shown = io.StringIO()
    print_explanation(finished, Console(file=shown, width=80, markup=False, highlight=False, emoji=False))
    assert not CONTROLS & set(shown.getvalue()), shown.getvalue()
    if zlib.crc32(written) % STORED == 0:
        _is_stored_whole(finished, round_)


def _is_stored_whole(finished: JudgedMeasurement, round_: RoundRecord | None) -> None:
    from sqlite_utils import Database

    from results.db.migrations import add_columns, migrations

    db = Database(memory=True)
    try:
        migrations.apply(db)
        add_columns(db)
        taken = list(exchange.import_lines(Store(db, Path("x")), _line(finished, round_), exchange.read_line, _again))
        (one,) = taken
        if isinstance(one, exchange.SkippedLine):
            assert is_one_short_line(one.why)
        else:
            found = loading.finished(db, one.finished.measurement.id)
            assert exchange.same(found, one.finished)
    finally:
        db.close()


def _line(finished: JudgedMeasurement, round_: RoundRecord | None) -> list[tuple[Path, int, bytes | BadRecord]]:
    return [(Path("x"), 1, exchange.write_line(finished, round_))]


def _again(finished: JudgedMeasurement) -> JudgedMeasurement:
    verdict = classify(finished.measurement, finished.controls, finished.context)
    return msgspec.structs.replace(finished, verdict=verdict, expectation=None, agreement="undecided")


def _seed(keys: dict[str, object], version: str = "0.5.28", *, every_step: bool = False) -> bytes:
    """What one of OONI's records becomes, with a step of every kind where that is asked for."""
    finished, round_ = ooni.read_line(records.line(keys, version))
    measurement = finished.measurement
    if every_step:
        others = [
            Observation(
                id=f"seed.{step}",
                step=step,
                role="main",
                hop=0,
                started_at=measurement.started_at,
                offset_s=0.1,
                duration_s=0.2,
                host=measurement.target.host,
                detail=msgspec.convert({field.name: "x" for field in fields(kind) if field.required}, kind),
            )
            for step, kind in detail_types().items()
        ]
        measurement = msgspec.structs.replace(measurement, observations=(*measurement.observations, *others))
    line = json.loads(exchange.write_line(msgspec.structs.replace(finished, measurement=measurement), round_))
    return json.dumps({"record": line["record"]}, separators=(",", ":")).encode()


GOOD = records.GOOD
KEYS = {
    "queries": [records.query(GOOD)],
    "tcp_connect": [records.connect()],
    "tls_handshakes": [records.handshake()],
    "requests": [records.request(body="<title>x</title>", address=f"{GOOD}:443")],
    "control": records.control(GOOD),
}
RESET = KEYS | {"tls_handshakes": [records.handshake(failure="connection_reset")], "requests": []}
NXDOMAIN = {"queries": [records.query(failure="dns_nxdomain_error")], "control": records.control(GOOD)}
SEEDS = (_seed(KEYS), _seed(RESET), _seed(NXDOMAIN), _seed(KEYS, every_step=True))
