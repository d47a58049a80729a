"""The zapret CSV and its quirks, each as a row seen in the wild."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from results.registers.formats import zapret_csv
from results.registers.names import address_text, subnet_text
from results.registers.records import BadRow, RegisterEntry, TruncatedRegister

Write = Callable[..., Path]


def entry(row: str) -> RegisterEntry:
    return zapret_csv.parse(row.encode("cp1251"))


def test_a_row_with_a_url_blocks_that_url():
    found = entry("108.162.206.77;0chan.hk;http://0chan.hk/h/;Роскомнадзор;9843-URL-on;2013-08-06")
    assert found.block_type == "url"
    assert [url.key for url in found.urls] == ["http://0chan.hk/h/"]
    assert (found.authority, found.decision_number, found.decision_date) == (
        "Роскомнадзор",
        "9843-URL-on",
        "2013-08-06",
    )
    assert found.basis == "149-FZ 15.1"


def test_a_row_with_a_name_alone_blocks_the_name_and_none_of_its_addresses():
    found = entry("144.76.54.85 | 176.9.130.18;dudu.com;;Роскомнадзор;1-Restricting;2015-06-04")
    assert (found.block_type, found.names, found.subnets) == ("domain", ("dudu.com",), ())
    assert [address_text(packed) for packed in found.resolved] == ["144.76.54.85", "176.9.130.18"]
    assert found.basis == "149-FZ 15.4"


def test_a_row_with_addresses_alone_blocks_the_addresses():
    found = entry("148.251.140.112 | 148.251.140.113;;;ФНС;2-6-27/ 2016-02-03-20-АИ;2016-02-04")
    assert found.block_type == "ip"
    assert [subnet_text(net) for net in found.subnets] == ["148.251.140.112", "148.251.140.113"]
    assert found.resolved == ()


def test_a_subnet_in_the_first_column_is_blocked_as_a_subnet():
    found = entry("91.108.4.0/22;;;суд;2971-18;2018-04-16")
    assert [subnet_text(net) for net in found.subnets] == ["91.108.4.0/22"]


def test_a_mask_row_with_bare_bars_between_its_addresses():
    found = entry(
        "104.18.38.205|104.18.39.205|193.42.110.121;*.ebooi-casino.net;;ФНС;2-6-27/2016-12-20-90-АИ;2016-12-20"
    )
    assert (found.block_type, found.masks, found.names) == ("domain-mask", ("ebooi-casino.net",), ())
    assert len(found.resolved) == 3


def test_addresses_in_full_ipv6_form_stand_among_the_others():
    found = entry("104.27.190.63 | 2606:4700:3031:0000:0000:0000:681b:be3f;smotret-kinogo.online;;ФНС;1;2020-01-14")
    assert [address_text(packed) for packed in found.resolved] == ["104.27.190.63", "2606:4700:3031::681b:be3f"]


def test_several_urls_in_one_row_and_an_https_one_among_them():
    found = entry(
        "1.2.3.4;a.online;https://a.online/4291.html | http://a.online/4292.html;Мосгорсуд;определение № 2И;2020-01-14"
    )
    assert [(url.scheme, url.host) for url in found.urls] == [("https", "a.online"), ("http", "a.online")]


def test_a_bar_inside_a_url_does_not_cut_it():
    found = entry("1.2.3.4;a.com;http://a.com/x|y;суд;1;2016-01-01")
    assert [url.key for url in found.urls] == ["http://a.com/x%7Cy"]


def test_a_quoted_url_keeps_its_semicolons():
    found = entry(
        '192.114.187.41;wirade.ru;"https://wirade.ru/YaBB.pl?board=polit;action=display;num=1";Генпрокуратура;27;2017-05-12'
    )
    assert found.urls[0].text == "https://wirade.ru/YaBB.pl?board=polit;action=display;num=1"


def test_doubled_quotes_inside_quotes():
    found = entry('1.2.3.4;a.com;"http://a.com/?q=""x""";суд;1;2016-01-01')
    assert found.urls[0].text == 'http://a.com/?q="x"'


@pytest.mark.parametrize(
    "row", ['1.2.3.4;a.com;"http://a.com/x;суд;1;2016-01-01', '1.2.3.4;a.com;"x"y";суд;1;2016-01-01']
)
def test_quotes_that_do_not_match_make_a_bad_row(row: str):
    with pytest.raises(BadRow, match="quotes"):
        entry(row)


def test_a_cyrillic_name_and_its_a_label_are_one_name():
    one = entry("1.2.3.4;www.фавбет.бел;;ФНС;1;2016-04-05")
    other = entry("1.2.3.4;www.xn--80abchr3f.xn--90ais;;ФНС;1;2016-04-05")
    assert one.names[0].startswith("www.xn--")
    assert one.names[0].endswith(".xn--90ais")
    assert other.names[0].endswith(".xn--90ais")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("avtomatyigrovye.su.", "avtomatyigrovye.su"),
        ("spajs_meleuz.eurobro.biz", "spajs_meleuz.eurobro.biz"),
        ("EvroBox.net", "evrobox.net"),
        ("ev\u00adro.net", "evro.net"),
        ("http:/\\x.com", "x.com"),
        ("x,com", "x.com"),
        ("x.com:8001", "x.com"),
        (" x .com", "x.com"),
    ],
)
def test_names_in_the_spellings_that_occur(written: str, meant: str):
    assert entry(f"1.2.3.4;{written};;суд;1;2016-01-01").names == (meant,)


def test_an_address_in_the_place_of_a_name_is_an_address():
    found = entry("5.45.64.1;5.45.64.1;;суд;1;2016-01-01")
    assert (found.block_type, found.names) == ("ip", ())
    assert [subnet_text(net) for net in found.subnets] == ["5.45.64.1"]


def test_an_address_as_the_host_of_a_url_is_no_block_of_the_address():
    found = entry("5.45.64.1;5.45.64.1;http://5.45.64.1/x;суд;1;2016-01-01")
    assert (found.block_type, found.subnets) == ("url", ())
    assert found.urls[0].host == "5.45.64.1"


def test_a_url_with_a_port_and_a_scheme_nobody_knows():
    found = entry("1.2.3.4;iserver1.tv;newcamd525://iserver1.tv:4001;суд;1;2016-01-01")
    assert (found.urls[0].scheme, found.urls[0].host, found.urls[0].key) == (
        "newcamd525",
        "iserver1.tv",
        "newcamd525://iserver1.tv:4001/",
    )


def test_rows_that_differ_in_the_fragment_alone_are_two_entries_with_one_url():
    rows = [f"1.2.3.4;a.com;http://a.com/x#head_{n};суд;1;2016-01-01" for n in (1, 2)]
    first, second = map(entry, rows)
    assert first.key != second.key
    assert first.urls[0].key == second.urls[0].key == "http://a.com/x"


def test_the_decision_number_is_free_text_with_stray_spaces():
    found = entry("1.2.3.4;a.com;;Генпрокуратура;27-31-2015/Ид831-15 ;2015-06-01")
    assert found.decision_number == "27-31-2015/Ид831-15"
    assert entry("1.2.3.4;a.com;;суд;б/н;2015-06-01").decision_number == "б/н"


@pytest.mark.parametrize("number", ["&кваот;", "вЂ“ 12", "2a-15", "2а-15"])
def test_mojibake_and_lookalikes_in_a_number_stay_as_they_are(number: str):
    row = f'1.2.3.4;a.com;;суд;"{number}";2015-06-01' if ";" in number else f"1.2.3.4;a.com;;суд;{number};2015-06-01"
    assert entry(row).decision_number == number


@pytest.mark.parametrize(
    "row", ["104.25.66.31;a.com;Роскомнадзор", "104.25.66.31;a.com;;Роскомнадзор", "104.25.66.31;a.com"]
)
def test_the_trimmed_rows_of_2024_have_no_url_number_or_date(row: str):
    found = entry(row)
    assert (found.block_type, found.names, found.decision_number, found.decision_date) == (
        "domain",
        ("a.com",),
        None,
        None,
    )


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("1.2.3.4", "1 columns"),
        ("1.2.3.4;a;b;c;d;e;f", "7 columns"),
        (";;;суд;1;2016-01-01", "neither"),
        ("1.2.3.999;;;суд;1;2016-01-01", "address"),
        ("1.2.3.4;..;;суд;1;2016-01-01", "name"),
        ("1.2.3.4;a b!c.com;;суд;1;2016-01-01", "name"),
        ("1.2.3.4;\0.com;;суд;1;2016-01-01", "NUL"),
    ],
)
def test_a_bad_row_says_what_is_wrong(row: str, why: str):
    with pytest.raises(BadRow, match=why):
        entry(row)


def test_a_name_that_cannot_be_read_does_not_turn_its_addresses_into_blocks():
    with pytest.raises(BadRow):
        entry("1.2.3.4;!!!;;суд;1;2016-01-01")


def test_an_undefined_byte_of_cp1251_is_a_bad_row():
    with pytest.raises(BadRow, match="0x98"):
        zapret_csv.parse(b"1.2.3.4;a\x98.com;;x;1;2016-01-01")


def test_what_is_odd_but_readable_is_kept_with_a_remark():
    found = entry("1.2.3.4 | 1.2.3.;a.com;;суд;1;01.02.2016")
    assert found.names == ("a.com",)
    assert [remark.partition(":")[0] for remark in found.remarks] == ["address", "date"]


@pytest.mark.parametrize(
    ("authority", "number", "date", "basis"),
    [
        ("ФСКН", "2/1/11-36058", "2015-01-01", "149-FZ 15.1"),
        ("Генпрокуратура", "27-31-2015/Ид831-15", "2015-01-01", "149-FZ 15.3"),
        (
            "Мосгорсуд",
            "определение о предварительном обеспечении по заявлению № 2и-0351/2015",
            "2015-08-01",
            "149-FZ 15.2",
        ),
        ("Мосгорсуд", "3-0647/2015", "2016-01-01", None),
        ("суд", "2-1284/2015", "2015-07-07", "149-FZ 15.1"),
        ("суд", "2-3491/2016", "2016-08-04", None),
        ("Минцифра", "1", "2021-01-01", "149-FZ 15.6-1"),
    ],
)
def test_the_article_is_told_only_where_authority_number_and_date_tell(
    authority: str, number: str, date: str, basis: str | None
):
    assert entry(f"1.2.3.4;a.com;;{authority};{number};{date}").basis == basis


def test_the_last_row_cut_short_without_a_line_feed_is_a_truncated_file(
    csv_file: Write, imported: Callable[..., object]
):
    for rest in (
        "104.25.66.31 | 104.25.67.",
        "1.2.3.4;b.com;;суд;1;2016-0",
        "1.2.3.4;b.com;;суд",
        '1.2.3.4;b.com;"http',
    ):
        path = csv_file("1.2.3.4;a.com;;суд;1;2016-01-01", rest, end="")
        with pytest.raises(TruncatedRegister, match="line 3"):
            imported(path)


def test_a_whole_last_row_without_a_line_feed_is_whole(csv_file: Write, imported: Callable[..., object]):
    report = imported(csv_file("1.2.3.4;a.com;;суд;1;2016-01-01", "1.2.3.4;b.com;;суд;1;2016-01-01", end=""))
    assert (report.rows, report.entries) == (2, 2)


def test_line_ends_of_windows_and_empty_lines_do_no_harm(tmp_path: Path, imported: Callable[..., object]):
    path = tmp_path / "dump.csv"
    path.write_bytes(b"Updated: 2016-01-02 00:00:00 +0000\r\n1.2.3.4;a.com;;x;1;2016-01-01\r\n\r\n")
    report = imported(path)
    assert (report.rows, report.skipped, report.reasons) == (1, 0, {})


def test_parts_have_no_first_line_and_are_read_in_any_order(csv_file: Write, imported: Callable[..., object]):
    parts = [csv_file(f"1.2.3.4;a{n}.com;;суд;1;2016-01-01", updated=None, name=f"dump-0{n}.csv") for n in range(3)]
    report = imported(*reversed(parts))
    assert (report.rows, report.entries, report.updated) == (3, 3, None)


def test_a_packed_file_is_read_as_it_is(csv_file: Write, imported: Callable[..., object]):
    path = csv_file("1.2.3.4;a.com;;суд;1;2016-01-01")
    packed = path.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    report = imported(packed)
    assert (report.rows, report.updated) == (1, "2017-05-08T09:00:00Z")


def test_a_bad_row_is_counted_and_named_by_its_line(csv_file: Write, imported: Callable[..., object]):
    report = imported(csv_file("1.2.3.4;a.com;;суд;1;2016-01-01", "rubbish", "1.2.3.4;a.com;;суд;1;2016-01-01", "more"))
    assert (report.rows, report.kept, report.skipped, report.entries) == (4, 2, 2, 1)
    assert [(problem.line, problem.why) for problem in report.problems] == [
        (3, "1 columns instead of 6"),
        (5, "1 columns instead of 6"),
    ]
    assert report.reasons == {"1 columns instead of 6": 2}


def test_a_first_line_without_a_date_is_said_and_the_version_is_the_moment_of_the_import(
    tmp_path: Path, imported: Callable[..., object]
):
    path = tmp_path / "dump.csv"
    path.write_bytes(b"Updated: yesterday\n1.2.3.4;a.com;;x;1;2016-01-01\n")
    report = imported(path)
    assert report.updated is None
    assert report.rows == report.kept == 1
    assert "no date in the first line:" in report.reasons


@pytest.mark.parametrize(
    ("head", "known"),
    [
        (b"Updated: 2016-03-10 07:00:00 +0000\n", True),
        (b"1.2.3.4 | 1.2.3.5;;;x;1;2016-01-01\n", True),
        (b"91.108.4.0/22;;;x;1;2016-01-01\n", True),
        (b"name;of;things\n", False),
        (b"<?xml version='1.0'?>\n", False),
        (b"", False),
    ],
)
def test_it_recognises_its_own(head: bytes, known: bool):
    assert zapret_csv.recognises(head) is known


def test_a_dump_that_somebody_converted_to_utf_8_reads_the_same(
    csv_file: Write, imported: Callable[..., object], tmp_path: Path
):
    row = "1.2.3.4;www.фавбет.бел;;ФНС;2-6-27/2016-03-06-47-АИ;2016-04-05"
    assert zapret_csv.parse(row.encode("utf-8")) == zapret_csv.parse(row.encode("cp1251"))
    path = tmp_path / "utf8.csv"
    path.write_text(f"\ufeffUpdated: 2016-04-06 00:00:00 +0000\n{row}\n", encoding="utf-8")
    assert imported(path).updated == "2016-04-06T00:00:00Z"


def test_a_row_with_hundreds_of_addresses():
    ips = " | ".join(f"10.0.{number // 256}.{number % 256}" for number in range(370))
    assert len(entry(f"{ips};a.com;;суд;1;2016-01-01").resolved) == 370


def test_a_lookalike_name_is_another_name():
    found = entry("1.2.3.4;bеllonа.ru;;суд;1;2016-01-01")
    assert found.names[0].startswith("xn--")


def test_a_mask_with_urls_beside_it_is_still_a_mask():
    found = entry("1.2.3.4;*.a.com;http://a.com/x;суд;1;2016-01-01")
    assert (found.block_type, found.masks) == ("domain-mask", ("a.com",))
