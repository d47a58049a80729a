"""dump.xml: what its entries mean, and what is not let in."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlite_utils

from results.registers.formats import rkn_xml
from results.registers.records import ImportReport, RawRow, RegisterEntry, RegisterError, TruncatedRegister
from results.registers.source import RegisterFile

Write = Callable[..., Path]
Import = Callable[..., ImportReport]

DUDU = (
    '<content id="187730" includeTime="2015-06-04T18:51:53" entryType="4" blockType="domain" hash="6F">'
    '<decision date="2015-06-04" number="1-Restricting" org="Роскомнадзор"/>'
    "<domain><![CDATA[dudu.com]]></domain><ip>144.76.54.85</ip><ip>176.9.130.18</ip></content>"
)


def content(inner: str, **attributes: str) -> str:
    shown = "".join(f' {key}="{value}"' for key, value in ({"id": "1", "entryType": "1"} | attributes).items())
    return f'<content{shown}><decision date="2016-01-01" number="1" org="ФНС"/>{inner}</content>'


@pytest.fixture
def only(xml_file: Write) -> Callable[..., RegisterEntry]:
    """The one entry of a dump with this content."""

    def parse(inner: str, **attributes: str) -> RegisterEntry:
        path = xml_file(content(inner, **attributes))
        (raw,) = [item for item in rkn_xml.read([RegisterFile(path)]) if isinstance(item, RawRow)]
        return raw.parse()

    return parse


def test_an_entry_with_all_that_it_says(xml_file: Write):
    (raw,) = [item for item in rkn_xml.read([RegisterFile(xml_file(DUDU))]) if isinstance(item, RawRow)]
    found = raw.parse()
    assert (found.ref, found.block_type, found.names, found.subnets) == ("187730", "domain", ("dudu.com",), ())
    assert (found.authority, found.decision_number, found.decision_date) == (
        "Роскомнадзор",
        "1-Restricting",
        "2015-06-04",
    )
    assert (found.entry_type, found.basis, found.listed_on) == ("4", "149-FZ 15.4", "2015-06-04")
    assert found.listed_at == 1433433113  # 15:51:53 UTC: Moscow is three hours ahead
    assert len(found.resolved) == 2


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2013-08-15T12:00:00", "2013-08-15T08:00:00+00:00"),
        ("2014-10-26T01:59:59", "2014-10-25T21:59:59+00:00"),
        ("2014-10-26T02:00:00", "2014-10-25T23:00:00+00:00"),
        ("2017-05-04T12:00:00", "2017-05-04T09:00:00+00:00"),
        ("2017-05-04T12:00:00+00:00", "2017-05-04T12:00:00+00:00"),
    ],
)
def test_an_inclusion_time_without_a_zone_is_moscows_which_moved_in_2014(local: str, utc: str):
    found = rkn_xml.moscow(local)
    assert found is not None
    assert found.isoformat() == utc


def test_the_default_block_type_is_by_url_and_an_absent_one_is_the_default(only: Callable[..., RegisterEntry]):
    inner = "<url><![CDATA[https://a.com/x]]></url><domain><![CDATA[a.com]]></domain><ip>1.2.3.4</ip>"
    for attributes in ({}, {"blockType": "default"}):
        found = only(inner, **attributes)
        assert (found.block_type, found.urls[0].scheme, found.names) == ("url", "https", ("a.com",))


def test_a_domain_mask_covers_the_base_name_with_or_without_its_star(only: Callable[..., RegisterEntry]):
    for written in ("*.a.com", "a.com"):
        found = only(f"<domain><![CDATA[{written}]]></domain>", blockType="domain-mask")
        assert (found.block_type, found.masks, found.names) == ("domain-mask", ("a.com",), ())


def test_the_block_type_ip_blocks_addresses_and_subnets_of_both_families(only: Callable[..., RegisterEntry]):
    inner = (
        "<ip>1.2.3.4</ip><ipv6>2001:db8::1</ipv6><ipSubnet>5.6.0.0/16</ipSubnet><ipv6Subnet>2001:db8::/32</ipv6Subnet>"
    )
    found = only(inner, blockType="ip")
    assert (found.block_type, len(found.subnets), found.resolved) == ("ip", 4, ())


def test_a_domain_block_with_only_a_url_in_it_blocks_the_host_and_never_the_addresses(
    only: Callable[..., RegisterEntry],
):
    found = only("<url><![CDATA[http://a.com/x]]></url><ip>1.2.3.4</ip>", blockType="domain")
    assert (found.block_type, found.names, found.subnets) == ("domain", ("a.com",), ())


def test_an_unknown_block_type_is_said_and_taken_by_what_the_entry_holds(only: Callable[..., RegisterEntry]):
    found = only("<domain><![CDATA[a.com]]></domain>", blockType="spell")
    assert found.block_type == "domain"
    assert "blockType 'spell' is unknown" in found.remarks[0]


@pytest.mark.parametrize(
    ("entry_type", "authority", "number", "basis"),
    [
        ("1", "ФНС", "1", "149-FZ 15.1"),
        ("1", "Роскомнадзор", "17-СОБ", "149-FZ 15.1(1)(m)"),
        ("1", "Генпрокуратура", "1", "149-FZ 15.1-1"),
        ("1", "", "1", "149-FZ 15.1-1"),
        ("2", "Мосгорсуд", "1", "149-FZ 15.2"),
        ("3", "Генпрокуратура", "1", "149-FZ 15.3"),
        ("4", "Роскомнадзор", "1", "149-FZ 15.4"),
        ("5", "Мосгорсуд", "1", "149-FZ 15.6"),
        ("5", "Минцифра", "1", "149-FZ 15.6-1"),
        ("5", "Минкомсвязь", "1", "149-FZ 15.6-1"),
        ("6", "суд", "1", "149-FZ 15.5"),
        ("7", "Роскомнадзор", "1", "149-FZ 15.8"),
        ("8", "Генпрокуратура", "1", "149-FZ 15.9"),
        ("9", "суд", "1", None),
    ],
)
def test_the_article_follows_from_the_entry_type(
    entry_type: str, authority: str, number: str, basis: str | None, xml_file: Write
):
    path = xml_file(
        f'<content id="1" entryType="{entry_type}"><decision date="2016-01-01" number="{number}" org="{authority}"/>'
        "<domain>a.com</domain></content>"
    )
    (raw,) = [item for item in rkn_xml.read([RegisterFile(path)]) if isinstance(item, RawRow)]
    assert raw.parse().basis == basis


def test_a_version_is_as_new_as_its_newest_part(tmp_path: Path, imported: Import):
    path = tmp_path / "dump.xml"
    path.write_text(
        '<reg:register xmlns:reg="http://rsoc.ru" updateTime="2015-08-03T15:00:00+03:00" '
        f'updateTimeUrgently="2015-08-03T18:00:00+03:00" formatVersion="2.4">{content("<domain>a.com</domain>")}'
        "</reg:register>",
        encoding="utf-8",
    )
    assert imported(path).updated == "2015-08-03T15:00:00Z"


def test_book_keeping_that_changes_makes_no_new_entry(xml_file: Write, imported: Import):
    imported(xml_file(DUDU))
    again = DUDU.replace('hash="6F"', 'hash="70" ts="2017-05-08T00:00:00+03:00"').replace("<ip>", '<ip ts="x">')
    report = imported(xml_file(again, updated="2017-05-09T12:00:00+03:00"))
    assert (report.added, report.removed) == (0, 0)


def test_parts_cut_in_the_middle_of_a_tag_are_read_as_one(xml_file: Write, imported: Import, tmp_path: Path):
    whole = xml_file(DUDU, content("<domain>a.com</domain>")).read_bytes()
    cut = whole.index(b"cludeTime")
    parts = [tmp_path / "dump.xml.00", tmp_path / "dump.xml.01"]
    parts[0].write_bytes(whole[:cut])
    parts[1].write_bytes(whole[cut:])
    assert imported(*parts).entries == 2


def test_a_zip_with_the_dump_and_its_signature(xml_file: Write, imported: Import, tmp_path: Path):
    packed = tmp_path / "register.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("dump.xml", xml_file(DUDU).read_bytes())
        archive.writestr("dump.xml.sig", b"signature")
    assert imported(packed).entries == 1


@pytest.mark.parametrize("keep", [0, 30, 200, 350, -1, -12])
def test_a_dump_that_ends_early_is_truncated_wherever_it_ends(keep: int, xml_file: Write, imported: Import):
    path = xml_file(DUDU)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(TruncatedRegister):
        imported(path, format="rkn-xml")


def test_an_entry_that_cannot_be_read_is_skipped_and_named(xml_file: Write, imported: Import):
    report = imported(
        xml_file(
            DUDU,
            content("<domain>!!</domain>", id="2"),
            content("", id="3"),
            "<other/>",
            content("<a><b/></a>", id="4"),
        )
    )
    assert (report.rows, report.kept, report.skipped) == (5, 1, 4)
    assert len(report.problems) == 4
    assert any("part of a name" in problem.why for problem in report.problems)


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE r [<!ENTITY a "b"><!ENTITY c "&a;&a;&a;">]>',
        '<!DOCTYPE r SYSTEM "file:///etc/passwd">',
        "<!DOCTYPE r>",
    ],
)
def test_a_document_type_is_refused_before_any_entity_is(head: str, tmp_path: Path, imported: Import):
    path = tmp_path / "dump.xml"
    path.write_text(
        f'{head}<reg:register xmlns:reg="http://rsoc.ru" updateTime="2015-08-03T15:00:00+03:00"></reg:register>'
    )
    with pytest.raises(RegisterError, match="document type"):
        imported(path)


def test_deep_nesting_and_an_endless_tag_are_refused(tmp_path: Path, imported: Import):
    deep, endless = tmp_path / "deep.xml", tmp_path / "endless.xml"
    head = '<reg:register xmlns:reg="http://rsoc.ru" updateTime="2015-08-03T15:00:00+03:00">'
    deep.write_text(head + "<a>" * 1000)
    endless.write_text(head + '<content id="' + "x" * (20 << 20))
    with pytest.raises(RegisterError, match="deeper"):
        imported(deep)
    with pytest.raises(RegisterError, match="16 MiB"):
        imported(endless)


def test_an_encoding_no_register_has_is_refused(tmp_path: Path, imported: Import):
    path = tmp_path / "dump.xml"
    path.write_bytes(b'<?xml version="1.0" encoding="utf-7"?><reg:register xmlns:reg="http://rsoc.ru"/>')
    with pytest.raises(RegisterError, match="utf-7"):
        imported(path)


def test_a_value_without_end_is_cut_off_and_the_entry_skipped(xml_file: Write, imported: Import):
    report = imported(
        xml_file(content(f"<domain>{'x' * (5 << 20)}</domain>"), content("<domain>a.com</domain>", id="2"))
    )
    assert (report.kept, report.skipped) == (1, 1)


def test_the_sample_is_a_register_like_any_other(imported: Import, db: sqlite_utils.Database):
    from results.registers import sample_path

    report = imported(sample_path())
    assert (report.format, report.rows, report.skipped, report.reasons) == ("rkn-xml", 8, 0, {})
