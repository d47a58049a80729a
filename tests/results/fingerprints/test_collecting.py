"""From lists to the stored collection: all of them or none, and the old one serves until the new one is whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from results.fingerprints import collection as collecting
from results.fingerprints.collection import Collection, CollectionReport, gather, library_of, load, place, store
from results.fingerprints.fingerprint import FingerprintError
from results.fingerprints.library import builtin_library

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HEADER = (
    "name,scope,other_names,location_found,pattern_type,pattern,confidence_no_fp,expected_countries,source,"
    "exp_url,notes"
)
GOOD = "x.1,isp,,body,contains,Closed by the Example Authority,5,RU,x,,"


def ooni(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEADER, *rows, ""]), "utf-8")
    return path


def signatures(path: Path, **patterns: str) -> Path:
    lines = [json.dumps({"fingerprint": name, "pattern": pattern}) for name, pattern in patterns.items()]
    path.write_text("\n".join([*lines, ""]), "utf-8")
    return path


def gathered(*paths: Path) -> CollectionReport:
    return gather([(path.name, path) for path in paths], NOW)


def test_lists_of_both_kinds_become_one_collection(tmp_path: Path) -> None:
    one = ooni(tmp_path / "http.csv", GOOD, "x.2,fp,,body,contains,Welcome to nginx!,5,,x,,")
    two = signatures(tmp_path / "blockpage_signatures.json", isp_ru_a="http://block.example.ru/", prod_b="Wall blocks")
    found = gathered(one, two)
    assert [(c.format, c.rows, c.kept, c.false_positives) for c in found.collection.sources] == [
        ("ooni-csv", 2, 2, 1),
        ("censoredplanet", 2, 2, 0),
    ]
    assert [p.name for p in found.collection.prints] == ["x.1", "x.2", "cp.isp_ru_a", "cp.isp_ru_a", "cp.prod_b"]
    assert found.collection.updated == "2026-11-24T12:00:00Z"
    assert not found.problems


def test_the_same_pattern_twice_is_one_print(tmp_path: Path) -> None:
    again = GOOD.replace("x.1", "x.2")
    found = gathered(ooni(tmp_path / "http.csv", GOOD, again)).collection
    assert (found.sources[0].kept, len(found.prints)) == (2, 1)


def test_an_unsafe_regexp_is_refused_with_its_line_and_the_reason(tmp_path: Path) -> None:
    unsafe = r"x.2,isp,,body,regexp,blocked (a+)\1,5,RU,x,,"
    found = gathered(ooni(tmp_path / "http.csv", GOOD, unsafe, "x.3,isp,,body,regexp,blocked [by,5,RU,x,,"))
    assert [(p.source, p.line, p.why) for p in found.problems] == [
        ("http.csv", 3, r"no valid regexp: invalid escape sequence: \1"),
        ("http.csv", 4, "no valid regexp: missing ]: [by"),
    ]
    assert found.collection.sources[0].reasons["no valid regexp"] == 2
    assert (found.collection.sources[0].kept, found.collection.sources[0].skipped) == (1, 2)


def test_a_dns_row_is_an_address_or_a_name(tmp_path: Path) -> None:
    rows = (
        "x.1,nat,,dns,full,10.10.34.34,5,IR,x,,",
        "x.2,isp,,dns,full,Block.Example.,5,ID,x,,",
        "x.3,isp,,dns,full,not a name,5,ID,x,,",
        "x.4,isp,,dns,contains,192.0.2.1,5,ID,x,,",
    )
    found = gathered(ooni(tmp_path / "dns.csv", *rows))
    assert [p.pattern for p in found.collection.prints] == ["10.10.34.34", "block.example"]
    assert [p.line for p in found.problems] == [4, 5]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not a known format of fingerprints"),
        (b"<html>not found</html>", "not a known format of fingerprints"),
        (HEADER.encode() + b"\n", "none of 0 rows could be read"),
        (HEADER.encode() + b"\nrubbish\n", "none of 1 rows could be read"),
        (HEADER.encode() + b"\n" + GOOD.encode() + b"\n\xff\xfe\n", "x.csv:3: not UTF-8"),
        (HEADER.encode() + b"\n" + GOOD.encode() + b"\nx.2,isp,,bo", "truncated"),
    ],
)
def test_what_is_no_list_or_not_whole_stops_everything(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(FingerprintError, match=why):
        gathered(ooni(tmp_path / "good.csv", GOOD), path)


def test_a_list_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ooni(tmp_path / "x.csv", *[GOOD] * 20)
    monkeypatch.setattr(collecting, "MAX_ROWS", 10)
    with pytest.raises(FingerprintError, match="more than 10 rows"):
        gathered(path)
    monkeypatch.setattr(collecting, "MAX_SOURCE_BYTES", 100)
    with pytest.raises(FingerprintError, match="more than 100 bytes"):
        gathered(path)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FingerprintError, match=r"gone\.csv: No such file"):
        gathered(tmp_path / "gone.csv")


def test_what_is_stored_is_read_back_and_judges_as_before(tmp_path: Path) -> None:
    database = tmp_path / "x.db"
    assert library_of(database) is builtin_library()
    collection = gathered(ooni(tmp_path / "http.csv", GOOD)).collection
    store(collection, place(database))
    assert load(place(database)) == collection
    assert library_of(database).prints == collection.prints
    assert [path.name for path in tmp_path.glob("x.db.*")] == ["x.db.fingerprints"], "nothing half-made is left"


def test_a_collection_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place(tmp_path / "x.db")
    old = gathered(ooni(tmp_path / "http.csv", GOOD)).collection
    store(old, path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FingerprintError, match="No space left on device; the previous collection was kept"):
        store(Collection(updated="x", sources=(), prints=()), path)
    assert load(path) == old
    assert len(list(tmp_path.glob("x.db.*"))) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b'{"version": 1, "updated": 5}',
        b'{"updated": "", "sources": [], "prints": [{"name": "x", "scope": "isp", "where": "body", "how": "regexp",'
        b' "pattern": "(a+)+b"}]}',
    ],
)
def test_a_damaged_collection_is_said_in_one_line_with_the_way_out(tmp_path: Path, content: bytes) -> None:
    path = place(tmp_path / "x.db")
    path.write_bytes(content)
    with pytest.raises(FingerprintError, match=r"damaged.*fingerprints update"):
        load(path)


def test_without_google_re2_a_stored_regexp_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    regexp = "x.2,isp,,body,regexp,blocked .* order,5,RU,x,,"
    store(gathered(ooni(tmp_path / "http.csv", GOOD, regexp)).collection, tmp_path / "stored")
    monkeypatch.setattr("results.fingerprints.fingerprint.re2", None)
    found = load(tmp_path / "stored")
    assert found is not None
    assert [one.name for one in found.prints] == ["x.1"]


def test_a_collection_of_another_version_is_not_guessed_at(tmp_path: Path) -> None:
    path = place(tmp_path / "x.db")
    path.write_bytes(b'{"version": 9, "updated": "x", "sources": [], "prints": []}')
    with pytest.raises(FingerprintError, match="another version"):
        load(path)
