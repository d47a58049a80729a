"""Which networks block alike, by numbers that can be checked by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.compare import compare, gather
from results.compare.compare import Cell, Compared
from results.compare.similarity import Alike, alike
from tests.results.compare.rows import row, write

METHODS = (None, "reachable", "tls.reset", "dns.forged")


def of(**said: str) -> Alike:
    """Networks by what they do to each service: `r` reset, `f` forged, `.` open, `?` a gap."""
    letters = {"r": "tls.reset", "f": "dns.forged", ".": "reachable", "?": None}
    return likeness({name: [letters[letter] for letter in told] for name, told in said.items()})


def likeness(said: dict[str, list[str | None]]) -> Alike:
    count = max((len(told) for told in said.values()), default=0)
    return alike(_row(n, {name: told[n] for name, told in said.items()}) for n in range(count))


def _row(number: int, cells: dict[str, str | None]) -> Compared:
    made = []
    for name, what in cells.items():
        outcome = what if what in (None, "reachable") else "blocked"
        made.append(Cell(by=name, outcome=outcome, method=what if outcome == "blocked" else None))
    return Compared(
        row=f"service{number}", is_service=True, cells=tuple(made), difference="none", kinds=("none",), says="",
        note=None, courses=(), since=None, at=None,
    )  # fmt: skip


def test_two_of_one_make_are_beside_each_other_and_far_from_the_third() -> None:
    found = of(a="rrrr....", b="ffff....", c="rrrr....")
    pair = found.pair("c", "a")
    assert pair is not None
    assert (pair.agreement, pair.kappa, pair.both_blocked, pair.same_method) == (1.0, 1.0, 4, 4)
    assert abs(found.order.index("a") - found.order.index("c")) == 1
    assert {*found.merges[0].left, *found.merges[0].right} == {"a", "c"}


def test_kappa_is_cohen_s() -> None:
    """20 of 25 agree, 13 expected by chance alone: (0.7 - 0.5) / (1 - 0.5), the example of most textbooks."""
    pair = of(a="r" * 25 + "." * 25, b="r" * 20 + "." * 5 + "r" * 10 + "." * 15).pair("a", "b")
    assert pair is not None
    assert (pair.agreement, pair.kappa) == pytest.approx((0.7, 0.4))


def test_open_everywhere_is_agreement_and_no_likeness() -> None:
    pair = of(a="....", b="....").pair("a", "b")
    assert pair is not None
    assert (pair.agreement, pair.kappa, pair.kappa_interval) == (1.0, None, None)


def test_a_gap_is_nothing_in_common() -> None:
    pair = of(a="rr??", b="??rr").pair("a", "b")
    assert pair is not None
    assert (pair.rows, pair.agreement, pair.interval, pair.distance) == (0, None, None, 1.0)


def test_few_rows_give_a_wide_interval() -> None:
    pair = of(a="rf..", b="rf..").pair("a", "b")
    assert pair is not None
    assert pair.is_small
    assert pair.kappa_interval is not None
    assert pair.kappa_interval[0] < 0.3


@pytest.mark.parametrize("said", [{}, {"a": "rr"}])
def test_one_network_or_none_has_an_order_all_the_same(said: dict[str, str]) -> None:
    found = of(**said)
    assert (found.order, found.pairs, found.merges) == (tuple(said), (), ())


def test_too_many_networks_are_refused(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [row(asn=n + 1, name=f"n{n}") for n in range(301)]
    with gather([write(tmp_path / "a.jsonl", rows)]) as gathered, pytest.raises(ValueError, match="at most 300"):
        alike(compare(gathered, by="network"))


@settings(max_examples=100)
@given(
    st.integers(1, 6).flatmap(
        lambda rows: st.lists(st.lists(st.sampled_from(METHODS), min_size=rows, max_size=rows), max_size=7)
    )
)
def test_everybody_is_in_the_order_once_and_every_pair_is_there(said: list[list[str | None]]) -> None:
    names = [f"n{n}" for n in range(len(said))]
    found = likeness(dict(zip(names, said, strict=True)))
    assert sorted(found.order) == names
    assert len(found.pairs) == len(names) * (len(names) - 1) // 2
    assert len(found.merges) == max(0, len(names) - 1)
    place = {name: n for n, name in enumerate(found.order)}
    for pair in found.pairs:
        assert place[pair.a] < place[pair.b]
        assert 0 <= pair.distance <= 1
        if pair.kappa is not None and pair.kappa_interval is not None:
            assert pair.kappa_interval[0] <= pair.kappa <= pair.kappa_interval[1]
    turned = likeness(dict(zip(names[::-1], said[::-1], strict=True)))
    assert turned.merges == found.merges
