"""What programs read of a hub: pages that miss nothing, one measurement with its hash, downloads that harm nobody."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results import ooni
from results.db.json_codec import from_plain
from results.db.store import Store
from results.export import exchange
from results.hub import query as hub_query
from results.hub import read_api
from results.hub.query import BadFilter, MeasurementsQuery, parse_query
from tests.results.hub.asgi_client import Inside
from tests.results.hub.in_thread import Got, asked
from tests.results.records import HOME, finished, measurement, target, verdict


def put(folder: Path, *names: str, **changes: Any) -> None:
    """Measurements of these ids into the hub's database, as if they had been received."""
    with closing(Store.open(folder / "hub.db")) as store:
        store.save([finished(name, measurement=measurement(name, **changes)) for name in names])


def rows(got: Got) -> list[dict[str, Any]]:
    return [json.loads(line) for line in got.body.splitlines()]


def ids(got: Got) -> list[str]:
    return [row["measurement_id"] for row in rows(got)]


async def test_the_cursor_pages_through_and_later_arrivals_come_last(tmp_path: Path) -> None:
    with Inside(tmp_path) as app:
        put(tmp_path, *(f"id{number:04}" for number in range(7)))
        first = await asked(app, "/v1/measurements?limit=3")
        put(tmp_path, "late", started_at="2020-01-01T00:00:00.000Z")
        seen, got = ids(first), first
        while 'rel="next"' in got.headers.get("link", ""):
            got = await asked(app, got.headers["link"].partition(">")[0][1:])
            seen += ids(got)
        put(tmp_path, "later")
        more = await asked(app, f"/v1/measurements?after={got.headers['reachprobe-after']}")
    assert seen == [*(f"id{number:04}" for number in range(7)), "late"]
    assert ids(more) == ["later"]


@pytest.mark.slow
@given(
    kinds=st.lists(st.sampled_from(["blocked", "reachable", "control"]), max_size=30),
    most=st.integers(1, 7),
    window=st.integers(1, 9),
)
def test_each_measurement_comes_once_for_any_page_and_window_size(kinds: Sequence[str], most: int, window: int) -> None:
    with _database(kinds) as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub_query, "SCAN_WINDOW", window)
        found, after, more = [], 0, True
        while more:
            page = hub_query.page(
                store.db, MeasurementsQuery(outcome="blocked", after=after), most, max_scan_s=0, clock=lambda: 0
            )
            assert len(page.rows) <= most
            assert page.after > after or not page.more
            found += [row[0] for row in page.rows]
            after, more = page.after, page.more
    assert found == [f"m{number:03}x" for number, kind in enumerate(kinds) if kind == "blocked"]


@contextmanager
def _database(kinds: Sequence[str]) -> Iterator[Store]:
    made = []
    for number, kind in enumerate(kinds):
        name = f"m{number:03}x"
        if kind == "control":
            made.append(finished(name, controls=(measurement(f"{name}c", control_of=name),), verdict=verdict()))
        else:
            made.append(finished(name, verdict=verdict(kind, method="tls.reset" if kind == "blocked" else None)))
    with TemporaryDirectory() as folder, closing(Store.open(Path(folder, "hub.db"))) as store:
        store.save(made)
        yield store


FILTERS = [
    ({"target": "https://www.example.com/"}, {"a001", "a002", "a003"}),
    ({"service": "wechat"}, {"b001"}),
    ({"vantage": "mobile"}, {"a003"}),
    ({"country": "BY"}, {"a003"}),
    ({"asn": "8402"}, {"a003"}),
    ({"path": "vpn"}, {"a002"}),
    ({"outcome": "blocked"}, {"b001"}),
    ({"since": "2026-11-24T18:00:00Z"}, {"a001", "b001"}),
    ({"since": "2026-11-24T19:00:00+01:00", "until": "2026-11-25"}, {"a001"}),
    ({"until": "2026-11-24T18:00:00"}, {"a002", "a003"}),
    ({"flagged": "yes"}, set()),
    ({"flagged": "no", "asn": "12389"}, {"a001", "a002", "b001"}),
    ({"country": "RU", "outcome": "denied"}, set()),
]


@pytest.mark.parametrize(("query", "found"), FILTERS)
async def test_each_filter_selects_what_it_names(tmp_path: Path, query: dict[str, str], found: set[str]) -> None:
    with Inside(tmp_path) as app:
        put(tmp_path, "a001", started_at="2026-11-24T18:00:00.000Z")
        put(tmp_path, "a002", started_at="2026-11-24T17:59:59.999Z", vantage=msgspec.structs.replace(HOME, path="vpn"))
        elsewhere = msgspec.structs.replace(HOME, name="mobile", country="BY", asn=8402)
        put(tmp_path, "a003", started_at="2026-11-24T10:00:00Z", vantage=elsewhere)
        wechat = target("https://www.wechat.com/", service="wechat", host="www.wechat.com")
        with closing(Store.open(tmp_path / "hub.db")) as store:
            when = "2026-11-25T00:00:00Z"
            seen = measurement("b001", target=wechat, started_at=when)
            store.save([finished("b001", measurement=seen, verdict=verdict("blocked", method="tls.reset"))])
        got = await asked(app, f"/v1/measurements?{urlencode(query)}")
    assert got.status == 200
    assert set(ids(got)) == found


WRONG = ["since=yesterday", "asn=x", "asn=0", "outcome=bad", "limit=0", "limit=5001", "after=-1", "color=red",
         "target=", "target=a&target=b", "country=ru", "flagged=maybe", "since=%00", "after=99999999999999999999",
         "target=" + "a" * 2049, "format=csv"]  # fmt: skip


@pytest.mark.parametrize("query", WRONG)
async def test_an_invalid_filter_is_refused_by_name(tmp_path: Path, query: str) -> None:
    with Inside(tmp_path) as app:
        got = await asked(app, f"/v1/measurements?{query}")
    assert got.status == 422
    assert json.loads(got.body)["error"]


@given(st.dictionaries(st.sampled_from(sorted(MeasurementsQuery.__struct_fields__)), st.text(max_size=40), max_size=4))
def test_no_query_breaks_the_parser(query: dict[str, str]) -> None:
    try:
        found = parse_query(query)
    except BadFilter:
        return
    with _database(["blocked", "control"]) as store:
        hub_query.page(store.db, found, found.limit)


async def test_one_measurement_comes_with_its_record_and_the_hash_of_its_observations(tmp_path: Path) -> None:
    with Inside(tmp_path) as app:
        put(tmp_path, "2kq7aaaa")
        got, seen = await asked(app, "/v1/measurements/2kq7aaaa"), await asked(app, "/v1/measurements/2kq7aaaa/seen")
        again = await asked(app, "/v1/measurements/2kq7aaaa", {"if-none-match": got.headers["etag"]})
    said = json.loads(got.body)
    assert (said["measurement_id"], said["outcome"], bool(said["evidence"])) == ("2kq7aaaa", "reachable", True)
    assert said["sha256"] == hashlib.sha256(seen.body).hexdigest()
    record, _ = from_plain(said["record"])
    assert record.measurement.id == "2kq7aaaa"
    assert exchange.observed_json(record) == seen.body
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "name", ["nothere0", "..", "%2e%2e%2fhub.db", "a/b", "x'--", "' OR 1=1", "a" * 300, "\x00abc", "../../etc/passwd"]
)
async def test_an_unknown_id_is_404(tmp_path: Path, name: str) -> None:
    with Inside(tmp_path) as app:
        put(tmp_path, "2kq7aaaa")
        got = await asked(app, f"/v1/measurements/{name}")
    assert got.status == 404
    assert b"error" in got.body


async def test_a_control_is_part_of_its_measurement_only(tmp_path: Path) -> None:
    with Inside(tmp_path) as app:
        with closing(Store.open(tmp_path / "hub.db")) as store:
            store.save([finished("2kq7aaaa", controls=(measurement("2kq7aaaac", control_of="2kq7aaaa"),))])
        alone, whole = await asked(app, "/v1/measurements/2kq7aaaac"), await asked(app, "/v1/measurements/2kq7aaaa")
    assert alone.status == 404
    assert [one["id"] for one in json.loads(whole.body)["record"]["controls"]] == ["2kq7aaaac"]


FORMULAS = ["=HYPERLINK(1)", "+1", "-1", "@SUM", "=cmd|' /C calc'!A0"]


async def test_no_cell_of_a_download_is_a_formula(tmp_path: Path) -> None:
    with Inside(tmp_path) as app:
        for number, formula in enumerate(FORMULAS):
            put(tmp_path, f"f{number:03}", target=target(service=formula))
        got = await asked(app, "/v1/export?format=csv")
    found = list(csv.DictReader(io.StringIO(got.body.decode())))
    assert [row["service"] for row in found] == [f"'{formula}" for formula in FORMULAS]
    assert got.headers["content-disposition"] == 'attachment; filename="reachprobe.csv"'


@pytest.mark.parametrize("form", ["csv", "jsonl", "ooni"])
async def test_a_download_holds_everything_once_in_any_number_of_chunks(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_api, "EXPORT_CHUNK", 2)
    names = [f"id{number:04}" for number in range(7)]
    with Inside(tmp_path) as app:
        put(tmp_path, *names)
        got = await asked(app, f"/v1/export?format={form}&licence=CC-BY-4.0")
        packed = await asked(app, f"/v1/export?format={form}&limit=3", {"accept-encoding": "gzip"})
        none = await asked(app, f"/v1/export?format={form}&outcome=denied", {"accept-encoding": "gzip"})
    lines = got.body.decode().splitlines()
    assert len(lines) == 7 + (form != "ooni")
    assert "CC-BY-4.0" in lines[0] or "CC-BY-4.0" in lines[1]
    assert len(gzip.decompress(packed.body).splitlines()) == 3 + (form == "csv")
    assert len(gzip.decompress(none.body).splitlines()) == (form == "csv")
    if form == "jsonl":
        assert [exchange.read_line(line.encode())[0].measurement.id for line in lines[1:]] == names
    if form == "ooni":
        assert [ooni.read_line(line.encode())[0].measurement.target.text for line in lines] == [target().text] * 7


async def test_a_page_of_records_ends_at_the_size_limit_and_the_next_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_api, "MAX_PAGE_BYTES", 3000)
    with Inside(tmp_path) as app:
        put(tmp_path, "id01", "id02", "id03")
        first = await asked(app, "/v1/measurements?record=yes")
        rest = await asked(app, first.headers["link"].partition(">")[0][1:])
    assert (ids(first), ids(rest)) == (["id01"], ["id02"])
    assert "record=yes" in first.headers["link"]


async def test_a_page_is_compressed_for_clients_that_accept_it(tmp_path: Path) -> None:
    with Inside(tmp_path) as app:
        put(tmp_path, *(f"id{number:04}" for number in range(20)))
        plain = await asked(app, "/v1/measurements")
        packed = await asked(app, "/v1/measurements", {"accept-encoding": "gzip, br"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 5
    assert packed.headers["etag"] != plain.headers["etag"]


@pytest.mark.parametrize("path", ["/v1/measurements", "/v1/measurements/2kq7aaaa", "/v1/export?format=csv"])
async def test_without_read_access_nothing_is_disclosed(tmp_path: Path, path: str) -> None:
    with Inside(tmp_path, "members") as app:
        put(tmp_path, "2kq7aaaa")
        got = await asked(app, path)
    assert got.status == 401
    assert b"2kq7" not in got.body
