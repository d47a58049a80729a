"""What fuzzing found once is tried by every run of the tests, without a fuzzer; and so are its first inputs."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz import oracle
from tests.fuzz.oracle import LONG_BYTES, TooSlow, stretched, try_input
from tests.fuzz.targets import NAMES, target

CORPUS = Path(__file__).parent / "corpus"
MAX_MEMORY_BYTES = 64 * 1024 * 1024
"""For one input, of LONG_BYTES at most."""


def inputs(name: str) -> Iterator[bytes]:
    """The seeds of a target, and what was found since."""
    yield from target(name).SEEDS
    yield from (path.read_bytes() for path in sorted((CORPUS / name).glob("*")))


@pytest.mark.parametrize("name", NAMES)
def test_every_known_input_is_handled_in_bounded_time(name: str) -> None:
    check = target(name).check
    for data in inputs(name):
        try_input(check, data, at_length=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_known_input_takes_bounded_memory(name: str) -> None:
    check = target(name).check
    check(b"")
    tracemalloc.start()
    try:
        for data in inputs(name):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            check(stretched(data))
            assert tracemalloc.get_traced_memory()[1] - before <= MAX_MEMORY_BYTES
    finally:
        tracemalloc.stop()


def test_every_corpus_is_a_targets() -> None:
    assert {path.name for path in CORPUS.iterdir()} <= set(NAMES)


def test_a_long_input_is_long_and_keeps_its_ends() -> None:
    long = stretched(b"GET / HTTP/1.1\r\n")
    assert LONG_BYTES <= len(long) <= LONG_BYTES + 16
    assert (long[:1], long[-1:]) == (b"G", b"\n")


def test_an_input_that_takes_time_by_its_square_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle, "MAX_CPU_S", 0.1)

    def quadratic(data: bytes) -> None:
        for at in range(len(data)):
            data.count(b"x", at)

    with pytest.raises(TooSlow):
        try_input(quadratic, b"yyyy", at_length=True)


def test_without_the_fuzzer_an_unknown_target_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "no-such"],
        capture_output=True,
        text=True,
        check=False,
        cwd=CORPUS.parents[2],
    )
    assert done.returncode == 2
    assert "no-such" in done.stderr
