"""What each page says of the three weeks, whose truth is known."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import re
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from starlette.responses import Response

from results.db.store import Store
from results.hub.database import QueryTimeout
from results.hub.web import pages, queries, site
from results.judge.judged import JudgedMeasurement
from tests.results.hub.asgi_client import Inside
from tests.results.hub.in_thread import Got, asked
from tests.results.hub.web.conftest import NOW, Ask
from tests.results.report.reports import Read, english_on

ATOM = "{http://www.w3.org/2005/Atom}"
BEGAN = "12389direct06120701x"
"""The first measurement of the block of WeChat on the first network."""
LISTS = ("changes", "listed", "unlisted", "collateral", "vantages", "silent", "outages", "corrections")


def text(got: Got) -> str:
    assert got.status == 200, got.body
    return Read(got.body.decode()).text


def rows(got: Got) -> list[dict[str, str]]:
    assert got.status == 200, got.body
    assert got.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(got.body.decode())))


async def test_the_matrix_shows_blocks_methods_and_the_register(ask: Ask) -> None:
    said = text(await ask("/"))
    blocked = "WeChat rkn: listed since 5 May 2017, 07:30 UTC ✗ blocked DNS: NXDOMAIN, triggered by the name"
    assert f"{blocked} ■ listed, blocked" in said
    assert "✓ reachable □ listed, not blocked" in said
    assert (
        "LINE rkn: not listed ✗ blocked DNS: NXDOMAIN, triggered by the name ▲ blocked, not listed ✓ reachable" in said
    )
    assert "BlackBerry Messenger rkn: not listed ~ down ~ down ~ down ~ down" in said
    assert "AS1136 via vpn (Netherlands)" in said
    assert "Newest measurement: 21 May 2017, 18:07 UTC" in said


async def test_it_is_in_russian_by_choice_or_by_the_browser(ask: Ask) -> None:
    for got in (await ask("/?lang=ru"), await ask("/", accept_language="de, ru-RU;q=0.9, en;q=0.1")):
        assert got.headers["content-language"] == "ru"
        assert "заблокировано DNS: NXDOMAIN, по имени ■ в реестре, заблокировано" in text(got)
    assert (await ask("/?lang=xx", accept_language="xx;q=z,,;q=")).headers["content-language"] == "en"
    assert 'href="/changes?lang=ru"' in (await ask("/?lang=ru")).body.decode()


async def test_no_english_is_on_a_russian_page(ask: Ask) -> None:
    names = ("/", "/?since=2018-01-01", "/service/wechat", "/service/nothing", "/vantage/home", f"/m/{BEGAN}", "/rules")
    lists = (f"/{name}?since=2017-05-01" for name in LISTS)
    for path in (*names, "/target?is=https%3A%2F%2Fweb.wechat.com%2F", *lists):
        got = await ask(path, accept_language="ru")
        assert english_on(got.body.decode()) == set(), path
    for path in ("/feed.atom", "/badge/wechat.svg", "/badge/signal.svg?since=2018-01-01"):
        root = ElementTree.fromstring((await ask(path, accept_language="ru")).body)
        assert english_on(" ".join(root.itertext())) == set(), path


async def test_the_matrix_of_other_days_and_of_one_country_and_of_some_names(ask: Ask) -> None:
    before = text(await ask("/?since=2017-05-01&until=2017-05-04"))
    assert "WeChat rkn: not listed ✓ reachable ○ not listed, not blocked" in before
    dutch = text(await ask("/?country=NL"))
    assert "AS1136" in dutch
    assert "AS12389" not in dutch
    some = text(await ask("/?find=LINKED"))
    assert "LinkedIn" in some
    assert "WeChat" not in some
    assert "No results for this period" in text(await ask("/?since=2018-01-01"))


async def test_a_services_page_marks_the_listing_and_leads_to_measurements(ask: Ask) -> None:
    got = await ask("/service/wechat")
    page = got.body.decode()
    assert "Russia: listed in rkn since 5 May 2017, 07:30 UTC." in text(got)
    drawn = [ElementTree.fromstring(found) for found in re.findall(r"<svg class=.*?</svg>", page, re.DOTALL)]
    assert len(drawn) == 2
    for one in drawn:
        marks = [mark.get("class") for mark in one.iter("rect")]
        assert len(marks) == 5 * 21
        assert marks.count("mark blocked") == 13 + 15 + 16
        one_day = int(one.findall(".//rect")[1].get("x", "")) - 4
        assert {line.get("x1") for line in one.iter("line")} == {str(4 + 4 * one_day)}
    links = [found["href"] for found in Read(page).all("a") if str(found.get("href")).startswith("/m/")]
    assert len(links) == 2 * 5
    assert text(await ask(str(links[0]))).count("Every step in order") >= 1


async def test_a_target_has_a_page_like_its_services(ask: Ask) -> None:
    said = text(await ask("/target?is=https%3A%2F%2Fweb.wechat.com%2F"))
    assert "AS12389 Rostelecom" in said
    assert "www.wechat.com" not in said
    page = (await ask("/target?is=https%3A%2F%2Fweb.wechat.com%2F")).body.decode()
    (russian,) = [one for one in Read(page).all("a") if one.get("lang") == "ru"]
    got = await ask(str(russian["href"]))
    assert got.headers["content-language"] == "ru"
    assert "AS12389 Rostelecom" in text(got)


async def test_changes_leave_out_reversed_findings_and_the_csv_does_not(ask: Ask) -> None:
    period = "since=2017-05-01"
    said = text(await ask(f"/changes?{period}"))
    assert said.count("✓ reachable → ✗ blocked") == 6
    assert "6 May 2017, between 06:07 and 12:07 UTC" in said
    assert "28 single results that the next measurement did not confirm are not shown" in said
    assert len(rows(await ask(f"/changes.csv?{period}"))) == 6 + 28


async def test_each_list_is_there_in_both_languages_and_as_csv(ask: Ask) -> None:
    for name in LISTS:
        assert (await ask(f"/{name}?lang=ru")).status == 200
        assert rows(await ask(f"/{name}.csv")) is not None
    assert [row["target"] for row in rows(await ask("/unlisted.csv"))] == ["https://line.example/"]
    listed = rows(await ask("/listed.csv?since=2017-05-01"))
    assert {(row["target"], row["blocked"], row["networks"]) for row in listed} == {
        ("https://www.wechat.com/", "3", "4"), ("https://web.wechat.com/", "3", "4"),
    }  # fmt: skip
    assert len(rows(await ask("/matrix.csv"))) == 6 * 5
    assert len(rows(await ask("/service/wechat.csv"))) == 2 * 5
    assert len(rows(await ask("/vantage/home.csv"))) == 2 * 6


async def test_a_measurement_is_explained_step_by_step_with_what_it_takes_to_cite_it(ask: Ask) -> None:
    got = await ask(f"/m/{BEGAN}")
    said = text(got)
    for part in (
        "WeChat: blocked TLS: reset, triggered by the name, confirmed ■ listed, blocked",
        "with the innocuous name innocent.example, 23.10.1.1:443 completes the handshake",
        "rkn: listed since 5 May 2017, 07:30 UTC",
        "decision 3-1 of 5 May 2017, by Роскомнадзор",
        "149-FZ 15.4: a messenger or other organiser",
        "TLS 200 50 23.10.1.1 port 443 for web.wechat.com reset [connection_reset]",
        "tls.sni_ab The name fails at every address",
        f"reachprobe measurement {BEGAN}, https://web.wechat.com/, 6 May 2017, 12:07 UTC, AS12389",
    ):
        assert part in said, part
    seen = await ask(f"/v1/measurements/{BEGAN}/seen")
    assert f"SHA-256 of the observations: {hashlib.sha256(seen.body).hexdigest()}" in said
    assert Read(got.body.decode()).all("a").count({"href": "/rules#tls.sni_ab"}) == 1
    assert {"id": "tls.sni_ab"} in Read((await ask("/rules")).body.decode()).all("div")


@pytest.mark.parametrize(("form", "key"), [("record", "record"), ("ooni", "test_keys")])
async def test_a_measurement_can_be_downloaded_as_a_line(form: str, key: str, ask: Ask) -> None:
    got = await ask(f"/m/{BEGAN}/{form}.jsonl")
    assert key in json.loads(got.body)
    assert got.body.count(b"\n") == 1


async def test_a_control_is_shown_with_its_measurement(ask: Ask, weeks: Path) -> None:
    with closing(sqlite3.connect(weeks)) as db:
        query = "SELECT f.id, c.id FROM measurements c JOIN measurements f ON f.number = c.control_of LIMIT 1"
        name, control = db.execute(query).fetchone()
    said = text(await ask(f"/m/{name}"))
    assert "BlackBerry Messenger: down" in said
    assert "Control measurement: control, control, SE, AS1257" in said
    assert (await ask(f"/m/{control}")).status == 404


async def test_silent_vantages_and_for_how_long(weeks: Path, tmp_path: Path, ask: Ask) -> None:
    assert "None at present" in text(await ask("/silent"))
    assert "home Russia 1 May 2017, 00:07 UTC 21 May 2017, 18:07 UTC 6" in text(await ask("/vantages"))
    shutil.copy(weeks, tmp_path / "hub.db")
    with Inside(tmp_path, pages=pages(lambda: NOW + timedelta(days=9))) as later:
        said = text(await asked(later, "/silent"))
    assert "home Russia 21 May 2017, 18:07 UTC 9.25 days 6" in said
    assert "village" in said


async def test_the_data_of_each_page_can_be_downloaded(ask: Ask) -> None:
    for path, count in (
        ("/?since=2017-05-20&until=2017-05-20", 5 * 6 * 4),
        ("/?since=2017-05-20&until=2017-05-20&country=NL", 6 * 4),
        ("/service/wechat?since=2017-05-20", 2 * 2 * 5 * 4),
        ("/vantage/office?since=2017-05-21", 6 * 4),
    ):
        links = [str(one["href"]) for one in Read((await ask(path)).body.decode()).all("a")]
        exports = [link for link in links if link.startswith("/v1/export?")]
        assert [link.partition("format=")[2].partition("&")[0] for link in exports] == ["csv", "jsonl", "ooni"]
        got = await ask(exports[1])
        assert got.body.count(b"\n") == count, path
    assert len(rows(await ask("/target.csv?is=https%3A%2F%2Fweb.wechat.com%2F"))) == 5


async def test_parallel_readers_share_a_rendered_matrix_until_something_arrives(
    weeks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(weeks, tmp_path / "hub.db")
    drawn: list[str] = []

    def page(ask: Any, template: str, **given: Any) -> Response:
        drawn.append(ask.language)
        return real(ask, template, **given)

    real = site.page
    monkeypatch.setattr(site, "page", page)
    with Inside(tmp_path, pages=pages(lambda: NOW)) as app:
        got = await asyncio.gather(*(asked(app, "/") for _ in range(20)), asked(app, "/?lang=ru"))
        assert sorted(drawn) == ["en", "ru"]
        assert len({one.body for one in got}) == 2
        store = Store.open(tmp_path / "hub.db")
        again = store.finished(BEGAN)
        there = msgspec.structs.replace(
            again.measurement, id="brandnew", started_at="2017-05-21T23:00:00.000Z",
            observations=(), target=msgspec.structs.replace(again.measurement.target, service="brandnew"),
        )  # fmt: skip
        store.save([msgspec.structs.replace(again, measurement=there)])
        store.close()
        for _ in range(200):
            if b"brandnew" in (await asked(app, "/")).body:
                break
            await asyncio.sleep(0.05)
        else:
            pytest.fail("what came is not shown")
    assert len(drawn) == 3


async def test_a_query_timeout_has_a_page(weeks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(weeks, tmp_path / "hub.db")

    def endless(db: Any, period: object) -> None:
        raise QueryTimeout

    monkeypatch.setattr(queries.OwnAnswers, "cells", endless)
    with Inside(tmp_path, pages=pages(lambda: NOW)) as app:
        got = await asked(app, "/?lang=ru")
    assert got.status == 503
    assert "Выберите период покороче" in Read(got.body.decode()).text


async def test_a_recomputed_verdict_is_shown_with_the_earlier_one(weeks: Path, tmp_path: Path) -> None:
    shutil.copy(weeks, tmp_path / "hub.db")
    store = Store.open(tmp_path / "hub.db")

    def otherwise(one: JudgedMeasurement) -> JudgedMeasurement:
        if one.measurement.id != BEGAN:
            return one
        return msgspec.structs.replace(
            one, verdict=msgspec.structs.replace(one.verdict, outcome="inconclusive", method=None, rules_version="next")
        )

    assert len(list(store.reclassify(otherwise))) == 1
    store.db.execute("INSERT INTO members (name, since) VALUES ('home', '2017-05-01')")
    store.db.execute(
        "INSERT INTO received SELECT number, 1, '2017-05-06T12:08:00Z', 'alone' FROM measurements WHERE id = ?", [BEGAN]
    )
    store.db.conn.commit()
    store.close()
    with Inside(tmp_path, pages=pages(lambda: NOW)) as app:
        log = text(await asked(app, "/corrections"))
        page = text(await asked(app, f"/m/{BEGAN}"))
        (row,) = rows(await asked(app, "/corrections.csv"))
    assert "WeChat https://web.wechat.com/ AS12389 Rostelecom home ✗ blocked → ? inconclusive" in log
    assert (row["was_outcome"], row["was_method"], row["outcome"], row["rules_version"]) == (
        "blocked", "tls.reset", "inconclusive", "next",
    )  # fmt: skip
    assert "before: blocked (rules version" in page
    assert "Marked by the hub" in page
    assert "Received 6 May 2017, 12:08 UTC" in page


async def test_the_feed_is_atom_with_an_entry_for_each_change_that_lasts(ask: Ask) -> None:
    got = await ask("/feed.atom")
    assert got.headers["content-type"].startswith("application/atom+xml")
    feed = ElementTree.fromstring(got.body)
    assert feed.tag == f"{ATOM}feed"
    for required in ("id", "title", "updated"):
        assert len(feed.findall(f"{ATOM}{required}")) == 1
    entries = feed.findall(f"{ATOM}entry")
    assert len(entries) == 6
    for entry in entries:
        assert {"id", "title", "updated", "link", "content"} <= {part.tag.removeprefix(ATOM) for part in entry}
        assert (await ask(f"/{entry.find(f'{ATOM}link').get('href')}")).status == 200  # type: ignore[union-attr]
    assert entries[0].findtext(f"{ATOM}title") == "WeChat: now blocked on AS3216"
    assert len({entry.findtext(f"{ATOM}id") for entry in entries}) == 6


async def test_a_badge_says_on_how_many_networks_and_is_a_picture_that_loads_nothing(ask: Ask) -> None:
    for path, said in (
        ("/badge/wechat.svg", "blocked on 3 of 4 networks"),
        ("/badge/wechat.svg?lang=ru", "заблокировано в 3 из 4 сетей"),
        ("/badge/signal.svg", "reachable on 4 networks"),
        ("/badge/signal.svg?since=2018-01-01", "no results this week"),
    ):
        got = await ask(path)
        assert got.headers["content-type"] == "image/svg+xml"
        drawn = ElementTree.fromstring(got.body)
        assert said in "".join(drawn.itertext())
        assert not [one for one in drawn.iter() if one.tag.endswith(("image", "style", "script", "use"))]


@pytest.mark.parametrize(
    "path",
    ["/service/nothing", "/service/nothing.csv", "/target", "/target?is=x", "/vantage/nobody", "/m/none", "/m/%00%0a",
     "/m/12389direct06120701", f"/m/{BEGAN}/other.jsonl", "/badge/nothing.svg"],
)  # fmt: skip
async def test_an_unknown_page_is_404(path: str, ask: Ask) -> None:
    got = await ask(path)
    assert got.status == 404
    assert "Page not found" in Read(got.body.decode()).text


@pytest.mark.parametrize(
    "query", ["since=yesterday", "until=9999-12-31", "since=0001-01-01", "country=%3Cb%3E", "find=%25%27%22--", "lang="]
)
async def test_a_senseless_filter_is_ignored(query: str, ask: Ask) -> None:
    for path in ("/", "/changes", "/service/wechat", "/unlisted", "/listed"):
        assert (await ask(f"{path}?{query}")).status == 200


async def test_every_page_has_a_strict_content_security_policy(ask: Ask) -> None:
    for path in ("/", "/service/wechat", f"/m/{BEGAN}", "/rules", "/service/nothing", *(f"/{name}" for name in LISTS)):
        got = await ask(path)
        policy = got.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "script" not in policy
        assert "unsafe" not in policy
        read = Read(got.body.decode())
        for attribute in ("href", "src", "action"):
            for _, attributes in read.elements:
                assert str(attributes.get(attribute, "/")).startswith(("/", "#")), attributes
                assert not str(attributes.get(attribute, "")).startswith("//"), attributes
        assert not read.all("script")
        assert not [attributes for _, attributes in read.elements if "style" in attributes]
