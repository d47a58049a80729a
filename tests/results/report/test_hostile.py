"""Every name and sentence in a record is somebody else's, and may have been made to harm who reads the report."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.i18n.translator import Translator
from results.report import Summary, html, markdown
from results.report import csv as facts
from results.report import pictures as drawing
from tests.results.compare.rows import row, write
from tests.results.report.reports import Read, summary_of

EN = Translator("en")
EVIL = (
    "</title></style><script>alert(1)</script><img src=x onerror=alert(1)> {{ 7 * 7 }} \"' datum.x`"
    "[a](http://a.example)"
)
ELEMENTS = frozenset(
    """
    html head meta title style body header main section nav h1 h2 h3 h4 p ol ul li a dl dt dd div span small table
    caption thead tbody tr th td figure details summary article code br svg desc g path line rect text defs clippath
    """.split()  # noqa: SIM905
)


def evil_rows(text: str) -> list[dict[str, Any]]:
    """A service, targets, a network, a path, a register, rules and sentences of that name, blocked and open."""
    listing = {
        "register": text, "listed": True, "since": "2026-11-20", "since_source": "inclusion", "listed_at": None,
        "as_of": "2026-11-24T00:00:00Z", "basis": text, "entries": [text],
    }  # fmt: skip
    place: dict[str, Any] = {"name": text, "asn": None, "country": "RU"}
    said = {"evidence": [text], "rules": [text], "confidence": "confirmed", "trigger": "name", "expectation": listing}
    made = []
    for hours in range(0, 72, 6):
        outcome = "blocked" if hours > 30 else "reachable"
        target = f"https://www.example.org/{text}"
        made.append(row(outcome, hours=hours, service=text, target=target, **place, **said))
        made.append(row(outcome, hours=hours, service=text, target=target, **{**place, "asn": 12389}, **said))
        made.append(row("reachable", hours=hours, service=text, target=target, **{**place, "path": text}))
    return made


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    return summary_of(write(tmp_path_factory.mktemp("evil") / "rows.jsonl", evil_rows(EVIL)))


def test_no_name_becomes_a_part_of_the_page(evil: Summary) -> None:
    read = Read(html.render(evil, EN))
    assert evil.evidence, "what is told below is there"
    assert {tag for tag, _ in read.elements} <= ELEMENTS
    attributes = [(tag, name, value) for tag, given in read.elements for name, value in given.items()]
    assert not [one for one in attributes if one[1].startswith("on") or one[1] in ("src", "xlink:href", "srcset")]
    assert all(str(value).startswith("#") for _, name, value in attributes if name == "href")
    assert "{{ 7 * 7 }}" in read.text, "a name is no template"


@pytest.mark.slow
def test_the_page_forbids_itself_all_that_it_does_not_need(page: str) -> None:
    metas = Read(page).all("meta")
    policy = next(one["content"] for one in metas if one.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert page.index("Content-Security-Policy") < page.index("<style>")


def test_no_name_becomes_markup_or_a_link(evil: Summary) -> None:
    said = markdown.render(evil, EN)
    for mark in ("<script", "[a](", "://a.example"):
        assert mark not in said
    assert "&lt;script&gt;" in said


@pytest.mark.parametrize("formula", ['=HYPERLINK("http://a.example")', "+1", "-1", "@a", "\t=1"])
def test_no_name_becomes_a_formula(tmp_path: Path, formula: str) -> None:
    found = summary_of(write(tmp_path / "rows.jsonl", evil_rows(formula)))
    for line in csv.reader(io.StringIO(facts.render(found, EN))):
        assert all(not value.startswith(("=", "+", "@", "\t")) for value in line), line


@settings(max_examples=20)
@given(st.text(max_size=300))
def test_whatever_a_name_is_every_form_is_made(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    text = text.encode("utf-8", "replace").decode() or "x"
    found = summary_of(write(tmp_path_factory.mktemp("any") / "rows.jsonl", evil_rows(text)))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(drawing, "EXTRA", ("no_such_module",))
        for language in ("en", "ru"):
            read = Read(html.render(found, Translator(language)))
            assert {tag for tag, _ in read.elements} <= ELEMENTS
            assert markdown.render(found, Translator(language))
            assert facts.render(found, Translator(language))


@pytest.mark.parametrize("text", ["x" * 5000, "\u202e\u2028\x1b[31m" + "𝒳" * 90, "ё 网 " * 200], ids=range(3))
def test_very_long_and_very_odd_names_are_drawn(tmp_path: Path, text: str) -> None:
    found = summary_of(write(tmp_path / "rows.jsonl", evil_rows(text)))
    page = html.render(found, EN)
    assert len(page) < 600_000
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert page.count("<svg") >= 8, "a picture that fails is left out, and here none does"


def test_many_services_and_networks_are_told_in_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "MAX_TIMELINES", 1)
    rows = [
        row("blocked" if (service + network) % 3 else "reachable", service=f"s{service}", target=f"https://s{service}.example/",
            asn=1000 + network, name=f"v{network}", evidence=["it is reset"], rules=["tls.sni_ab"])
        for service in range(90) for network in range(30)
    ]  # fmt: skip
    found = summary_of(write(tmp_path / "rows.jsonl", rows))
    assert len(found.rows) == 60
    assert found.rows_left_out == 30
    assert len(found.evidence) == 120
    assert found.evidence_left_out == 90 * 30 * 2 // 3 - 120
    page = html.render(found, EN)
    assert "30 more services without differences are not shown" in page
    assert len(page) < 8_000_000


def test_lines_that_cannot_be_read_are_passed_over_and_counted(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.jsonl", evil_rows("a service"))
    good = summary_of(file)
    broken = {"expectation": {"register": "r", "listed": True, "as_of": "yesterday"}}
    file.write_text(file.read_text() + "[[[\n" + json.dumps({**row("blocked", service="a service"), **broken}) + "\n")
    found = summary_of(file)
    assert found.skipped == good.skipped + 1
    assert found.enforcements == good.enforcements


def test_nothing_is_said_of_nothing(tmp_path: Path) -> None:
    found = summary_of(write(tmp_path / "rows.jsonl", []))
    assert "No measurements." in Read(html.render(found, EN)).text
    assert "No measurements." in markdown.render(found, EN)
    assert facts.render(found, EN).startswith("section,row,place,what,value\n")
