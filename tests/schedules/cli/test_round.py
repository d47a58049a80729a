"""`check` and `run` on a small censored network: rows, table, exit codes, and what survives an interruption."""

from __future__ import annotations

import json
import signal

import pytest

from schedules.demo import resolver
from tests.schedules.lab import Lab, rows


async def test_a_blocked_and_an_open_site_are_told_apart_in_the_documented_lines(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await lab.call("check", lab.good.url, lab.reset.url, "--json") == 0
    found = {row["target"]: row for row in rows(capsys.readouterr().out)}
    assert set(found) == {lab.good.url, lab.reset.url}
    assert found[lab.good.url]["outcome"] == "reachable"
    blocked = found[lab.reset.url]
    assert (blocked["outcome"], blocked["method"], blocked["trigger"]) == ("blocked", "tls.reset", "name")
    assert blocked["vantage"] == {"name": "demo", "country": "RU", "asn": 64496, "path": "direct"}
    assert (blocked["kind"], blocked["network"], blocked["agreement"]) == ("target", "online", "undecided")


async def test_each_target_given_has_its_row_also_the_same_one_twice(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await lab.call("check", lab.good.url, lab.good.url, "--json") == 0
    assert [row["target"] for row in rows(capsys.readouterr().out)] == [lab.good.url] * 2


async def test_a_listed_site_that_is_blocked_is_enforced(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    register = lab.folder / "register.csv"
    register.write_bytes(b"Updated: 2026-11-24 00:00:00 +0000\n192.0.2.1;reset.x.test;;X;1-Restricting;2017-05-04\n")
    assert await lab.call("register", "import", str(register), "--as", "rkn", "--country", "RU") == 0
    lab.configure('\n[[register]]\nname = "rkn"\nmax_age_days = 36500\n')
    capsys.readouterr()
    assert await lab.call("check", lab.reset.url, lab.good.url, "--json") == 0
    found = {row["target"]: row for row in rows(capsys.readouterr().out)}
    assert found[lab.reset.url]["agreement"] == "enforced"
    assert found[lab.reset.url]["expectation"]["since"] == "2017-05-04"
    assert found[lab.good.url]["agreement"] == "open"


async def test_piped_output_is_plain_text_with_the_table_and_the_way_to_ask_why(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await lab.call("check", lab.good.url, lab.reset.url) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "\x1b" not in captured.out
    lines = captured.out.splitlines()
    place = "demo · AS64496 · RU · direct · network online · control: control"
    assert lines[0] == f"{place} · register demo configured, not imported: reachprobe register update demo"
    table = [line.split() for line in lines if line[:1] in "✓✗"]
    assert [line[0] for line in table if line] == ["✓", "✗"]
    assert "2 targets in" in captured.out
    shown = captured.out.split("results show ")[1].split()[0]
    assert await lab.call("results", "show", shown) == 0
    explained = capsys.readouterr().out
    assert explained.startswith("✗ blocked: TLS: reset, triggered by the name, confirmed")
    assert "tls.sni_ab decided" in explained


async def test_run_measures_the_campaigns_and_says_it_of_each_service_when_asked(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.configure(
        f'\n[[service]]\nname = "pair"\nrequired = ["{lab.reset.url}"]\noptional = ["{lab.good.url}"]\n'
        '[[campaign]]\nname = "all"\nservices = ["pair"]\n'
    )
    assert await lab.call("run", "--json", "--by", "service") == 0
    found = rows(capsys.readouterr().out)
    assert [row["kind"] for row in found] == ["target", "target", "service"]
    assert (found[2]["service"], found[2]["outcome"], found[2]["target"]) == ("pair", "blocked", lab.reset.url)


async def test_without_a_working_network_every_target_is_offline_and_the_exit_is_69(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    text = lab.net.config_toml()
    keys = [line for line in text.splitlines() if line.startswith(("canaries", "domestic_canaries"))]
    for line in keys:
        text = text.replace(line, line.split(" = ")[0] + ' = ["http://127.77.9.9:9/generate_204"]')
    (lab.folder / "c.toml").write_text(text)
    assert await lab.call("check", lab.good.url, lab.reset.url, "--json") == 69
    captured = capsys.readouterr()
    assert [(row["outcome"], row["network"]) for row in rows(captured.out)] == [("offline", "offline")] * 2
    assert captured.err.count("\n") == 1
    assert "none of the reference sites responded" in captured.err


async def test_a_dry_run_lists_the_hosts_and_contacts_none(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REACHPROBE_CONSENT")
    assert await lab.call("check", lab.good.url, "--dry-run", "--json") == 0
    listed = {(row["host"], row["why"]) for row in rows(capsys.readouterr().out)}
    assert ("good.x.test", "target") in listed
    assert ("canary.x.test", "reference site") in listed
    assert {why for _, why in listed} >= {
        "resolver",
        "trusted resolver",
        "domestic reference site",
        "proxy of control path control",
    }
    assert not lab.db.exists()


async def test_judging_again_gives_the_same(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    await lab.call("check", lab.good.url, lab.reset.url, "--json")
    capsys.readouterr()
    assert await lab.call("results", "reclassify", "--json") == 0
    assert rows(capsys.readouterr().out) == [{"judged": 3, "changed": 0}]
    assert await lab.call("results", "list", "--json", "--outcome", "blocked") == 0
    again, first = rows(capsys.readouterr().out)
    assert (again["target"], first["target"]) == (lab.reset.url, lab.reset.url)
    assert again["repeats"] == first["measurement_id"]
    assert await lab.call("results", "list", "--outcome", "blocked") == 0
    listed = capsys.readouterr().out
    assert listed.count("reset.x.test") == 1, "a person is told of the later one alone"


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
async def test_what_was_printed_survives_an_interruption(lab: Lab, how: signal.Signals, code: int) -> None:
    silent = lab.net.add_site("silent.x.test", connect="unanswered")
    process = await lab.start("check", lab.good.url, silent.url, "--json")
    assert process.stdout is not None
    first = json.loads(await process.stdout.readline())
    process.send_signal(how)
    rest, said = await process.communicate()
    assert process.returncode == code, said
    assert first["target"] == lab.good.url
    listing = await lab.start("results", "list", "--json")
    listed, _ = await listing.communicate()
    assert [row["measurement_id"] for row in rows(listed.decode())] == [first["measurement_id"]]
    assert rest == b""
    word = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}.get(how)
    assert said.decode() == (f"reachprobe: {word}; finished measurements are saved\n" if word else "")


async def test_a_reader_that_goes_away_is_no_error(lab: Lab) -> None:
    process = await lab.start("check", lab.good.url, "--json")
    assert process.stdout is not None
    process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
    await process.wait()
    assert process.stderr is not None
    assert await process.stderr.read() == b""


async def test_a_network_that_makes_up_answers_is_told_and_is_no_block(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.net.lies["nowhere.invalid"] = resolver.addresses("127.77.0.66")
    assert await lab.call("check", lab.good.url, "--json") == 0
    captured = capsys.readouterr()
    assert [row["outcome"] for row in rows(captured.out)] == ["reachable"]
    assert captured.err.startswith("note: nowhere.invalid cannot exist, but this network's resolver gives it")
    assert await lab.call("doctor") == 0
    assert "! DNS: nowhere.invalid cannot exist" in capsys.readouterr().out
