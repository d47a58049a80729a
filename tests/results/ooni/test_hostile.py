"""A record may be anything: it is read or refused, nothing else."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from results import ooni
from results.db.json_codec import row
from results.db.jsonl import BadRecord
from results.db.store import Store
from results.export import exchange
from results.export.exchange import ImportedRecord
from results.judge.judged import JudgedMeasurement
from tests.results.ooni.records import line, older, reachable, record
from tests.results.records import finished, measurement

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["127.0.0.1:443", "depth=3", "http://[::1", "\u001b[2J", "999.1.1.1", "::ffff:1.2.3.4"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
control = measurement("control000000000", control_of="2kq7mmmmmmmmmmmm")
OWN = [json.loads(write(finished(controls=(control,)), None)) for write in (ooni.write_line, exchange.write_line)]
SAMPLES = [record(reachable()), record(older(), "0.4.1"), *OWN]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(copy[path[0]], path[1:], new)
    return copy


@settings(max_examples=600, deadline=None)
@given(data=st.data())
def test_a_record_with_something_else_anywhere_is_read_or_refused(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(SAMPLES))
    for _ in range(data.draw(st.integers(1, 3))):
        sample = put(sample, data.draw(st.sampled_from(places(sample))), data.draw(anything))
    text = json.dumps(sample).encode()
    for read in (ooni.read_line, exchange.read_line):
        with suppress(BadRecord):
            assert isinstance(read(text)[0], JudgedMeasurement)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(data=st.data())
def test_what_was_read_of_it_can_be_kept_listed_and_written_again(tmp_path: Path, data: st.DataObject) -> None:
    lines = []
    for _ in range(3):
        sample = data.draw(st.sampled_from(SAMPLES))
        for _ in range(data.draw(st.integers(1, 3))):
            sample = put(sample, data.draw(st.sampled_from(places(sample))), data.draw(anything))
        lines.append(json.dumps(sample).encode())
    (tmp_path / "lines").write_bytes(b"\n".join(lines))
    store = Store.open(tmp_path / "x.db")
    try:
        for read in (ooni.read_line, exchange.read_line):
            results = list(exchange.import_files(store, [tmp_path / "lines"], read, lambda finished: finished))
            assert len(results) == len(lines)
            assert all(row(result.finished) for result in results if isinstance(result, ImportedRecord))
        for read, write in ((ooni.read_line, ooni.write_line), (exchange.read_line, exchange.write_line)):
            written = list(exchange.export(store, write))
            assert len(written) == len(list(store.rows()))
            assert all(isinstance(read(line)[0], JudgedMeasurement) for line in written)
    finally:
        store.close()


@settings(max_examples=200, deadline=None)
@given(text=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_bytes_that_are_no_record_are_refused(text: bytes) -> None:
    for read in (ooni.read_line, exchange.read_line):
        with pytest.raises(BadRecord):
            read(text)


@pytest.mark.parametrize("shape", [b"[" * 200_000, b'{"test_keys":' * 200_000, b'{"a":' * 900 + b"1" + b"}" * 900])
def test_nesting_without_end_is_refused(shape: bytes) -> None:
    for read in (ooni.read_line, exchange.read_line):
        with pytest.raises(BadRecord):
            read(shape)


def test_depth_in_what_is_not_read_is_refused_too_and_does_no_harm() -> None:
    deep = line({}).replace(b'"test_keys": {}', b'"test_keys": {"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    with pytest.raises(BadRecord, match="nested too deep"):
        ooni.read_line(deep)
