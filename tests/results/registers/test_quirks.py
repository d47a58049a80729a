"""What stands in real registers and is easily read wrongly; the commoner quirks are with their formats' tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlite_utils

from results.registers.expectation import RegisterLookup
from results.registers.formats import rkn_xml, zapret_csv
from results.registers.names import subnet_text
from results.registers.records import BadRow, ImportReport, RawRow, RegisterEntry, RegisterError
from results.registers.source import RegisterFile

Write = Callable[..., Path]
Import = Callable[..., ImportReport]
NOW = datetime(2017, 5, 9, tzinfo=UTC)
END = ";суд;1;2016-01-01"


def entry(row: str) -> RegisterEntry:
    return zapret_csv.parse(row.encode("cp1251"))


def test_a_cyrillic_name_and_its_a_label_list_the_same_name(
    csv_file: Write, imported: Import, db: sqlite_utils.Database
):
    imported(csv_file(f"1.2.3.4;www.фавбет.бел;;{END[1:]}", f"1.2.3.4;www.xn--80accn9dh.xn--90ais;;{END[1:]}"))
    assert db.execute("SELECT DISTINCT name FROM register_names").fetchall() == [("www.xn--80accn9dh.xn--90ais",)]
    for target in ("https://www.фавбет.бел/", "WWW.ФАВБЕТ.БЕЛ", "www.xn--80accn9dh.xn--90ais"):
        assert len(RegisterLookup(db, country="RU", at=NOW).expect(target).entries) == 2


def test_a_lookalike_of_a_listed_name_is_not_listed(csv_file: Write, imported: Import, db: sqlite_utils.Database):
    imported(csv_file(f"1.2.3.4;bеllonа.ru;;{END[1:]}"))
    assert RegisterLookup(db, country="RU", at=NOW).expect("bellona.ru").listed is False
    assert RegisterLookup(db, country="RU", at=NOW).expect("bеllonа.ru").listed is True


def test_one_name_under_many_decisions_is_one_listing_with_all_of_them(
    csv_file: Write, imported: Import, db: sqlite_utils.Database
):
    imported(csv_file(*[f"1.2.3.4;a.com;;суд;{number};2016-01-{number:02}" for number in range(1, 31)]))
    found = RegisterLookup(db, country="RU", at=NOW).expect("a.com")
    assert [ref.decision_number for ref in found.entries] == [str(number) for number in range(1, 31)]
    assert found.since == "2016-01-01"


def test_a_row_without_addresses_is_read_and_a_part_that_begins_with_one_is_recognised(
    csv_file: Write, imported: Import
):
    found = entry(f";a.com;;{END[1:]}")
    assert (found.block_type, found.names, found.resolved) == ("domain", ("a.com",), ())
    path = csv_file(f";a.com;;{END[1:]}", updated=None, name="dump-00.csv")
    assert imported(path).format == "zapret-csv"
    for other in (b";\n", b";;;;;\n", b"; a comment\n", b";a;b;c;d;2016-13-01\n"):
        assert not zapret_csv.recognises(other)


def test_a_row_with_a_url_and_no_name_blocks_the_url():
    found = entry(f"1.2.3.4;;http://a.com/x{END}")
    assert (found.block_type, found.names, found.urls[0].host, found.subnets) == ("url", (), "a.com", ())


def test_two_names_in_one_column_are_two_names():
    assert entry(f"1.2.3.4;a.com | b.com;;{END[1:]}").names == ("a.com", "b.com")


@pytest.mark.parametrize("written", ["x.com/page", "x.com\\page", "http://x.com/", "HTTP://X.COM", "x.com?a=b"])
def test_a_name_is_cut_where_a_path_begins(written: str):
    assert entry(f"1.2.3.4;{written};;{END[1:]}").names == ("x.com",)


@pytest.mark.parametrize("written", ["*", "*x.com", "*.", "*.*.com", "a.*.com"])
def test_a_star_that_is_no_mask_is_a_bad_row(written: str):
    with pytest.raises(BadRow, match="name"):
        entry(f"1.2.3.4;{written};;{END[1:]}")


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://x.com//", "https://x.com//"),
        ("http://x.com:8001/a", "http://x.com:8001/a"),
        ("http://EvroBox.net/A", "http://evrobox.net/A"),
        ("x.com/page", "http://x.com/page"),
        ("http://x.com/вЂ“", "http://x.com/%D0%B2%D0%82%E2%80%9C"),
    ],
)
def test_urls_as_they_are_written(url: str, key: str):
    assert entry(f"1.2.3.4;x.com;{url}{END}").urls[0].key == key


@pytest.mark.parametrize("url", ["page", "http://", "http://a..b/", "http://x.com:99999/"])
def test_a_url_that_cannot_be_read_does_not_turn_its_host_into_a_listing(
    url: str, csv_file: Write, xml_file: Write, imported: Import
):
    with pytest.raises(BadRow, match="URL"):
        entry(f"1.2.3.4;x.com;{url}{END}")
    inner = f"<url><![CDATA[{url}]]></url><domain>x.com</domain>"
    whole = '<content id="2"><decision org="x"/><domain>a.com</domain></content>'
    report = imported(xml_file(whole, f'<content id="1"><decision org="x"/>{inner}</content>'))
    assert (report.kept, report.skipped) == (1, 1)


def test_a_space_inside_a_decision_number_stays_and_one_at_its_end_goes():
    found = entry("1.2.3.4;a.com;;ФНС;2-6-27/ 2016-02-03-20-АИ ;2016-02-04")
    assert found.decision_number == "2-6-27/ 2016-02-03-20-АИ"


def test_the_last_column_is_the_decisions_date_and_may_be_older_than_the_register():
    found = entry("1.2.3.4;a.com;;суд;2-1;2006-11-23")
    assert (found.decision_date, found.listed_on) == ("2006-11-23", None)


@pytest.mark.parametrize(
    ("authority", "basis"),
    [
        ("ФСКН", "149-FZ 15.1"),
        ("МВД", "149-FZ 15.1"),
        ("ФНС", "149-FZ 15.1"),
        ("Роспотребнадзор", "149-FZ 15.1"),
        ("Росалкогольрегулирование", "149-FZ 15.1"),
        ("Росмолодежь", "149-FZ 15.1"),
        ("Генпрокуратура", "149-FZ 15.3"),
        ("Минкомсвязь", "149-FZ 15.6-1"),
        ("Минцифра", "149-FZ 15.6-1"),
        ("Роскомнадзор", None),
        ("суд", None),
        ("Мосгорсуд", None),
    ],
)
def test_every_authority_is_known_and_three_do_not_tell_the_article_alone(authority: str, basis: str | None):
    found = entry(f"1.2.3.4;a.com;;{authority};б/н;2018-01-01")
    assert (found.authority, found.basis) == (authority, basis)


def test_the_rows_of_the_telegram_blocks_are_subnets_and_not_skipped(
    csv_file: Write, imported: Import, db: sqlite_utils.Database
):
    nets = ("52.0.0.0/11", "18.194.0.0/15", "2a00:1450:4001:0000:0000:0000:0000:0000/48")
    imported(csv_file(*[f"{net};;;Генпрокуратура;27-31-2018/Ид2971-18;2018-04-16" for net in nets]))
    for inside in ("52.31.255.255", "18.195.0.1", "2a00:1450:4001::9"):
        assert [ref.how for ref in RegisterLookup(db, country="RU", at=NOW).expect(inside).entries] == ["subnet"]
    assert RegisterLookup(db, country="RU", at=NOW).expect("52.32.0.0").listed is False


def test_a_dump_of_2014_has_the_urgency_the_version_and_ip_entries(xml_file: Write):
    path = xml_file(
        '<content id="7" includeTime="2014-05-04T10:00:00" urgencyType="1" entryType="3" blockType="ip" ts="x">'
        '<decision date="2014-05-03" number="27" org="Генпрокуратура"/><ip ts="y">1.2.3.4</ip></content>'
    )
    path.write_bytes(path.read_bytes().replace(b'formatVersion="2.4"', b'formatVersion="2.2"'))
    (raw,) = [item for item in rkn_xml.read([RegisterFile(path)]) if isinstance(item, RawRow)]
    found = raw.parse()
    assert (found.urgency, found.basis, found.block_type) == ("1", "149-FZ 15.3", "ip")
    assert [subnet_text(net) for net in found.subnets] == ["1.2.3.4"]
    assert found.listed_on == "2014-05-04"


def test_the_list_of_networks_beside_ukraines_domains_is_no_register(tmp_path: Path, imported: Import):
    path = tmp_path / "asns.json"
    path.write_text(json.dumps({"vk": {"asns": [47541, 47542]}, "yandex": {"asns": [13238]}}))
    with pytest.raises(RegisterError, match="cannot tell the format"):
        imported(path)
