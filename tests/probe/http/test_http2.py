"""What is left of an HTTP/2 server's bytes once a graceful GOAWAY is taken out, however they are cut."""

from __future__ import annotations

import struct
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from probe.http.wire import GoawayFilter

GOAWAY, DATA, HEADERS = 7, 0, 1


def frame(kind: int, payload: bytes, stream: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, 0)) + struct.pack(">I", stream) + payload


def goodbye(last_stream: int, error: int, more: bytes = b"") -> bytes:
    return frame(GOAWAY, struct.pack(">II", last_stream, error) + more)


def sieved(data: bytes, cuts: list[int]) -> bytes:
    sieve = GoawayFilter()
    ends = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return b"".join(sieve(data[start:end]) for start, end in pairwise(ends))


CUTS = st.lists(st.integers(0, 10_000), max_size=40)


@given(CUTS, st.sampled_from([1, 3, 2**31 - 1]), st.binary(max_size=30))
def test_an_answer_behind_a_graceful_goodbye_is_heard(cuts: list[int], last: int, debug: bytes) -> None:
    answer = frame(HEADERS, b"h" * 20, 1) + frame(DATA, b"d" * 300, 1)
    assert sieved(goodbye(last, 0, debug) + answer, cuts) == answer
    assert sieved(answer + goodbye(last, 0, debug), cuts) == answer


@given(CUTS)
def test_a_goodbye_for_an_error_or_without_our_stream_is_handed_on(cuts: list[int]) -> None:
    for refusal in (goodbye(1, 2), goodbye(0, 0), frame(GOAWAY, b"short")):
        whole = frame(DATA, b"", 1) + refusal + frame(DATA, b"x", 1)
        assert sieved(whole, cuts) == whole


@given(st.lists(st.tuples(st.integers(0, 9).filter(lambda kind: kind != GOAWAY), st.binary(max_size=50))), CUTS)
def test_other_frames_pass_untouched(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    whole = b"".join(frame(kind, payload, 1) for kind, payload in frames)
    assert sieved(whole, cuts) == whole


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_bytes_that_are_no_frames_do_no_harm(pieces: list[bytes]) -> None:
    sieve = GoawayFilter()
    assert sum(len(sieve(piece)) for piece in pieces) <= sum(map(len, pieces))
