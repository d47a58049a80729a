"""Another program's records of one target on one network: what they show together."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from results import ooni
from results.db.store import Store
from results.export import exchange
from results.judge.classify import classify
from results.judge.judged import JudgedMeasurement
from tests.results.ooni.records import GOOD, connect, control, handshake, line, query, reachable

RESET = {
    "queries": [query(GOOD)],
    "tcp_connect": [connect()],
    "tls_handshakes": [handshake(failure="connection_reset")],
    "requests": [],
    "control": control(GOOD),
}
SILENT = RESET | {"tls_handshakes": [handshake(failure="generic_timeout_error")]}
FAILED = {"status": False, "failure": "connection_reset"}
DOWN = RESET | {
    "control": control(GOOD)
    | {"tls_handshake": {f"{GOOD}:443": FAILED}, "http_request": {"status_code": -1, "failure": "connection_reset"}}
}
ALONE = RESET | {"control": None}


def judge(finished: JudgedMeasurement) -> JudgedMeasurement:
    import msgspec

    return msgspec.structs.replace(
        finished, verdict=classify(finished.measurement, finished.controls, finished.context)
    )


def at(hour: int, keys: dict[str, Any], **changes: Any) -> bytes:
    when = f"2026-11-{20 + hour // 24} {hour % 24:02}:00:00"
    return line(keys, measurement_uid=f"uid{hour}{len(changes)}", measurement_start_time=when, **changes)


def imported(folder: Path, *files: list[bytes]) -> list[tuple[str, str | None, str | None]]:
    """Import files of lines one after the other; what was found in the end, oldest first."""
    with Store.open(folder / f"{len(list(folder.iterdir()))}.db") as store:
        for lines in files:
            file = folder / "records.jsonl"
            file.write_bytes(b"\n".join(lines))
            list(exchange.import_files(store, [file], ooni.read_line, judge))
        rows = sorted(store.rows(), key=lambda row: row["started_at"])
        return [(row["outcome"], row["method"], row["confidence"]) for row in rows]


POSSIBLE, PROBABLE = ("blocked", "tls.reset", "possible"), ("blocked", "tls.reset", "probable")
INCONCLUSIVE = ("inconclusive", None, None)


def test_the_third_failure_alike_in_six_hours_is_probable(tmp_path: Path) -> None:
    assert imported(tmp_path, [at(0, RESET), at(3, RESET), at(6, RESET), at(30, RESET)]) == [
        POSSIBLE, POSSIBLE, PROBABLE, PROBABLE,
    ]  # fmt: skip


def test_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    lines = [at(0, RESET), at(3, RESET), at(6, RESET)]
    for order in permutations(lines):
        assert imported(tmp_path, *([one] for one in order)) == [POSSIBLE, POSSIBLE, PROBABLE]


@pytest.mark.parametrize(
    ("lines", "last"),
    [
        ([at(0, RESET), at(1, RESET), at(5, RESET)], POSSIBLE),
        ([at(0, RESET), at(7, RESET)], POSSIBLE),
        ([at(0, RESET), at(3, SILENT), at(7, RESET)], POSSIBLE),
        ([at(0, RESET), at(3, reachable()), at(7, RESET), at(8, RESET)], POSSIBLE),
        ([at(0, RESET), at(3, DOWN), at(7, RESET), at(8, RESET)], POSSIBLE),
        ([at(0, RESET), at(3, ALONE), at(7, RESET)], POSSIBLE),
        ([at(0, RESET), at(3, ALONE), at(7, RESET), at(8, RESET)], PROBABLE),
        ([at(0, ALONE), at(3, ALONE), at(7, ALONE)], INCONCLUSIVE),
        ([at(0, RESET), at(3, RESET, probe_asn="AS3216"), at(7, RESET)], POSSIBLE),
        ([at(0, RESET), at(3, RESET, input="https://www.example.com/other"), at(7, RESET)], POSSIBLE),
        ([at(0, RESET), at(3, RESET, probe_network_name=""), at(7, RESET)], PROBABLE),
    ],
)
def test_what_makes_a_series_and_what_does_not(lines: list[bytes], last: Any, tmp_path: Path) -> None:
    assert imported(tmp_path, lines)[-1] == last


def test_a_record_between_two_others_ends_their_series(tmp_path: Path) -> None:
    """It is imported last."""
    found = imported(tmp_path, [at(0, RESET), at(3, RESET), at(7, RESET)], [at(5, reachable())])
    assert found == [POSSIBLE, POSSIBLE, ("reachable", None, "confirmed"), POSSIBLE]


def test_judging_again_changes_nothing(tmp_path: Path) -> None:
    imported(tmp_path, [at(0, RESET), at(3, RESET), at(7, RESET)])
    with Store.open(tmp_path / "0.db") as store:
        assert list(store.reclassify(judge)) == []
        contexts = [json.loads(row[0] or "{}") for row in store.db.execute("SELECT context FROM measurements")]
        assert sum("earlier" in context for context in contexts) == 2
