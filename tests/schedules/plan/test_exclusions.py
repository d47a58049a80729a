"""What a volunteer does not want touched is touched by nothing: lists, services, samples, the explicit command."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.net.identity import RouteOut, Whereabouts
from probe.services import built_in
from results.db.store import Store
from results.registers.importing import ImportOptions, import_register
from schedules import cli
from schedules.config.load import load
from schedules.config.schema import CODES, CampaignTable, CareTable, Config, ServiceTable, VantageTable
from schedules.config.toml import ConfigError
from schedules.location.location import Locator
from schedules.plan.lists import copy_of
from schedules.plan.selection import (
    VPN_RISK_COUNTRIES,
    exclusion_sentences,
    from_campaigns,
    planned_targets,
    unmeasured,
)
from tests.schedules.lab import Lab, rows

LIST = """url,category_code,category_description
https://news.example/,NEWS,News
https://adult.example/,PORN,Pornography
https://bets.example/,GMB,Gambling
https://vpn.example/,ANON,Anonymization
https://plain.example/,,
"""
VPNS = {"www.ipvanish.com", "www.expressvpn.com"}


def config_of(folder: Path, *codes: str, country: str | None = "NL", **campaign: object) -> Config:
    (folder / "list.csv").write_text(LIST)
    chosen = {"list": str(folder / "list.csv"), **campaign}
    return Config(
        vantage=VantageTable(country=country),
        care=CareTable(leave_out=codes),
        campaign=(CampaignTable(name="all", **chosen),),  # type: ignore[arg-type]
    )


def hosts(config: Config, store: Store | None = None) -> set[str]:
    return {one.target.host for one in planned_targets(config, store)}


def test_a_category_of_a_list_is_left_out(tmp_path: Path) -> None:
    everything = hosts(config_of(tmp_path))
    assert everything - hosts(config_of(tmp_path, "PORN", "GMB")) == {"adult.example", "bets.example"}


def test_what_a_list_puts_in_a_category_is_left_out_of_plain_targets_too(tmp_path: Path) -> None:
    config = config_of(tmp_path, "PORN", targets=("https://adult.example/other", "tls://adult.example:993"))
    assert "adult.example" not in hosts(config)


def test_a_published_lists_copy_tells_categories_as_a_file_does(tmp_path: Path, store: Store) -> None:
    url = "https://lists.example/nl.csv"
    copy = copy_of(url, store.path)
    copy.parent.mkdir()
    copy.write_text(LIST)
    assert "adult.example" in hosts(config_of(tmp_path, list=url), store)
    assert "adult.example" not in hosts(config_of(tmp_path, "PORN", list=url), store)


def dump(folder: Path, store: Store, *lines: str) -> None:
    path = folder / "dump.csv"
    head = "Updated: 2017-05-08 09:00:00 +0000\n"
    path.write_bytes((head + "".join(f"{line}\n" for line in lines)).encode("cp1251"))
    import_register(store.db, [path], ImportOptions(name="rkn", country="RU"))


def test_registers_samples_leave_out_hosts_of_a_category_and_of_an_authority(tmp_path: Path, store: Store) -> None:
    dump(
        tmp_path, store,
        "1.2.3.4;adult.example;;Генпрокуратура;27-31-2016/Ид1-16;2016-01-01",
        "1.2.3.4;bets.example2.com;;ФНС;1;2016-01-01",
        "1.2.3.4;other.example3.com;;Генпрокуратура;27-31-2016/Ид1-16;2016-01-01",
    )  # fmt: skip

    def drawn(*codes: str, listed: tuple[str, ...] = ()) -> set[str]:
        config = config_of(tmp_path, *codes, list=None, register="rkn", sample=9)
        more = (CampaignTable(name="list", list=str(tmp_path / "list.csv")),)
        care = CareTable(leave_out=codes, leave_out_listed=listed)
        found = Config(vantage=config.vantage, care=care, campaign=(*config.campaign, *more))
        return {one.target.host for one in planned_targets(found, store) if one.target.scheme == "tls"}

    everything = {"adult.example", "bets.example2.com", "other.example3.com"}
    assert drawn() == everything
    assert drawn("PORN") == everything - {"adult.example"}
    assert drawn("GMB") == everything - {"bets.example2.com"}, "whom the tax service lists, it lists for gambling"
    assert drawn(listed=("Генпрокуратура",)) == {"bets.example2.com"}
    assert drawn() == everything, "the sample of before is not taken for another"


@pytest.mark.parametrize("basis", ["149-FZ 15.3", "149-FZ 15.1"])
def test_an_article_leaves_out_its_parts(basis: str) -> None:
    from results.registers.sampling import _is_left_out, _Listed

    assert _is_left_out(_Listed("x", f"{basis}(1)(m)", "", ""), [basis])
    assert _is_left_out(_Listed("x", basis, "", ""), [basis])
    assert not _is_left_out(_Listed("x", f"{basis}-1", "", ""), [basis])


@given(st.sets(st.sampled_from(sorted(CODES))))
def test_no_service_of_a_category_that_is_left_out_is_ever_wanted(codes: set[str]) -> None:
    config = Config(care=CareTable(leave_out=tuple(codes)))
    measured = {one.target.service for one in planned_targets(config)}
    assert measured == {name for name, one in built_in().items() if one.category not in codes}


@pytest.mark.parametrize("country", sorted(VPN_RISK_COUNTRIES))
def test_vpn_services_are_not_measured_where_using_one_may_be_an_offence(country: str) -> None:
    here = Config(vantage=VantageTable(country=country))
    assert VPNS.isdisjoint(hosts(here))
    (said,) = unmeasured(here)
    assert f'[care] vpn_services_in = ["{country}"] includes them' in said
    opted_in = Config(vantage=VantageTable(country=country), care=CareTable(vpn_services_in=(country,)))
    assert hosts(opted_in) >= VPNS
    assert unmeasured(opted_in) == []


@pytest.mark.parametrize("country", ["NL", None])
def test_vpn_services_are_measured_elsewhere(country: str | None) -> None:
    assert hosts(Config(vantage=VantageTable(country=country))) >= VPNS


def test_a_vpn_that_hides_the_country_changes_nothing_for_the_person_in_it() -> None:
    there = Whereabouts(ways=(RouteOut(interface="wg0", tunnel="a WireGuard tunnel"),))
    located = Locator(b"", look=lambda path: there).locate(Config(vantage=VantageTable(country="IR")))
    assert located.vantage_by("direct").country is None
    assert VPNS.isdisjoint(hosts(located))


def test_to_be_opted_in_at_home_does_not_hold_in_another_country() -> None:
    public = Whereabouts(ways=(RouteOut(interface="eth0", own="2a02:6b8::1"),))
    home = Config(vantage=VantageTable(country="RU"), care=CareTable(vpn_services_in=("RU",)))
    abroad = Locator(b"", look=lambda path: public, lookup=lambda address: (1, "IR")).locate(home)
    assert VPNS.isdisjoint(hosts(abroad))


def test_a_list_of_vpns_and_a_plain_target_are_left_out_there_as_services_are(tmp_path: Path) -> None:
    config = config_of(tmp_path, country="RU", targets=("https://www.ipvanish.com/pricing",))
    assert hosts(config) == {"news.example", "adult.example", "bets.example", "plain.example"}
    assert unmeasured(config)[0].startswith("skipped 2 VPN targets")


def test_a_service_of_ones_own_has_the_category_it_is_given_or_that_of_the_one_it_replaces() -> None:
    own = (
        ServiceTable(name="ours", required=("https://ours.example/",), category="ANON"),
        ServiceTable(name="ipvanish", required=("https://mirror.example/",)),
        ServiceTable(name="else", required=("https://else.example/",)),
    )
    assert hosts(Config(vantage=VantageTable(country="RU"), service=own)) == {"else.example"}


def test_what_is_left_out_is_said_in_numbers() -> None:
    config = Config(care=CareTable(leave_out=("PORN", "GMB")))
    assert exclusion_sentences(config, ["PORN", "GMB", "PORN"]) == ["excluded by [care]: GMB 1, PORN 2"]
    assert exclusion_sentences(config, []) == []


def test_a_code_that_is_none_is_refused_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[care]\nleave_out = ["PORNO"]\n')
    with pytest.raises(ConfigError, match=r"c\.toml:2: care\.leave_out: 'PORNO' is not a category code; known: ALDR, "):
        load(tmp_path / "c.toml", {}, {})


async def test_check_refuses_what_is_left_out_unless_told_to_do_it_anyway(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    (lab.folder / "list.csv").write_text(f"url,category_code\n{lab.good.url},PORN\n")
    more = f'\n[[campaign]]\nname = "l"\nlist = "{lab.folder}/list.csv"\n[care]\nleave_out = ["PORN", "ANON"]\n'
    lab.configure(more)
    assert await lab.call("check", lab.good.url) == 2
    assert "excluded by [care] leave_out (PORN); --anyway" in capsys.readouterr().err
    assert not lab.db.exists()
    assert await lab.call("check", "--json", "--anyway", lab.good.url) == 0
    assert [row["outcome"] for row in rows(capsys.readouterr().out)] == ["reachable"]
    assert await lab.call("check", "--dry-run", "ipvanish") == 2
    assert await lab.call("run", "--json") == 0
    assert (said := capsys.readouterr()).out == ""
    assert "excluded by [care]: PORN 1" in said.err


def test_whoever_names_a_vpn_service_where_using_one_may_be_an_offence_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    (tmp_path / "c.toml").write_text('[vantage]\ncountry = "RU"\n')
    for words, told in ((["ipvanish"], True), (["https://www.expressvpn.com/x"], True), (["wechat"], False)):
        assert cli.call(["--config", str(tmp_path / "c.toml"), "check", "--dry-run", *words]) == 0
        assert ("using a VPN may be illegal in RU" in capsys.readouterr().err) is told
    assert not (tmp_path / "state").exists()


def test_a_dry_run_names_no_host_that_is_left_out_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    monkeypatch.setenv("STATE_DIRECTORY", str(state))
    (tmp_path / "list.csv").write_text(LIST)
    more = f'[[campaign]]\nname = "l"\nlist = "{tmp_path}/list.csv"\nservices = ["ipvanish", "wechat"]\n'
    (tmp_path / "c.toml").write_text(f'[vantage]\ncountry = "RU"\n[care]\nleave_out = ["GMB"]\n{more}')
    assert cli.call(["--config", str(tmp_path / "c.toml"), "run", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "www.wechat.com:443  (target of wechat)" in said
    assert "news.example" in said
    assert not {host for host in ("bets.example", "vpn.example", "ipvanish") if host in said}
    assert not state.exists()


def test_choices_of_all_campaigns_leave_it_out_too(tmp_path: Path) -> None:
    (choice,) = from_campaigns(config_of(tmp_path, "PORN"))
    assert "adult.example" not in {target.host for target in choice.targets}
