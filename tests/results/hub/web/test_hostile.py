"""Every name, title and sentence that a hub holds is somebody else's, and may have been made to harm who reads it."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import msgspec
import pytest

from probe.model import Http, Observation, Target, Vantage
from results.db.store import Store
from results.hub.web import pages
from results.i18n.translator import Phrase
from results.judge.judged import JudgedMeasurement
from results.judge.verdict import Evidence
from results.registers.expectation import Expectation
from results.registers.lookup import EntryRef
from tests.results.hub.asgi_client import Inside
from tests.results.hub.in_thread import Got, asked
from tests.results.records import HOME, finished, measurement, verdict
from tests.results.report.reports import Read

NOW = datetime(2026, 11, 26, tzinfo=UTC)
HTML = "\"'></title></style></textarea><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}<!--"
SQL = "'; DROP TABLE measurements; -- %_\" OR 1=1 /*"
ODD = "\u202e\u2028\x00\x1b[31m\ud7ff𝒳" + "ё" * 3000
FORMULA = "=cmd|' /C calc'!A0"
PATHS = "../..//evil.example/?a=b#c"
NASTY = {"html": HTML, "sql": SQL, "odd": ODD, "formula": FORMULA, "paths": PATHS}
LISTS = ("changes", "listed", "unlisted", "collateral", "vantages", "silent", "outages", "corrections")
READ_OUT = ("aria-label", "data-label", "alt", "title", "datetime")
"""Attributes that people are told."""
ELEMENTS = frozenset(
    """
    html head meta title link body a header nav ul li main h1 h2 h3 p form label input select option button table
    caption thead tbody tr th td span small time figure svg g text rect line details summary code dl dt dd div footer
    img
    """.split()  # noqa: SIM905
)


def records(evil: str) -> Iterator[JudgedMeasurement]:
    """A service, a target, a vantage, a network, a path, a register, a page and every sentence of that name: it was
    open, and is blocked."""
    entry = EntryRef(id=evil, how="name", block_type=evil, basis=evil, authority=evil, decision_number=evil,
                     decision_date=evil, listed_on=evil, listed_at=evil, first_seen=evil, last_seen=evil)  # fmt: skip
    place = Vantage(name=evil, country="RU", asn=None, network_name=evil, path="direct")
    for number, (outcome, agreement) in enumerate(
        (("reachable", "unenforced"), ("blocked", "unlisted-block"), ("blocked", "collateral"), ("blocked", "enforced"))
    ):
        for vantage in (place, msgspec.structs.replace(place, path=evil), HOME):
            for service in (evil, None):
                name = f"id-{number}-{len(vantage.path)}-{vantage == HOME}-{service is None}"
                target = Target(text=f"https://a.example/{evil}", scheme="https", host=evil, port=443,
                                request_path=f"/{evil}", service=service, required=True)  # fmt: skip
                made = measurement(name, target=target, vantage=vantage, started_at=f"2026-11-25T1{number}:00:00.000Z")
                made = msgspec.structs.replace(
                    made, observations=tuple(spoiled(one, evil) for one in made.observations)
                )
                unknown = Evidence(evil[:90], evil[:9], {evil[:9]: evil})
                words = Evidence("over.valid_tls", values={"host": evil, "place": Phrase(evil, {"host": [evil]})})
                yield finished(
                    measurement=made,
                    verdict=verdict(outcome, rules=(evil,), evidence=(evil, unknown, words), control=evil,
                                    rules_version=evil, trigger="name",
                                    method="tls.reset" if outcome == "blocked" else None),
                    agreement=agreement,
                    expectation=Expectation(target=evil, register=evil, country="RU", listed=True, since=evil,
                                            basis=evil, as_of=evil, reason=evil, entries=(entry,) * 50),
                )  # fmt: skip


def spoiled(one: Observation, evil: str) -> Observation:
    detail = one.detail
    if isinstance(detail, Http):
        detail = msgspec.structs.replace(detail, url=evil, title=evil, location=evil, headers=((evil, evil),))
    else:
        names = {"resolver", "server_name", "version", "alpn"} & set(detail.__struct_fields__)
        detail = msgspec.structs.replace(detail, **dict.fromkeys(names, evil))
    return msgspec.structs.replace(
        one, host=evil, failure=evil if one.step == "tls" else None, role=evil, detail=detail
    )


@pytest.fixture(params=list(NASTY))
async def visit(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, dict[str, Got]]:
    """What was seen of every page, by its path; and the text that all names are."""
    evil = NASTY[request.param]
    store = Store.open(tmp_path / "hub.db")
    for record in records(evil):
        store.save([record])
    store.close()
    name, target = quote(evil, safe=""), quote(f"https://a.example/{evil}", safe="")
    found: dict[str, Any] = {}
    with Inside(tmp_path, pages=pages(lambda: NOW)) as app:
        for path in ("/", f"/?find={name}&lang={name}&since={name}&country={name}", f"/service/{name}",
                     f"/target?is={target}", f"/vantage/{name}", f"/m/{name}", "/m/id-3-6-False-False", "/feed.atom",
                     f"/badge/{name}.svg", "/matrix.csv", f"/service/{name}.csv",
                     *(f"/{one}{form}" for one in LISTS for form in ("", ".csv"))):  # fmt: skip
            found[path] = await asked(app, path)
    with closing(sqlite3.connect(tmp_path / "hub.db")) as db:
        assert db.execute("SELECT count(*) FROM measurements").fetchone() == (24,)
    return evil, found


async def test_no_name_becomes_markup(visit: tuple[str, dict[str, Got]]) -> None:
    _, found = visit
    for path, got in found.items():
        if not got.headers["content-type"].startswith("text/html"):
            continue
        assert got.status == (404 if path.startswith("/m/") and "id-3" not in path else 200), path
        page = got.body.decode()
        read = Read(page)
        assert {tag for tag, _ in read.elements} <= ELEMENTS, path
        assert [one["src"] for one in read.all("img") if not str(one["src"]).startswith("/badge/")] == []
        for _, attributes in read.elements:
            assert not [name for name in attributes if name.startswith("on") or name == "style"], (path, attributes)
            for name in ("href", "src", "action"):
                assert re.match(r"(/(?!/)|#|$)", str(attributes.get(name) or "")), (path, attributes)
        shown = [value for _, attributes in read.elements for name, value in attributes.items() if name in READ_OUT]
        for letter in ("\u202e", "\u2028", "\x00", "\x1b"):
            assert letter not in read.text, (path, read.text[max(0, read.text.find(letter) - 200) :][:300])
            assert not [value for value in shown if letter in str(value)], path
        assert len(page) < 400_000, path


async def test_odd_names_are_shown_as_they_are(visit: tuple[str, dict[str, Got]]) -> None:
    evil, found = visit
    if evil in (ODD, PATHS):
        return
    said = " ".join(evil.split())
    for path in ("/", "/changes", "/unlisted", "/collateral", "/vantages", "/m/id-3-6-False-False"):
        assert said in Read(found[path].body.decode()).text, path


async def test_a_feed_and_a_badge_are_well_formed_whatever_the_names(visit: tuple[str, dict[str, Got]]) -> None:
    _, found = visit
    feed = ElementTree.fromstring(found["/feed.atom"].body)
    assert len(feed.findall("{http://www.w3.org/2005/Atom}entry")) == 3 * 2
    badge = next(got for path, got in found.items() if path.startswith("/badge/"))
    drawn = ElementTree.fromstring(badge.body)
    assert {one.tag.rpartition("}")[2] for one in drawn.iter()} == {"svg", "title", "rect", "g", "text"}


async def test_no_cell_of_a_csv_is_a_formula(visit: tuple[str, dict[str, Got]]) -> None:
    _, found = visit
    for path, got in found.items():
        if path.endswith(".csv"):
            for row in csv.reader(io.StringIO(got.body.decode())):
                assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t"))], path
