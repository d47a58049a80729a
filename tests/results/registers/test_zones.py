"""Response policy zones as RFC 1035 section 5.1 writes zone files, and as BIND writes them out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlite_utils

from results.registers.formats import formats
from results.registers.records import ImportReport

Import = Callable[..., ImportReport]
SOA = "@ IN SOA localhost. root.localhost. 1 3600 600 86400 300\n"
WRITTEN_BY_BIND = """$ORIGIN .
$TTL 300\t; 5 minutes
policy.example\t\tIN SOA\tns.policy.example. hostmaster.policy.example. (
\t\t\t\t1          ; serial
\t\t\t\t3600 900 604800 300 )
\t\t\tNS\tns.policy.example.
$ORIGIN com.policy.example.
shop\t\t\tCNAME\t.
*.shop\t\t\tCNAME\t.
mail.office\t\tCNAME\t*.
$ORIGIN games.com.policy.example.
@\t\t\tCNAME\t.
*\t\t\tCNAME\t.
www\t\t\tCNAME\trpz-drop.
$ORIGIN policy.example.
ns\t\t\tA\t192.0.2.53
third.example.net\tCNAME\t.
fifth.example.net\tIN 300 CNAME .
sixth.example.net\t300 IN A 192.0.2.1
\t\t\t1h30m IN AAAA 2001:db8::1
"""


@pytest.fixture
def zone(tmp_path: Path, imported: Import, db: sqlite_utils.Database) -> Callable[[str], tuple[ImportReport, set[str]]]:
    """Import the text of a zone; the report, and all that is listed."""

    def run(text: str) -> tuple[ImportReport, set[str]]:
        path = tmp_path / "zone"
        path.write_text(text, encoding="utf-8")
        report = imported(path, name="zone", country="IT", format="rpz")
        rows = db.execute("SELECT names, subnets FROM register_entries")
        return report, {word for row in rows for cell in row if cell for word in cell.split()}

    return run


def test_a_zone_with_several_origins_lists_the_names_below_the_zone_and_nothing_else(zone):
    report, listed = zone(WRITTEN_BY_BIND)
    assert listed == {
        *("shop.com", "*.shop.com", "mail.office.com", "games.com", "*.games.com", "www.games.com"),
        *("third.example.net", "fifth.example.net", "sixth.example.net"),
    }
    assert (report.skipped, report.rows) == (0, report.kept)


@pytest.mark.parametrize(
    ("line", "listed"),
    [
        ("bad.example CNAME .", {"bad.example"}),
        ("bad.example IN CNAME .", {"bad.example"}),
        ("bad.example 60 IN CNAME .", {"bad.example"}),
        ("bad.example IN 60 CNAME .", {"bad.example"}),
        ("bad.example IN 1w2d3h CNAME .", {"bad.example"}),
        ("bad.example\tCH\tcname *.", {"bad.example"}),
        ("bad.example CNAME ( . ) ; why", {"bad.example"}),
        ("bad.example (\n 60\n CNAME\n . )", {"bad.example"}),
        ("bad.example CNAME landing.page.", {"bad.example"}),
        ("bad.example A 192.0.2.1", {"bad.example"}),
        ("BAD.Example.policy. CNAME .", {"bad.example"}),
        ("xn--80accn9dh.xn--90ais CNAME .", {"xn--80accn9dh.xn--90ais"}),
        ("a.example CNAME .\n  AAAA ::", {"a.example"}),
        ("$ORIGIN com\nbad CNAME .", {"bad.com"}),
        ("$ORIGIN com.policy.\n$ORIGIN shop\nbad CNAME .", {"bad.shop.com"}),
        ("$origin com.policy. ; a comment\n@ CNAME .\nbad CNAME .", {"bad.com"}),
        ("32.1.2.0.192.rpz-ip CNAME .", {"192.0.2.1"}),
        ("24.0.2.0.192.rpz-ip.policy. CNAME .", {"192.0.2.0/24"}),
        ("48.zz.1.db8.2001.rpz-ip IN 60 CNAME .", {"2001:db8:1::/48"}),
        ("good.example CNAME rpz-passthru.", set()),
        ("good.example CNAME RPZ-TCP-ONLY.", set()),
        ("good.example CNAME good.example.", set()),
        ('good.example TXT "a CNAME . in it; and a ( "', set()),
        ("ns.bad.example.rpz-nsdname CNAME .", set()),
        ("24.0.2.0.192.rpz-client-ip CNAME .", set()),
        ("@ A 192.0.2.1", set()),
        ("shop.elsewhere. CNAME .", set()),
        ("300.1.2.3 CNAME .", set()),
    ],
)
def test_a_rule_however_it_is_written(line: str, listed: set[str], zone):
    _, found = zone(f"$ORIGIN policy.\n{SOA}one.example CNAME .\n{line}\n")
    assert found == {"one.example", *listed}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("$GENERATE 1-3 host$.example.com CNAME .", "$GENERATE"),
        ("$INCLUDE other.zone", "$INCLUDE"),
        ("$DELEGATE x", "$DELEGATE"),
        ("shop.elsewhere. CNAME .", "outside the zone"),
        ("bad.example CNAME", "not a record"),
        ("bad.example 60 IN", "not a record"),
        ("300.1.2.3 CNAME .", "name"),
        ("com CNAME .", "top-level"),
        ("ns.bad.example.rpz-nsdname CNAME .", "name server or client"),
    ],
)
def test_what_is_not_read_is_counted_and_reported(line: str, why: str, zone):
    report, found = zone(f"$ORIGIN policy.\n{SOA}one.example CNAME .\n{line}\n")
    assert (found, report.kept, report.skipped, report.rows) == ({"one.example"}, 1, 1, 2)
    assert why in report.problems[0].why
    assert report.problems[0].line == 4


def test_brackets_that_never_close_do_not_swallow_the_file_unseen(zone):
    report, found = zone(f"one.example CNAME .\nbad.example ( CNAME .\n{'more.example CNAME .' * 3}\n")
    assert (found, report.skipped) == ({"one.example"}, 1)
    assert "bracket" in report.problems[0].why


def test_the_zone_itself_and_its_name_servers_are_not_what_is_blocked(zone):
    _, found = zone(
        "$ORIGIN policy.example.\n@ SOA ns1 root 1 2 3 4 5\n NS ns1\n NS ns2.policy.example.\nns1 A 192.0.2.1\n"
        "ns2 AAAA 2001:db8::1\n@ A 192.0.2.3\nbad.example A 192.0.2.3\n"
    )
    assert found == {"bad.example"}


@pytest.mark.parametrize(
    "rule", ["bad.example CNAME landing.page.", "bad.example 60 IN A 192.0.2.1", "@ NS localhost.\nbad.example CNAME ."]
)
def test_a_zone_is_told_by_its_soa_and_its_rules(rule: str):
    for soa in ("@ IN SOA a. b. 1 2 3 4 5", "@ 60 IN SOA a. b. (1 2\n 3 4 5)", "policy. SOA a. b. 1 2 3 4 5"):
        head = f"; comment\n$TTL 60\n{soa}\n{rule}\n".encode()
        assert [known.name for known in formats().values() if known.recognises(head)] == ["rpz"]


def test_a_list_of_names_is_not_taken_for_a_zone():
    head = b"soa.example\ncname.example\n0.0.0.0 a.example\n"
    assert [known.name for known in formats().values() if known.recognises(head)] == ["plain"]
