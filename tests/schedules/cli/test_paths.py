"""Paths: bound to a source address, through a proxy with names looked up there or here, side by side."""

from __future__ import annotations

import pytest

from probe.net.path import BadPath, Path, usable
from schedules.config.load import load
from schedules.demo.listener import can_bind
from schedules.demo.resolver import nxdomain
from schedules.round.session import control_session
from tests.lab import censor_actions
from tests.probe.loopback import at_most
from tests.probe.test_control import http_proxy
from tests.schedules.lab import Lab, rows

EXEMPT = "127.77.0.98"
needs_addresses = pytest.mark.skipif(not can_bind(EXEMPT), reason="the loopback has one address")


def proxied(name: str, url: str, more: str = "") -> str:
    return f'\n[[path]]\nname = "{name}"\nproxy = "{url}"\n{more}'


@needs_addresses
async def test_a_path_bound_to_an_address_leaves_from_it(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.net.exempt.add(EXEMPT)
    lab.configure(f'\n[[path]]\nname = "wg"\nbind = "{EXEMPT}"\ncountry = "NL"\nasn = 64499\n')
    assert await lab.call("check", "--path", "wg", lab.reset.url, "--json") == 0
    (row,) = rows(capsys.readouterr().out)
    assert row["outcome"] == "reachable"
    assert row["vantage"] == {"name": "demo", "country": "NL", "asn": 64499, "path": "wg"}


@pytest.mark.parametrize("kind", ["socks5", "socks5h", "http"])
async def test_a_proxy_that_is_handed_names_opens_what_is_lied_about_here(
    lab: Lab, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    host, port = http_proxy(lab.net) if kind == "http" else lab.net.socks
    lab.configure(proxied("vpn", f"{kind}://{host}:{port}"))
    assert await lab.call("check", "--path", "vpn", lab.reset.url, "--json") == 0
    (row,) = rows(capsys.readouterr().out)
    assert (row["outcome"], row["vantage"]["path"]) == ("reachable", "vpn")


async def test_with_names_looked_up_here_the_lie_stays_and_the_rest_goes_round(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lied = lab.net.add_site("lied.x.test", lie=nxdomain)
    host, port = lab.net.socks
    lab.configure(proxied("vpn", f"socks5://{host}:{port}", 'dns = "local"\n'))
    assert await lab.call("check", "--path", "vpn", lab.reset.url, lied.url, "--json") == 0
    found = {row["target"]: (row["outcome"], row["method"]) for row in rows(capsys.readouterr().out)}
    assert found == {lab.reset.url: ("reachable", None), lied.url: ("blocked", "dns.nxdomain")}


async def test_several_paths_give_a_row_each_for_every_target_direct_first(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    host, port = lab.net.socks
    lab.configure(proxied("vpn", f"socks5://{host}:{port}", 'country = "NL"\n'))
    assert await lab.call("check", "--via", "vpn,direct", lab.good.url, lab.reset.url, "--json") == 0
    found = [(row["vantage"]["path"], row["target"], row["outcome"]) for row in rows(capsys.readouterr().out)]
    assert sorted(found[:2]) == [("direct", lab.good.url, "reachable"), ("direct", lab.reset.url, "blocked")]
    assert sorted(found[2:]) == [("vpn", lab.good.url, "reachable"), ("vpn", lab.reset.url, "reachable")]


async def test_several_paths_stand_side_by_side_and_a_sentence_says_which_opens_what(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = lab.net.add_site("dead.x.test", dead=True)
    host, port = lab.net.socks
    lab.configure(proxied("vpn", f"socks5://{host}:{port}"))
    assert await lab.call("check", "--via", "vpn", lab.good.url, lab.reset.url, dead.url) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert sum("network online" in line for line in lines) == 2
    table = {line.split()[0]: line for line in lines if ":" in line.split(" ")[0]}
    bare = [site.url.removeprefix("https://").removesuffix("/") for site in (lab.good, lab.reset, dead)]
    assert table[bare[0]].split()[1:] == ["✓", "reachable", "✓", "reachable"]
    assert "✗ TLS: reset, triggered by the name" in table[bare[1]]
    assert f"reachable only via vpn: {bare[1]}" in lines
    assert f"not reachable via any path: {bare[2]}" in lines
    assert any(line.startswith("3 targets via 2 paths in") for line in lines)


async def test_a_path_that_is_not_there_is_one_line_and_nothing_is_measured(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.configure('\n[[path]]\nname = "wg"\nbind = "wg99nosuch"\n\n[[path]]\nname = "gone"\nbind = "192.0.2.7"\n')
    for arguments in (("--path", "wg"), ("--via", "wg")):
        assert await lab.call("check", *arguments, lab.good.url) == 2
        said = capsys.readouterr().err
        assert said == "reachprobe: path wg: there is no interface wg99nosuch; is the VPN up?\n"
    assert await lab.call("check", "--path", "gone", lab.good.url) == 2
    assert "192.0.2.7 is not an address of this machine" in capsys.readouterr().err
    assert not lab.db.exists()


async def test_path_and_via_together_are_a_mistake(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert await lab.call("check", "--path", "control", "--via", "control", lab.good.url) == 2
    assert "either --path or --via" in capsys.readouterr().err
    assert await lab.call("check", "--via", ",", lab.good.url) == 2


async def test_a_control_whose_path_is_not_there_is_left_out(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    text = lab.net.config_toml().replace('path = "control"', 'paths = ["gone", "control"]')
    (lab.folder / "c.toml").write_text(text + '\n[[path]]\nname = "gone"\nbind = "wg99nosuch"\n')
    config = load(lab.folder / "c.toml", {}, {})
    assert control_session(config, "gone") is None
    assert await lab.call("check", lab.reset.url, "--json") == 0
    assert rows(capsys.readouterr().out)[0]["outcome"] == "blocked"


async def test_two_controls_are_both_asked_and_both_kept_with_their_country_and_network(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen = lab.net.add_site("frozen.x.test", censored=censor_actions.closes)
    host, port = lab.net.socks
    more = proxied("other", f"socks5://{host}:{port}", 'country = "NL"\nasn = 64500\nnetwork_name = "Other"\n')
    text = lab.net.config_toml().replace('path = "control"', 'path = "control"\npaths = ["other"]') + more
    (lab.folder / "c.toml").write_text(text)
    assert await at_most(60, lab.call("check", frozen.url, "--json")) == 0
    (row,) = rows(capsys.readouterr().out)
    assert await lab.call("results", "show", row["measurement_id"], "--json") == 0
    (whole,) = rows(capsys.readouterr().out)
    assert [(c["vantage"]["path"], c["vantage"]["country"], c["vantage"]["asn"]) for c in whole["controls"]] == [
        ("control", None, None),
        ("other", "NL", 64500),
    ]


async def test_a_control_in_the_vantages_own_country_is_not_counted_and_the_evidence_says_so(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    text = lab.net.config_toml().replace('name = "control"\n', 'name = "control"\ncountry = "RU"\n')
    (lab.folder / "c.toml").write_text(text)
    assert await lab.call("check", lab.reset.url, "--json") == 0
    (row,) = rows(capsys.readouterr().out)
    assert "control control is not counted: it exits in the vantage point's own country, RU" in row["evidence"]


async def test_what_another_vantage_recorded_serves_as_a_control(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    shut = lab.net.add_site("shut.x.test", censored=censor_actions.closes)
    text = lab.net.config_toml().replace('[control]\npath = "control"\n', "")
    abroad = text.replace('country = "RU"\nasn', 'country = "DE"\nasn', 1).replace(
        'name = "demo"', 'name = "berlin"', 1
    )
    (lab.folder / "c.toml").write_text(abroad)
    censored = dict(lab.net.censored)
    lab.net.censored.clear()
    assert await lab.call("check", shut.url, "--json") == 0
    lab.net.censored |= censored
    (lab.folder / "c.toml").write_text(text.replace("ab_address", "#"))
    assert await lab.call("check", shut.url, "--json") == 0
    there, here = rows(capsys.readouterr().out)
    assert (there["outcome"], there["vantage"]["country"]) == ("reachable", "DE")
    assert (here["outcome"], here["confidence"], here["control"]) == ("blocked", "possible", "berlin")
    assert await lab.call("results", "reclassify", "--json") == 0
    assert rows(capsys.readouterr().out) == [{"judged": 3, "changed": 0}]


def test_a_path_is_usable_where_its_address_or_interface_is_there() -> None:
    usable(Path())
    usable(Path("lo", bind="127.0.0.1"))
    with pytest.raises(BadPath, match="path v6: "):
        usable(Path("v6", bind="2001:db8::1"))


def test_no_permission_for_an_interface_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("probe.net.path.bind", refuse)
    with pytest.raises(BadPath, match=r"path wg: no permission to bind to the interface wg0; .*CAP_NET_RAW"):
        usable(Path("wg", bind="wg0"))
