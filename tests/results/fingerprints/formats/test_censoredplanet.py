"""Censored Planet's signatures in their older and newer spelling."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.fingerprints.fingerprint import Fingerprint, FingerprintError
from results.fingerprints.formats import FingerprintRow, censoredplanet, formats


def line(fingerprint: str, pattern: str) -> str:
    return json.dumps({"fingerprint": fingerprint, "pattern": pattern}, ensure_ascii=False)


def prints(*lines: str, name: str = "blockpage_signatures.json") -> list[Fingerprint]:
    return [one for row in censoredplanet.read(name, "\n".join(lines) + "\n") for one in row.prints]


def test_it_is_known_by_its_first_line_alone() -> None:
    head = line("prod_x", "Blocked by X") + "\n"
    assert [one.NAME for one in formats() if one.recognises(head)] == ["censoredplanet"]
    assert not censoredplanet.recognises('{"url": "http://example.org/"}\n')


@pytest.mark.parametrize(
    ("name", "scope", "countries"),
    [
        ("nat_ir_national", "nat", ("IR",)),
        ("b_nat_ir_national", "nat", ("IR",)),
        ("c_isp_ru_beeline", "isp", ("RU",)),
        ("isp_cbn", "isp", ()),
        ("a_prod_wall", "prod", ()),
        ("f_gen_id_blocked", "vbw", ()),
        ("r_blk_45", "unknown", ()),
    ],
)
def test_a_name_says_the_scope_and_the_country(name: str, scope: str, countries: tuple[str, ...]) -> None:
    (one,) = prints(line(name, "long enough"))
    assert (one.name, one.scope, one.countries) == (f"cp.{name}", scope, countries)


def test_escaped_text_and_older_bare_text_mean_the_same() -> None:
    newer, older = prints(
        line("prod_a", r"blocked\.example/index\.php\?"), line("prod_b", "blocked.example/index.php?")
    )
    assert newer.pattern == older.pattern == "blocked.example/index.php?"
    assert newer.how == older.how == "contains"


def test_a_pattern_with_a_gap_stays_a_regexp() -> None:
    (one,) = prints(line("prod_a", "<title>D.*Wall</title>"))
    assert (one.how, one.pattern) == ("regexp", "<title>D.*Wall</title>")


def test_a_link_may_stand_in_the_page_or_in_the_redirect() -> None:
    found = prints(line("isp_ru_a", r"http://block\.example\.ru/"))
    assert [(one.where, one.how) for one in found] == [("body", "contains"), ("header.location", "prefix")]


def test_a_header_line_is_looked_for_in_that_header() -> None:
    location, server = prints(line("isp_ru_a", "Location: http://block.example/"), line("prod_b", "Server: Wall/1"))
    assert (location.where, location.how, location.pattern) == ("header.location", "prefix", "http://block.example/")
    assert (server.where, server.pattern) == ("header.server", "Wall/1")


def test_the_files_name_says_that_its_signatures_are_no_blocks() -> None:
    (one,) = prints(
        line("x_fpru_nginx", "Thank you for using nginx"), name="https://x.example/false_positive_signatures.json"
    )
    assert one.scope == "fp"


def test_empty_lines_are_no_rows_and_a_wrong_line_is_named() -> None:
    text = "\n".join([line("prod_a", "long enough"), "", '{"fingerprint": 1}', line("prod_b", "long enough"), ""])
    found = list(censoredplanet.read("s.json", text))
    assert [row.line for row in found] == [1, 3, 4]
    assert str(found[1].problem).startswith("no signature: ")


def test_a_list_whose_last_line_is_cut_short_is_not_believed() -> None:
    text = line("prod_a", "long enough") + "\n" + line("prod_b", "long enough")[:-4]
    with pytest.raises(FingerprintError, match=r"s\.json:2: the last line is truncated"):
        list(censoredplanet.read("s.json", text))


@given(st.text(max_size=300))
def test_whatever_a_list_holds_it_is_rows_or_one_error(text: str) -> None:
    try:
        assert all(isinstance(row, FingerprintRow) for row in censoredplanet.read("s.json", text))
    except FingerprintError:
        pass
