"""What a person reads: plain words, safe text, and a table that fits."""

from __future__ import annotations

import io
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from probe.model import Dns, Tcp
from probe.text import safe
from results.db.json_codec import row
from results.judge.verdict import METHODS, Evidence, Outcome
from results.judge.wording import evidence, failed_step
from schedules.render import tables
from schedules.render.output import out
from schedules.render.tables import path_sentences, side_by_side
from schedules.render.text import SIGNS, STYLES, how, method_text, seconds, what
from tests.results.records import finished, measurement, observation, target, verdict


def line(text: str = "https://www.wechat.com/", outcome: Any = "blocked", **changes: Any) -> dict[str, Any]:
    made = finished(measurement=measurement(target=target(text)), verdict=verdict(outcome, **changes))
    return row(made) | {"agreement": "unlisted-block"}


ASKED = Dns(resolver="system", query_type="A")
PAGE = evidence("page.block", name="ru.rostelecom")
REFUSED = evidence("refusal", host="a.x", place="192.0.2.1:443", status=403, reason="No")


def failing(step: str, detail: Any, method: str | None) -> Evidence:
    failed = observation("m", 1, step, detail, failure="odd", duration_s=0.05)
    return evidence("fails", failure=failed_step(failed, method))


@given(st.text())
def test_whatever_the_network_says_is_one_line_without_control_characters(text: str) -> None:
    shown = safe(text)
    assert len(shown) <= 500
    assert not [c for c in shown if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029\u202e"]


def test_every_method_and_every_outcome_has_its_words_and_sign() -> None:
    assert all(method_text(method) != method for method in METHODS if method != "throttled")
    outcomes = set(Outcome.__args__)  # type: ignore[attr-defined]
    assert set(SIGNS) == set(STYLES) == outcomes
    assert len(set(SIGNS.values())) == len(outcomes)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (line(method="tls.reset", trigger="name"), "TLS: reset, triggered by the name"),
        (line(method="tcp.timeout", confidence="possible"), "TCP: timeout, possible"),
        (line(method="http.blockpage", evidence=(PAGE,)), "block page (ru.rostelecom)"),
        (line(outcome="reachable"), ""),
        (line(outcome="down", evidence=(failing("tcp", Tcp(), "tcp.refused"),)), "TCP: refused"),
        (line(outcome="down", evidence=(failing("tcp", Tcp(), None),)), "failed after 0.05 s: odd"),
        (line(outcome="down", evidence=(failing("dns", ASKED, "dns.servfail"),)), "DNS: server failure"),
        (line(outcome="denied", evidence=("valid", "a challenge page")), "a challenge page"),
        (line(outcome="denied", evidence=(REFUSED,)), "status 403 No"),
    ],
)  # fmt: skip
def test_how_is_said_in_few_words(made: dict[str, Any], said: str) -> None:
    assert how(made) == said


def test_a_target_is_said_in_few_letters() -> None:
    assert what("https://www.wechat.com/") == "www.wechat.com"
    assert what("tcp://long.weixin.qq.com:8080") == "tcp://long.weixin.qq.com:8080"


@pytest.mark.parametrize(
    ("duration", "said"), [(0.42, "0.4 s"), (42.0, "42 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_durations_are_said_as_people_say_them(duration: float, said: str) -> None:
    assert seconds(duration) == said


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=60), min_size=1, max_size=5))
def test_the_table_fits_80_columns_and_cuts_no_outcome_or_agreement(hosts: list[str]) -> None:
    rows = [line(f"https://{host}/", method="http.blockpage", trigger="address") for host in hosts]
    file = io.StringIO()
    Console(file=file, width=80, markup=False, highlight=False).print(tables.results_table(rows, 80))
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert file.getvalue().count("blocked, not listed") == len(rows)


def test_in_a_pipe_no_line_ends_in_blanks_and_those_between_words_stay(capsys: pytest.CaptureFixture[str]) -> None:
    console = out()
    console.print("✓ ", end="")
    console.print("fine")
    console.print(
        tables.results_table([line(method="tls.reset"), line("https://a.example/", method="http.blockpage")], 400)
    )
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "✓ fine"
    assert [said for said in printed if said != said.rstrip()] == []


def test_paths_open_nothing_and_close_nothing_where_the_network_was_offline() -> None:
    offline = line(outcome="offline") | {"method": None}
    lines = side_by_side({"direct": [offline], "vpn": [offline]})
    assert list(path_sentences(lines, ["direct", "vpn"])) == []


def test_of_many_rows_only_the_odd_ones_are_shown() -> None:
    usual = line(outcome="reachable") | {"agreement": "open"}
    odd = line(method="tls.reset")
    assert tables.rows_worth_showing([usual] * 20 + [odd]) == [usual] * 20 + [odd]
    assert tables.rows_worth_showing([usual] * 100 + [odd]) == [odd]
    assert tables.most_relevant([usual, odd]) == odd
    assert tables.summary([usual, odd], 4.2) == "2 targets in 4.2 s: 1 reachable, 1 blocked."
