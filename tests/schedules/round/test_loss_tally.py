"""Connects that fall silent by chance: how they are counted, and how often a silent one is tried then."""

from __future__ import annotations

from results.judge.verdict import MAX_CONNECTS, ConnectLosses
from schedules.round.siblings import LossTally
from tests.schedules.round.test_siblings import measured

PAGE = ["tcp ok", "tls ok", "http 200"]


def tally(**rounds: list[list[str]]) -> LossTally:
    made = LossTally()
    for name, (main, *again) in rounds.items():
        roles = {"again": again[0]} if again else {}
        made.add((measured(name, f"https://{name}.example/", main=main, **roles),))
    return made


def test_a_line_that_loses_nothing_has_no_tally() -> None:
    assert tally(a=[["dns 23.10.1.1", *PAGE]], b=[["dns 23.10.2.1", "tcp timeout"], ["tcp timeout"]]).of() is None


def test_silence_before_the_first_connect_that_passes_is_a_loss() -> None:
    lost = tally(a=[["dns 23.10.1.1", "tcp timeout"], PAGE], b=[["dns 23.10.2.1", *PAGE]], c=[["dns 23.10.3.1", *PAGE]])
    assert lost.of() == ConnectLosses(lost=1, passed=3)


def test_silence_after_a_connect_that_passed_is_no_loss() -> None:
    assert tally(a=[["dns 23.10.1.1", "tcp ok", "tls timeout"], ["tcp timeout"]]).of() is None


def test_what_is_cut_off_at_an_address_makes_its_silence_no_loss() -> None:
    assert tally(a=[["dns 23.10.1.1", "tcp timeout"], ["tcp ok", "tls reset"]]).of() is None


def test_refusals_and_the_failed_address_itself_do_not_count() -> None:
    lost = tally(a=[["dns 23.10.1.1", "tcp timeout"], PAGE], b=[["dns 23.10.2.1", "tcp refused"], PAGE])
    assert lost.of(measured("x", "https://a.example/", main=["dns 23.10.1.1", "tcp timeout"])) is None


def test_the_more_a_line_loses_the_more_often_a_silent_connect_is_tried() -> None:
    tries = [ConnectLosses(lost=lost, passed=100 - lost).tries() for lost in (1, 10, 30, 90)]
    assert tries == [2, 3, 6, 7]


def test_few_connects_say_little_of_what_a_line_loses() -> None:
    assert ConnectLosses(lost=1, passed=9).tries() > ConnectLosses(lost=10, passed=90).tries()
    assert ConnectLosses(lost=8, passed=1).tries() <= MAX_CONNECTS
