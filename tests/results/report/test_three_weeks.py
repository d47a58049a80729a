"""Three weeks at five vantages: the report states exactly what happened, in sentences, tables and pictures."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import timedelta
from pathlib import Path

from results.db.store import Store
from results.export import exchange
from results.i18n.translator import Translator
from results.judge.wording import sentences
from results.report import Summary, markdown, narrative, tables
from results.report import csv as facts
from results.report.charts import OUTCOMES
from tests.results.report.reports import Read, english_on, pictures, spaced, summary_of
from tests.three_weeks import BLOCKED_SINCE, HOME, LISTED, MOBILE, OFFICE, VILLAGE, VPN

STORY = [
    "Listed since 5 May 2017, 07:30 UTC.",
    "Blocked since 6 May 2017 on AS8402 Corbina (between 12:07 and 18:07 UTC) "
    "and AS12389 Rostelecom (between 06:07 and 12:07 UTC).",
    "Blocked since 9 May 2017 on AS3216 Sovam (between 06:07 and 12:07 UTC).",
    "Not blocked on AS25513 MGTS.",
    "Reachable via vpn (AS1136).",
]
STORY_IN_RUSSIAN = [
    "В реестре с 5 мая 2017 года, 07:30 UTC.",
    "Заблокировано с 6 мая 2017 года: AS8402 Corbina (между 12:07 и 18:07 UTC) "
    "и AS12389 Rostelecom (между 06:07 и 12:07 UTC).",
    "Заблокировано с 9 мая 2017 года: AS3216 Sovam (между 06:07 и 12:07 UTC).",
    "Не заблокировано: AS25513 MGTS.",
    "Через vpn доступно (AS1136).",
]
NOT_LISTED = "Not on the register checked (rkn, 21 May 2017)."
EN = Translator("en")


def of(summary: Summary, name: str) -> list[str]:
    return spaced(narrative.of_row(summary, next(row for row in summary.rows if row.name == name), EN))


def test_the_story_of_wechat(summary: Summary, page: str) -> None:
    assert of(summary, "wechat") == STORY
    text = Read(page).text
    assert all(sentence in text for sentence in STORY)


def test_the_same_story_in_russian(russian_page: str) -> None:
    read = Read(russian_page)
    assert read.all("html") == [{"lang": "ru"}]
    assert all(sentence in read.text for sentence in STORY_IN_RUSSIAN)


def test_a_russian_report_has_no_english(russian_page: str) -> None:
    assert english_on(russian_page) == set()


def test_the_other_services(summary: Summary) -> None:
    everywhere = "AS3216 Sovam, AS8402 Corbina, AS12389 Rostelecom and AS25513 MGTS"
    vpn = "Reachable via vpn (AS1136)."
    assert of(summary, "linkedin") == [
        "Listed since 17 November 2016, 07:00 UTC.",
        f"Blocked during the whole period on {everywhere}.",
        vpn,
    ]
    assert of(summary, "line") == [
        NOT_LISTED,
        "Blocked during the whole period on AS3216 Sovam.",
        "Not blocked on AS8402 Corbina, AS12389 Rostelecom and AS25513 MGTS.",
        vpn,
    ]
    assert of(summary, "signal") == [NOT_LISTED, f"Not blocked on {everywhere}.", vpn]
    assert of(summary, "bbm") == ["Down everywhere we measured, so not a block."]


def test_what_it_comes_to(summary: Summary) -> None:
    assert spaced(narrative.in_short(summary, EN)) == [
        "2520 measurements from 5 vantage points, 1 to 21 May 2017.",
        "Blocked on at least one network: LINE, LinkedIn and WeChat.",
        "Blocked but not listed: LINE.",
        "Listed, but reachable on at least one network: WeChat.",
        "Down everywhere we measured, so not a block: BlackBerry Messenger.",
        "Blocked directly, but reachable via vpn: LINE, LinkedIn and WeChat.",
    ]


def test_the_matrix(summary: Summary) -> None:
    matrix = tables.matrix(summary, EN)
    assert matrix.columns == (
        "Service", "AS3216 Sovam", "AS8402 Corbina", "AS12389 Rostelecom", "AS25513 MGTS", "AS1136 via vpn"
    )  # fmt: skip
    (wechat,) = (row for row in matrix.rows if row[0].text == "WeChat")
    assert [(cell.sign, cell.text, *cell.more[:2]) for cell in wechat[1:]] == [
        ("✗", "blocked", "DNS: NXDOMAIN", "■ listed, blocked"),
        ("✗", "blocked", "TLS: reset", "■ listed, blocked"),
        ("✗", "blocked", "TLS: reset", "■ listed, blocked"),
        ("✓", "reachable", "□ listed, not blocked"),
        ("✓", "reachable"),
    ]


def test_register_against_reality(summary: Summary) -> None:
    counts = summary.agreements
    assert counts["AS12389", "enforced"] == 3, "both targets of WeChat, and LinkedIn"
    assert counts["AS25513", "unenforced"] == 2
    assert counts["AS3216", "unlisted-block"] == 1
    assert ("AS12389", "unenforced") not in counts


def test_hours_from_listing_to_blocking_hold_the_truth(summary: Summary) -> None:
    hours = {(one.target, one.network): one.hours for one in summary.enforcements}
    for vantage in (HOME, MOBILE, OFFICE):
        low, high = hours["https://www.wechat.com/", f"AS{vantage.asn}"]
        truth = (BLOCKED_SINCE[vantage] - LISTED) / timedelta(hours=1)
        assert low is not None
        assert high is not None
        assert low <= truth <= high <= low + 6
    assert hours["https://www.wechat.com/", f"AS{VILLAGE.asn}"][1] is None
    assert spaced(narrative.delays(summary, EN)) == [
        "AS12389 Rostelecom blocks 3 of 3 listed targets; median delay from listing to blocking: 22.6–28.6 hours.",
        "AS25513 MGTS blocks 1 of 3 listed targets; too few for a median.",
        "AS3216 Sovam blocks 3 of 3 listed targets; median delay from listing to blocking: 3.94–4.19 days.",
        "AS8402 Corbina blocks 3 of 3 listed targets; median delay from listing to blocking: 28.6–34.6 hours.",
    ]


def test_how_many_targets_each_network_blocks_by_which_method(summary: Summary) -> None:
    assert summary.methods == {
        ("AS12389", "tls.reset"): 3,
        ("AS25513", "tls.reset"): 1,
        ("AS3216", "dns.nxdomain"): 4,
        ("AS8402", "tls.reset"): 3,
    }


def test_each_block_has_its_evidence(summary: Summary, page: str) -> None:
    blocks = Counter(one.place for one in summary.evidence)
    assert blocks == {"AS12389": 3, "AS8402": 3, "AS3216": 4, "AS25513": 1}
    text = Read(page).text
    for one in summary.evidence:
        assert one.rules
        assert one.measurement_id in text
        assert all(rule in text for rule in one.rules)
        assert all(sentence in text for sentence in sentences(one.evidence))
    assert {one.listing for one in summary.evidence} == {None, "rkn, 149-FZ 15.4"}


def test_markdown_says_it_too(summary: Summary) -> None:
    said = markdown.render(summary, EN).replace("\\", "")
    assert " ".join(STORY) in said
    assert "| WeChat | ✗ blocked, DNS: NXDOMAIN, ■ listed, blocked" in said


def test_csv_says_it_too(summary: Summary) -> None:
    head, *lines = csv.reader(io.StringIO(facts.render(summary, EN)))
    assert head == ["section", "row", "place", "what", "value"]
    told = {tuple(line[:4]): line[4] for line in lines}
    assert told["row", "wechat", "", "listed"] == "2017-05-05T07:30:00Z"
    for vantage in (HOME, MOBILE, OFFICE):
        place = f"AS{vantage.asn}"
        assert told["course", "wechat", place, "state"] == "since"
        after, by = (told["course", "wechat", place, f"block_began_{word}"] for word in ("after", "by"))
        assert after <= f"{BLOCKED_SINCE[vantage]:%Y-%m-%dT%H:%M:%S}" <= by
    assert told["course", "wechat", f"AS{VILLAGE.asn}", "state"] == "never"
    assert told["course", "wechat", f"AS{VPN.asn} via vpn", "state"] == "never"


def test_the_timeline_is_drawn_day_by_day(summary: Summary, page: str) -> None:
    number = next(n for n, row in enumerate(summary.rows) if row.name == "wechat")
    for kind in ("wide", "narrow"):
        picture = pictures(page)[f"timeline-{number}-{kind}"]
        colours = Counter(element.get("fill") for element in picture.iter())
        # Each network from its first day of which half is blocked: the 6th, the 7th and the 9th of 21.
        assert colours[OUTCOMES["blocked"]] == 16 + 15 + 13
        assert colours[OUTCOMES["reachable"]] == 5 * 21 - (16 + 15 + 13)
        texts = [element.text for element in picture.iter() if element.text]
        assert "▾ listed" in texts
        assert (texts.count("✗"), texts.count("✓")) == (16 + 15 + 13, 5 * 21 - (16 + 15 + 13))


def test_an_export_makes_the_same_report_as_its_databases(three_weeks: list[Path], tmp_path: Path) -> None:
    export = tmp_path / "export.jsonl"
    with export.open("wb") as out:
        for database in three_weeks:
            store = Store.open(database)
            out.writelines(line + b"\n" for line in exchange.export(store, exchange.write_line))
            store.close()
    assert summary_of(export) == summary_of(*three_weeks)


def test_neither_the_order_of_sources_nor_what_is_there_twice_matters(
    three_weeks: list[Path], summary: Summary
) -> None:
    from msgspec.structs import replace

    assert summary_of(*three_weeks[::-1]) == summary
    twice = summary_of(*three_weeks, *three_weeks)
    assert twice.twice == summary.measurements
    assert replace(twice, twice=0) == summary


def test_only_the_period_that_was_asked_for_is_told(three_weeks: list[Path]) -> None:
    first = LISTED.replace(hour=0, minute=0).timestamp()
    found = summary_of(*three_weeks, since=first, until=first + 3 * 86400)
    assert (found.first_day, found.last_day) == ("2017-05-05", "2017-05-07")
    assert found.outside == 2520 - found.measurements
    assert max(one.at for one in found.evidence) < first + 3 * 86400
