"""A hub's outages, as its page, its CSV and its API show them."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from results.db.store import Store
from results.hub.web import pages
from tests.results.hub.asgi_client import Inside
from tests.results.hub.in_thread import asked
from tests.results.outage_rounds import DAYS, build
from tests.results.report.reports import Read

NOW = datetime(2026, 6, 20, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build(tmp_path / "hub.db", DAYS)
    return tmp_path


async def test_readers_see_outages_apart_from_times_without_data(folder: Path) -> None:
    with Inside(folder, pages=pages(lambda: NOW)) as app:
        page = await asked(app, "/outages")
        russian = await asked(app, "/outages?lang=ru")
        table = await asked(app, "/outages.csv")
        earlier = await asked(app, "/outages?since=2026-05-01&until=2026-05-31")
    shown = Read(page.body.decode()).text
    assert "home-fibre AS12389 no data: no round ran" in shown
    assert "home-fibre AS12389 offline 10 Jun 2026, between 12:00 and 18:00 UTC" in shown
    assert "измерений не было" in Read(russian.body.decode()).text
    gap, outage = csv.DictReader(io.StringIO(table.body.decode()))
    assert (gap["state"], gap["reason"], gap["at_least_h"], gap["at_most_h"]) == (
        "no-data", "not-measured", "48.0", "48.0",
    )  # fmt: skip
    assert (outage["kind"], outage["begin_latest"], outage["end_latest"]) == ("all", "2026-06-10T18:00:00Z", "")
    assert "home-fibre" not in Read(earlier.body.decode()).text


async def test_a_program_reads_the_outages_of_a_period(folder: Path) -> None:
    with Inside(folder) as app:
        found = await asked(app, "/v1/outages?since=2026-06-01")
        later = await asked(app, "/v1/outages?since=2026-06-13")
        unbounded = await asked(app, "/v1/outages")
    outage, gap = map(json.loads, found.body.splitlines())
    assert (outage["state"], outage["hours"], gap["reason"]) == ("offline", [6.0, None], "not-measured")
    assert later.body == b""
    assert unbounded.status == 422


async def test_a_record_with_a_bad_time_spoils_no_page(folder: Path) -> None:
    store = Store.open(folder / "hub.db")
    store.db.execute("UPDATE rounds SET started_at = 'soon' WHERE id LIKE 'r15%'")
    store.db.conn.commit()
    store.close()
    with Inside(folder) as app:
        found = await asked(app, "/v1/outages?since=2026-06-01")
    assert [json.loads(line)["state"] for line in found.body.splitlines()] == ["offline", "no-data"]
