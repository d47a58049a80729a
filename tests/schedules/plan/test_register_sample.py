"""Campaigns that measure a sample of a register: endpoints only, the same ones all day, and what drew them is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.db.store import Store
from results.registers import sampling
from results.registers.importing import ImportOptions, import_register
from schedules.config.schema import CampaignTable, Config
from schedules.plan.lists import sampled, waiting
from schedules.plan.selection import from_campaigns, planned_targets
from tests.schedules.lab import Lab, rows

Import = Callable[..., None]
NOW = datetime.now(UTC)
HEAD = b"Updated: 2017-05-08 09:00:00 +0000\n"
CAMPAIGN = CampaignTable(name="sample", register="rkn", sample=5)


def imported(store: Store, folder: Path, *lines: str) -> None:
    path = folder / "dump.csv"
    path.write_bytes(HEAD + "".join(f"{line}\n" for line in lines).encode("cp1251", "replace"))
    import_register(store.db, [path], ImportOptions(name="rkn", country="RU"))


def listed(count: int) -> list[str]:
    return [f"1.2.3.4;a{n}.com;http://a{n}.com/page/{n};ФНС;1;2016-01-01" for n in range(count)]


words = st.text(st.sampled_from('abz0-_.*/:?#@[]%жé \u00ad|;"'), max_size=14)
names = st.one_of(words, words.map("{}.com".format), st.sampled_from(["a.com", "*.b.com", "1.2.3.4", "::1", "127.1"]))
urls = st.one_of(st.just(""), names.map("http://{}/x?y".format), names.map("https://{}/x".format), words)
authorities = st.sampled_from(["ФНС", "ФСКН", "Роскомнадзор", "суд", ""])
lines = st.builds("1.2.3.4;{};{};{};1;2016-01-01".format, names, urls, authorities)


@settings(deadline=None, max_examples=40)
@given(dump=st.lists(lines, min_size=1, max_size=12), include=st.sets(authorities))
def test_no_sampled_target_is_ever_a_page(dump: list[str], include: set[str]) -> None:
    with TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "reachprobe.db")
        imported(store, Path(folder), *listed(1), *dump)
        campaign = CampaignTable(name="x", register="rkn", sample=100, include=tuple(include))
        found = [one.target for one in planned_targets(Config(campaign=(campaign,)), store)]
        store.close()
    assert {(target.scheme, target.request_path, target.port) for target in found} <= {("tls", None, 443)}


def test_all_rounds_of_a_day_measure_the_same_hosts_and_the_seed_is_kept(store: Store, tmp_path: Path) -> None:
    imported(store, tmp_path, *listed(50))
    first = list(sampled(CAMPAIGN, store))
    imported(store, tmp_path, *listed(20))
    assert list(sampled(CAMPAIGN, store)) == first
    assert len(first) == 5
    (kept,) = store.db.execute("SELECT register, size, seed, as_of, targets FROM register_samples").fetchall()
    assert kept[:4] == ("rkn", 5, 1, "2017-05-08T09:00:00Z")
    assert kept[4].split("\n") == [target.text for target in first]


def test_what_was_drawn_can_be_drawn_again_from_what_was_kept(store: Store, tmp_path: Path) -> None:
    imported(store, tmp_path, *listed(50))
    request = sampling.SampleRequest(size=5, seed=7)
    first = sampling.stored_sample(store.db, "rkn", request, NOW)
    assert sampling.stored_sample(store.db, "rkn", request, NOW) == first
    store.db.execute("DELETE FROM register_samples")
    again = sampling.stored_sample(store.db, "rkn", request, NOW + timedelta(days=3))
    assert again == first


def test_another_seed_size_or_included_authority_is_another_sample(store: Store, tmp_path: Path) -> None:
    imported(store, tmp_path, *listed(50), "1.2.3.4;drugs.com;;ФСКН;1;2016-01-01")
    found = {
        tuple(sampled(CampaignTable(name="x", register="rkn", sample=size, seed=seed, include=include), store))
        for size, seed, include in [(5, 1, ()), (5, 2, ()), (6, 1, ()), (60, 1, ()), (60, 1, ("ФСКН",))]
    }
    assert sorted(map(len, found)) == [5, 5, 6, 50, 51]


def test_a_campaign_whose_register_is_not_stored_waits_and_says_so(store: Store) -> None:
    config = Config(campaign=(CAMPAIGN, CampaignTable(name="own", targets=("https://a.com/",))))
    (choice,) = from_campaigns(config, store)
    assert [target.text for target in choice.targets] == ["https://a.com/"]
    (said,) = waiting(config, store)
    assert said.startswith("campaign sample waits: register rkn is not imported; use `reachprobe register update`")


def test_a_test_list_keeps_its_pages(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "ru.csv"
    path.write_text("url,category_code\nhttps://a.com/page,NEWS\n", encoding="utf-8")
    (one,) = planned_targets(Config(campaign=(CampaignTable(name="list", list=str(path)),)), store)
    assert one.target.request_path == "/page"


async def test_a_round_over_a_sample_asks_for_no_page(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dump = tmp_path / "dump.csv"
    dump.write_bytes(HEAD + "192.0.2.1;good.x.test;https://good.x.test/page;ФНС;1;2017-05-04\n".encode("cp1251"))
    assert await lab.call("register", "import", str(dump), "--as", "rkn", "--country", "RU") == 0
    lab.configure('\n[[campaign]]\nname = "sample"\nregister = "rkn"\nsample = 5\n')
    capsys.readouterr()
    assert await lab.call("run", "--json") == 0
    (row,) = rows(capsys.readouterr().out)
    assert row["target"] == "tls://good.x.test:443"
    store = Store.open(lab.db)
    steps = {step for (step,) in store.db.execute("SELECT DISTINCT step FROM observations").fetchall()}
    store.close()
    assert "dns" in steps
    assert "http" not in steps
