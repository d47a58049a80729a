"""The smaller formats: official lists, Ukraine's decrees, plain lists, policy zones."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlite_utils

from results.registers.expectation import RegisterLookup, explain
from results.registers.formats import citizenlab, formats, plain, rpz, uablacklist
from results.registers.names import subnet_text
from results.registers.records import BadRow, ImportReport, RegisterError, TruncatedRegister
from tests.results.registers.samples import SAMPLES

Import = Callable[..., ImportReport]
AAMS = f"""{citizenlab.COLUMNS}
.cbmsport.com,official/it/aams,GMB,,2015-04-05,0.1,AAMS,AAMS,
bet.myblog.it,official/it/aams,GMB,,2015-04-05,0.1,AAMS,AAMS,
.com,official/it/aams,GMB,,2015-04-05,0.1,AAMS,AAMS,
http://thepiratebay.se,no,P2P,2016-08-27,2015-09-01,0.1,15,Oslo Tingrett,Blocks all subdomains
http://a.it/page,official/it/x,MISC,2014-12-15,2015-04-05,0.1,bofh,"Servizi, finanziari",
"""
DECREES = {
    "vk.com": {"term": "14.05.2023", "alias": "vk", "reason": "https://www.president.gov.ua/documents/1842020-33629"},
    "www.drweb.ru": {"term": None, "urls": ["https://www.drweb.ru"], "reason": "https://x.example/2"},
    "bad name!": {"term": None},
    "odd.example": {"term": "soon"},
    "worse.example": [],
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def make(text: str) -> Path:
        path = tmp_path / "list"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def test_an_official_list_has_bare_hosts_and_the_earlier_date_is_the_orders(
    write: Callable[[str], Path], imported: Import, db: sqlite_utils.Database
):
    report = imported(write(AAMS), name="it", country="IT")
    assert (report.format, report.rows, report.kept, report.skipped) == ("citizenlab-official", 5, 4, 1)
    assert "whole top-level name" in report.problems[0].why
    rows = db.execute("SELECT block_type, names, urls FROM register_entries ORDER BY id").fetchall()
    assert rows == [
        ("domain", "cbmsport.com", None),
        ("domain", "bet.myblog.it", None),
        ("domain-mask", "*.thepiratebay.se", None),
        ("url", "a.it", "http://a.it/page"),
    ]
    assert [row[0] for row in db.execute("SELECT date FROM register_decisions ORDER BY id")] == [
        "2015-04-05",
        "2015-09-01",
        "2014-12-15",
    ]


def test_a_test_list_is_refused_because_it_lists_targets(write: Callable[[str], Path], imported: Import):
    with pytest.raises(RegisterError, match="test list"):
        imported(write(f"{citizenlab.TEST_LIST}\nhttp://a.com/,NEWS,News Media,2014-04-15,citizenlab,\n"), name="x")


def test_an_official_list_cut_in_its_last_row_is_truncated(write: Callable[[str], Path], imported: Import):
    with pytest.raises(TruncatedRegister):
        imported(write(AAMS[:-30]), name="it", country="IT")


def test_a_decree_is_in_force_until_the_end_of_its_term(
    write: Callable[[str], Path], imported: Import, db: sqlite_utils.Database
):
    report = imported(
        write(json.dumps(DECREES, indent=4)), name="ua", country="UA", updated=datetime(2023, 5, 13, tzinfo=UTC)
    )
    assert (report.format, report.rows, report.kept, report.skipped) == ("uablacklist", 5, 3, 2)
    assert report.reasons.keys() == {"name:", "term:", "not an object"}
    last_day, after = datetime(2023, 5, 14, 20, tzinfo=UTC), datetime(2023, 5, 15, tzinfo=UTC)
    found = RegisterLookup(db, country="UA", at=last_day).expect("https://vk.com/feed")
    assert (found.listed, found.basis) == (True, "https://www.president.gov.ua/documents/1842020-33629")
    assert RegisterLookup(db, country="UA", at=after).expect("vk.com").listed is False
    assert RegisterLookup(db, country="UA", at=after).expect("www.drweb.ru").listed is True
    assert "no longer in force" in "\n".join(explain(RegisterLookup(db, at=after), "vk.com"))


@pytest.mark.parametrize("keep", [-1, 100, 40])
def test_decrees_cut_short_are_truncated(keep: int, write: Callable[[str], Path], imported: Import):
    with pytest.raises(TruncatedRegister):
        imported(write(json.dumps(DECREES)[:keep]), format="uablacklist")


@pytest.mark.parametrize(
    ("line", "kind", "what"),
    [
        ("example.org", "domain", "example.org"),
        ("Example.ORG.", "domain", "example.org"),
        ("*.example.org", "domain-mask", "*.example.org"),
        (".example.org", "domain-mask", "*.example.org"),
        ("0.0.0.0 example.org", "domain", "example.org"),
        ("127.0.0.1\texample.org www.example.org", "domain", "example.org www.example.org"),
        (":: example.org", "domain", "example.org"),
        ("local=/example.org/", "domain-mask", "*.example.org"),
        ("address=/example.org/0.0.0.0", "domain-mask", "*.example.org"),
        ("||example.org^", "domain-mask", "*.example.org"),
        ("192.0.2.7", "ip", "192.0.2.7"),
        ("192.0.2.9/24", "ip", "192.0.2.0/24"),
        ("2001:db8::/32", "ip", "2001:db8::/32"),
        ("http://example.org/page", "url", "http://example.org/page"),
    ],
)
def test_a_line_of_a_plain_list(line: str, kind: str, what: str):
    found = plain.parse(line)
    shown = [
        *found.names,
        *(f"*.{mask}" for mask in found.masks),
        *(url.text for url in found.urls),
        *map(subnet_text, found.subnets),
    ]
    assert (found.block_type, " ".join(shown)) == (kind, what)


@pytest.mark.parametrize("line", ["two words", "com", "a,b.com", "a.com/page", "0.0.0.0 a!.com", "1.2.3.4/99"])
def test_a_line_that_is_no_thing_to_block(line: str):
    with pytest.raises(BadRow):
        plain.parse(line)


def test_a_hosts_file_with_its_own_names_and_comments(write: Callable[[str], Path], imported: Import):
    text = "# a list\n127.0.0.1 localhost\n::1 ip6-localhost\n\n0.0.0.0 a.com # why\n! b\nb.com\nnot a name\n"
    report = imported(write(text), name="x", country="EE", format="plain")
    assert (report.rows, report.kept, report.skipped) == (3, 2, 1)


def test_a_plain_list_that_ends_without_a_line_feed_says_so(write: Callable[[str], Path], imported: Import):
    report = imported(write("a.com\nb.co"), name="x", country="EE")
    assert (report.format, report.kept) == ("plain", 2)
    assert "may be cut short" in report.problems[0].why


def test_a_policy_zone_with_its_origin_soa_and_exceptions(
    write: Callable[[str], Path], imported: Import, db: sqlite_utils.Database
):
    zone = """$TTL 300
$ORIGIN rpz.example.
@ SOA ns.example. root.example. (
    1 ; serial
    3600 600 86400 300 )
  NS ns.example.
; comment
a.com CNAME .
*.a.com CNAME .
b.com.rpz.example. 60 IN CNAME stub.example.
good.com CNAME rpz-passthru.
c.com A 192.0.2.1
24.0.2.0.192.rpz-ip CNAME .
48.zz.1.db8.2001.rpz-ip CNAME .
ns.bad.com.rpz-nsdname CNAME .
"""
    report = imported(write(zone), name="zone", country="IT")
    assert (report.format, report.rows, report.kept, report.skipped) == ("rpz", 7, 6, 1)
    rows = db.execute("SELECT block_type, coalesce(names, subnets) FROM register_entries ORDER BY id").fetchall()
    assert rows == [
        ("domain", "a.com"),
        ("domain-mask", "*.a.com"),
        ("domain", "b.com"),
        ("domain", "c.com"),
        ("ip", "192.0.2.0/24"),
        ("ip", "2001:db8:1::/48"),
    ]
    assert rpz.recognises(zone.encode())


def test_every_format_is_told_from_its_content_and_by_no_other():
    others = [
        ("zapret-csv", b"Updated: 2016-03-10 07:00:00 +0000\n1.2.3.4;a.com;;x;1;2016-01-01\n"),
        ("citizenlab-official", AAMS.encode()),
        ("uablacklist", json.dumps(DECREES).encode()),
        ("plain", b"# list\n0.0.0.0 a.com\n192.0.2.0/24\n"),
        ("rpz", b"$TTL 60\n@ SOA a. b. 1 2 3 4 5\na.com CNAME .\n"),
    ]
    for name, head in [*SAMPLES.items(), *others]:
        assert [known.name for known in formats().values() if known.recognises(head)] == [name]
    assert SAMPLES.keys() == formats().keys()


def test_a_name_of_a_whole_top_level_is_never_listed():
    for line in ("com", "*.com", ".com", "||com^"):
        with pytest.raises(BadRow, match="top-level"):
            plain.parse(line)
    with pytest.raises(BadRow):
        uablacklist.parse("com", b"{}")
