"""A published list from its file to the verdict, and what judging again makes of a newer one."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from results.db.store import Store
from results.fingerprints import collection
from results.fingerprints.collection import Collection
from results.fingerprints.fingerprint import Fingerprint
from schedules.cli import call
from schedules.config.load import load
from schedules.config.schema import Config
from schedules.demo import censor, sites
from schedules.round.judge import RoundJudge, judge_again
from tests.lab.network import LabNetwork
from tests.results.records import HOME, measurement

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
PHRASE = "Access is closed by order of the Example Authority"
HEADER = "name,scope,other_names,location_found,pattern_type,pattern,confidence_no_fp,expected_countries,source,exp_url"


async def test_a_page_that_a_published_list_knows_is_a_block_and_a_later_list_takes_it_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REACHPROBE_CONSENT", "yes")
    config, prints = tmp_path / "c.toml", tmp_path / "http.csv"

    async def run(*arguments: str) -> list[dict[str, Any]]:
        whole = ["-q", "--config", str(config), "--db", str(tmp_path / "x.db"), *arguments]
        assert await asyncio.to_thread(call, whole) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    async with LabNetwork(timeout_s=5.0) as net:
        page = censor.answers(sites.response(200, sites.html("Closed", PHRASE)))
        site = net.add_site("news.x.test", tls=False, censored=page)
        config.write_text(net.config_toml())
        prints.write_text(f"{HEADER}\nx.wall,isp,,body,contains,{PHRASE},5,RU,x,\n")
        await run("fingerprints", "update", str(prints), "--json")
        found = (await run("check", site.url, "--json"))[0]
        assert (found["outcome"], found["method"], found["confidence"]) == ("blocked", "http.blockpage", "confirmed")
        assert any("x.wall" in sentence for sentence in found["evidence"])

        prints.write_text(f"{HEADER}\nx.wall,fp,,body,contains,{PHRASE},5,,x,\n")
        await run("fingerprints", "update", str(prints), "--json")
        changed = (await run("results", "reclassify", "--json"))[0]
        assert changed["target"] == site.url
        assert changed["confidence"] != "confirmed"


@pytest.fixture
def config() -> Config:
    return load(None, {"REACHPROBE_VANTAGE_COUNTRY": "RU"}, {})


async def test_judging_again_tells_how_many_verdicts_other_fingerprints_made(store: Store, config: Config) -> None:
    def in_force() -> str | None:
        return collection.library_of(store.path).digest

    concluded = await RoundJudge(store, config, HOME, at=NOON).judge(measurement())
    store.save([msgspec.structs.replace(concluded, round_id=None)])
    assert (in_force(), store.judged_with_others(in_force())) == (None, 0)
    one = Fingerprint(name="x.1", scope="isp", where="body", how="contains", pattern=PHRASE)
    collection.store(Collection(updated="", sources=(), prints=(one,)), collection.place(store.path))
    assert store.judged_with_others(in_force()) == 1
    assert list(store.reclassify(judge_again(store, config))) == [], "the verdict stays"
    assert store.judged_with_others(in_force()) == 0, "and is known to have been made with them"
    assert store.finished("2kq7").context.fingerprints == in_force()
