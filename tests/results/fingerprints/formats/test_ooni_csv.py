"""OONI's two files as they are written: quirks kept, wrong rows named, a list cut short not believed."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.fingerprints.fingerprint import FingerprintError
from results.fingerprints.formats import FingerprintRow, formats, ooni_csv

HEADER = (
    "name,scope,other_names,location_found,pattern_type,pattern,confidence_no_fp,expected_countries,source,"
    "exp_url,notes\n"
)


def rows(*lines: str, end: str = "\n") -> list[FingerprintRow]:
    return list(ooni_csv.read("prints.csv", HEADER + "\n".join(lines) + end))


def test_it_is_known_by_its_header_alone() -> None:
    assert [one.NAME for one in formats() if one.recognises(HEADER)] == ["ooni-csv"]
    assert not ooni_csv.recognises("url,category_code\n")


def test_a_quoted_pattern_keeps_its_commas_quotes_and_lines() -> None:
    (row,) = rows('x.ru_1,isp,"a,b",body,contains,"<h1 class=""x"">one,\ntwo</h1>",10,"RU,BY",x,,')
    (one,) = row.prints
    assert (one.name, one.scope, one.how, one.where, one.sure) == ("x.ru_1", "isp", "contains", "body", 10)
    assert one.pattern == '<h1 class="x">one,\ntwo</h1>'
    assert one.countries == ("RU", "BY")
    assert row.line == 3, "where the row ends"


def test_a_pattern_of_many_kilobytes_is_read_and_the_process_keeps_its_own_limit() -> None:
    before = csv.field_size_limit()
    (row,) = rows(f"x.1,nat,,body,contains,{'A' * 200_000},5,IR,x,,")
    assert len(row.prints[0].pattern) == 200_000
    assert csv.field_size_limit() == before


def test_false_positives_and_benign_injections_are_no_blocks() -> None:
    first, second = rows(
        "x.fp,fp,,body,contains,Welcome to nginx!,5,,x,,", "x.router,injb,,body,contains,/upgrade.htm,5,,x,,"
    )
    assert {first.prints[0].scope, second.prints[0].scope} == {"fp"}


def test_an_empty_or_stray_scope_is_of_unknown_standing() -> None:
    found = rows("x.1,,,dns,full,192.0.2.1,5,ID,x,,", "x.2,prov,,body,contains,long enough,5,,x,,")
    assert [row.prints[0].scope for row in found] == ["unknown", "unknown"]


def test_a_providers_print_without_countries_has_the_one_that_its_name_says() -> None:
    found = rows(
        "cp.c_isp_ru_x,isp,,body,contains,long enough,5,,x,,", "cp.f_gen_x,vbw,,body,contains,long enough,5,,x,,"
    )
    assert [row.prints[0].countries for row in found] == [("RU",), ()]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("x,odd,,body,contains,long enough,5,RU,x,,", "unknown scope: 'odd'"),
        ("x,isp,,body,glob,long enough,5,RU,x,,", "unknown pattern_type: 'glob'"),
        ("x,isp,,body,contains,long enough,5,Russia,x,,", "expected_countries that are none: 'Russia'"),
        ("x,isp,,body,contains,long enough,5,RU,x", "a wrong number of fields: 9 instead of 11"),
        (",isp,,body,contains,long enough,5,RU,x,,", "a name that is empty or too long"),
    ],
)
def test_a_wrong_row_is_named_by_its_line_and_the_others_stay(line: str, why: str) -> None:
    good = "x.1,isp,,body,contains,long enough,5,RU,x,,"
    found = rows(good, line, good)
    assert [(row.line, row.problem) for row in found] == [(2, None), (3, why), (4, None)]


def test_a_list_whose_last_row_is_cut_short_is_not_believed() -> None:
    good = "x.1,isp,,body,contains,long enough,5,RU,x,,"
    with pytest.raises(FingerprintError, match=r"prints\.csv:3: the last row is truncated"):
        rows(good, good[:20], end="")


def test_a_quote_that_never_closes_ends_in_one_line_instead_of_all_memory() -> None:
    with pytest.raises(FingerprintError, match="field larger than field limit"):
        rows('x.1,isp,,body,contains,"' + "x" * 300_000)


@given(st.text(max_size=300))
def test_whatever_a_list_holds_it_is_rows_or_one_error(text: str) -> None:
    try:
        assert all(isinstance(row, FingerprintRow) for row in ooni_csv.read("prints.csv", HEADER + text))
    except FingerprintError:
        pass


def test_a_filter_that_one_chooses_oneself_is_a_product_whatever_its_row_says() -> None:
    (row,) = rows("x.84,isp,cl.dns_prod_dnsfilter_1,dns,full,192.0.2.1,5,RU,x,,")
    assert row.prints[0].scope == "prod"
