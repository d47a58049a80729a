"""Where the configuration's values come from, and what is said of mistakes in it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.session import Settings
from results.i18n.language import activate
from schedules.config.load import load, variables
from schedules.config.schema import Config, ConfigTable
from schedules.config.toml import ConfigError, line_of
from schedules.plan.selection import services

DESIGNED = """\
[vantage]
name = "home-fibre"
country = "RU"
asn = 12389
[network]
resolvers = ["system", "udp://192.0.2.53", "https://dns.example/dns-query#192.0.2.1"]
trusted_resolvers = ["https://192.0.2.1/dns-query", "tls://192.0.2.2"]
canaries = ["http://canary.example/generate_204"]
domestic_canaries = ["https://canary.example.ru"]
allow_private = false
families = ["ipv4", "ipv6"]
timeout_s = 10
concurrency = 64
per_address = 2
innocent_name = "www.example.com"
ab_address = "192.0.2.9:443"
[control]
path = "vpn"
[[path]]
name = "vpn"
bind = "wg0"
[[path]]
name = "tor"
proxy = "socks5://127.0.0.1:9050"
country = "NL"
[[register]]
name = "rkn"
country = "RU"
format = "zapret-csv"
source = "dump.csv.gz"
max_age_days = 3
[[service]]
name = "wechat"
required = ["https://www.wechat.com/", "tls://long.weixin.qq.com:443"]
optional = []
[[campaign]]
name = "messengers"
services = ["wechat", "linkedin", "line", "bbm"]
targets = ["https://example.org/"]
every = "6h"
path = "direct"
[store]
keep_days = 400
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(written(folder, text), environ or {}, {})
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{folder}/")


def test_without_a_file_everything_is_as_by_default() -> None:
    assert load(None, {}, {}) == Config()


def test_what_the_design_writes_down_is_read(tmp_path: Path) -> None:
    config = load(written(tmp_path, DESIGNED), {}, {})
    assert config.vantage.asn == 12389
    assert config.path_names == ("direct", "vpn", "tor")
    assert config.path_named("tor").proxy == "socks5://127.0.0.1:9050"
    assert config.vantage_by("vpn").path == "vpn"
    assert config.ab_endpoint == ("192.0.2.9", 443)
    assert config.settings().timeout_s == 10


def test_the_defaults_that_measuring_has_are_the_defaults_here() -> None:
    ours, theirs = Config().settings(), Settings()
    given_here = {"trusted_resolvers", "canaries", "no_such_name", "no_resolver"}
    assert {key for key in Settings.__struct_fields__ if getattr(ours, key) != getattr(theirs, key)} == given_here


def test_the_environment_comes_over_the_file_and_a_flag_over_both(tmp_path: Path) -> None:
    path = written(tmp_path, '[vantage]\nname = "file"\nasn = 1\ncountry = "RU"\n')
    environ = {"REACHPROBE_VANTAGE_NAME": "environment", "REACHPROBE_VANTAGE_ASN": "2"}
    vantage = load(path, environ, {"vantage.name": "flag"}).vantage
    assert (vantage.name, vantage.asn, vantage.country) == ("flag", 2, "RU")


def test_a_variable_holds_numbers_truth_and_lists() -> None:
    environ = {
        "REACHPROBE_NETWORK_TIMEOUT_S": "2.5",
        "REACHPROBE_NETWORK_ALLOW_PRIVATE": "true",
        "REACHPROBE_NETWORK_FAMILIES": "ipv4",
        "REACHPROBE_NETWORK_TRUSTED_RESOLVERS": "tls://192.0.2.1, https://192.0.2.2/dns-query",
        "REACHPROBE_NETWORK_DOMESTIC_CANARIES": "",
    }
    network = load(None, environ, {}).network
    assert (network.timeout_s, network.allow_private, network.families) == (2.5, True, ("ipv4",))
    assert network.trusted_resolvers == ("tls://192.0.2.1", "https://192.0.2.2/dns-query")
    assert network.domestic_canaries == ()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("REACHPROBE_NETWORK_TIMEOUT_S", "soon", "expected a number, not text"),
        ("REACHPROBE_NETWORK_TIMOUT_S", "1", "no such key"),
        ("REACHPROBE_VANTAGE_COUNTRY", "russia", "not in the expected form"),
        ("REACHPROBE_CONTROL_PATH", "vpn", "there is no path 'vpn'; known: direct"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load(None, {variable: value}, {})
    assert variable in str(caught.value) or "control.path" in str(caught.value)


def test_variables_of_other_programs_are_passed_over() -> None:
    assert load(None, {"REACHPROBE_CONSENT": "yes", "REACHPROBE_HOME": "/opt"}, {}) == Config()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[vantage]\n\ncolour = "red"\n', "config.toml:3: vantage.colour: no such key"),
        ('\n[vantage]\nasn = "x"\n', "config.toml:3: vantage.asn: expected a whole number, not text"),
        ("[vantage]\nasn = 0\n", "config.toml:2: vantage.asn: must be at least 1"),
        ("[network]\ntimeout_s = -1\n", "config.toml:2: network.timeout_s: must be more than 0"),
        ('[network]\nfamilies = ["ipv5"]\n', "config.toml:2: network.families[1]: 'ipv5' is not a known value"),
        ("[nonsense]\nx = 1\n", "config.toml:1: nonsense: no such key"),
        (
            '[[path]]\nname = "a"\nbind = "wg0"\n[[path]]\nbind = 1\n',
            "config.toml:5: path[2].bind: expected text, not a whole number",
        ),
        (
            '[[path]]\nname = "a"\nbind = "wg0"\n\n[[path]]\n',
            "config.toml:5: path[2]: the key name is missing",
        ),
        ('[vantage\nname = "x"\n', "config.toml:1: not TOML: "),
        ('[vantage]\nname = "x\n', "config.toml:2: not TOML: "),
        ('vantage = "x"\n', "config.toml:1: vantage: expected a table, not text"),
        ("vantage.asn = 0\n", "config.toml:1: vantage.asn: must be at least 1"),
        ('[control]\npath = "vpn"\n', "config.toml:2: control.path: there is no path 'vpn'"),
        (
            '[control]\nhub = "http://hub.example/"\n',
            "config.toml:2: control.hub: 'http://hub.example/': give an https",
        ),
        ('[hub]\npath = "vpn"\n', "config.toml:2: hub.path: there is no path 'vpn'"),
        ('[[path]]\nname = "a"\n', "config.toml:1: path[1]: use either bind or proxy, not both"),
        ('[control]\npaths = ["tor"]\n', "config.toml:2: control.paths: there is no path 'tor'"),
        ('[control]\nrecorded_within = "long"\n', "config.toml:2: control.recorded_within: not in the expected form"),
        (
            '[[path]]\nname = "a"\nbind = "x"\ndns = "local"\n',
            "config.toml:4: path[1].dns: applies only to a path with a proxy",
        ),
        ('[network]\nno_resolver = "nobody"\n', "config.toml:2: network.no_resolver: 'nobody' is not ADDRESS"),
        ('[[path]]\nname = "a"\nproxy = "ftp://x"\n', "config.toml:3: path[1].proxy: "),
        (
            '[[path]]\nname = "a"\nbind = "x"\n[[path]]\nname = "a"\nbind = "y"\n',
            "config.toml:5: path[2].name: 'a' is given twice",
        ),
        ('[network]\nca_file = "/no/such.pem"\n', "config.toml:2: network.ca_file: no such file"),
        ('[network]\nresolvers = ["udp://dns.example"]\n', "config.toml:2: network.resolvers: resolver"),
        (
            '[network]\nab_address = "example.org"\n',
            "config.toml:2: network.ab_address: 'example.org' is not ADDRESS:PORT",
        ),
        ('[network]\ncanaries = ["ftp://x.example"]\n', "config.toml:2: network.canaries: 'ftp://x.example'"),
        ('[[service]]\nname = "x"\nrequired = ["http://["]\n', "config.toml:3: service[1].required: 'http://['"),
        ('[[service]]\nname = "Big"\n', "config.toml:2: service[1].name: not in the expected form"),
        ('[[campaign]]\nname = "x"\npath = "vpn"\n', "config.toml:3: campaign[1].path: there is no path 'vpn'"),
        ('[[campaign]]\nname = "x"\nregister = "rkn"\n', "config.toml:3: campaign[1].register: register and sample"),
        ('[metrics]\nlisten = "0.0.0.0:9877"\n', "config.toml:2: metrics.listen: '0.0.0.0:9877' is not 127.0.0.1:PORT"),
        ('[metrics]\nlisten = "127.0.0.1:0"\n', "config.toml:2: metrics.listen: '127.0.0.1:0' is not 127.0.0.1:PORT"),
        ('[metrics]\ntextfile = "/x.txt"\n', "config.toml:2: metrics.textfile: not in the expected form"),
        ('[[notify]]\nname = "x"\nurls = []\n', "config.toml:3: notify[1].urls: must have at least 1 item"),
        ('[[campaign]]\nname = "x"\nevery = "often"\n', "config.toml:3: campaign[1].every: not in the expected form"),
    ],
)
def test_a_mistake_is_told_in_one_line_with_its_key_and_line(tmp_path: Path, text: str, said: str) -> None:
    assert refused(tmp_path, text).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[vantage]\nasn = "x"\n', "config.toml:2: vantage.asn: ожидается целое число, а указано: строка"),
        ("[vantage]\nasn = 0\n", "config.toml:2: vantage.asn: должно быть не меньше 1"),
        ('[vantage]\nname = ""\n', "config.toml:2: vantage.name: нужен хотя бы 1 символ"),
        ("[network]\ncolour = 1\n", "config.toml:2: network.colour: нет такого ключа"),
        ('[control]\npath = "vpn"\n', "config.toml:2: control.path: нет пути 'vpn'; есть: direct"),
        ('[ui]\nlanguage = "xx"\n', "config.toml:2: ui.language: нет языка 'xx'; есть: en, ru"),
    ],
)
def test_a_mistake_is_reported_in_russian(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setenv("LANGUAGE", "")
    activate("ru")
    assert refused(tmp_path, text) == said


@pytest.mark.parametrize("wrong", ['quiet_hours = "22-7"', 'digest = "daily"', 'what = ["news"]', 'to = "x"'])
def test_a_mistake_about_who_is_told_repeats_no_password(tmp_path: Path, wrong: str) -> None:
    receiver = '[[notify]]\nname = "me"\nurls = ["json://me:hunter2@h.example/"]\n'
    assert "hunter2" not in refused(tmp_path, receiver + wrong + "\n")
    assert "hunter2" not in refused(tmp_path, receiver.replace("json://", "json:/"))
    assert "hunter2" not in refused(tmp_path, receiver * 2)


def test_a_service_of_the_name_of_a_built_in_one_has_ended_only_where_it_says_so(tmp_path: Path) -> None:
    table = '[[service]]\nname = "bbm"\nrequired = ["https://bbm.example/"]\n'
    assert services(load(None, {}, {}))["bbm"].ended is not None
    assert services(load(written(tmp_path, table), {}, {}))["bbm"].ended is None
    said = 'ended = "2019-05-31"\nnote = "For businesses it goes on."\n'
    ended = services(load(written(tmp_path, table + said), {}, {}))["bbm"]
    assert (ended.ended, ended.note, ended.title) == (
        "2019-05-31",
        "For businesses it goes on.",
        "BlackBerry Messenger",
    )


def test_a_path_is_in_the_vantages_network_unless_it_says_otherwise(tmp_path: Path) -> None:
    home = '[vantage]\ncountry = "RU"\nasn = 12389\nnetwork_name = "Home"\n'
    paths = '[[path]]\nname = "a"\nbind = "x"\n[[path]]\nname = "b"\nbind = "y"\ncountry = "NL"\n'
    config = load(written(tmp_path, home + paths + 'network_name = "Exit"\n'), {}, {})
    told = [(v.country, v.asn, v.network_name) for v in map(config.vantage_by, ("direct", "a", "b"))]
    assert told == [("RU", 12389, "Home"), ("RU", 12389, "Home"), ("NL", None, "Exit")]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.toml: cannot be read: No such file or directory; name another"):
        load(tmp_path / "nothing.toml", {}, {})
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, {}, {})


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"[vantage]\nname = '\xff'\n")
    with pytest.raises(ConfigError, match=r"not UTF-8 text \(byte 18\)"):
        load(tmp_path / "config.toml", {}, {})


keys = st.from_regex(r"[a-z]{1,8}", fullmatch=True)


def test_a_mistake_in_a_key_without_end_is_told_in_one_short_line_without_control_characters(tmp_path: Path) -> None:
    for key in ("k" * 60_000, '"' + "\\u001b[31m" * 900 + '"'):
        path = tmp_path / "long.toml"
        path.write_text(f"[vantage]\n{key} = 1\n")
        with pytest.raises(ConfigError, match=r"long\.toml:[12]: .*no such key") as caught:
            load(path, {}, {})
        said = str(caught.value).removeprefix(str(path))
        assert said.isprintable()
        assert len(said) < 400


@given(st.dictionaries(keys, st.dictionaries(keys, st.integers(), min_size=1), min_size=1))
def test_the_line_of_a_key_is_where_it_stands(tables: dict[str, dict[str, int]]) -> None:
    lines: list[str] = []
    places: dict[tuple[str, str], int] = {}
    for table, entries in tables.items():
        lines += ["# a comment", f"[{table}]"]
        for key, value in entries.items():
            lines.append(f"{key} = {value}")
            places[table, key] = len(lines)
    text = "\n".join(lines)
    assert tomllib.loads(text) == tables
    assert {keys: line_of(text, keys) for keys in places} == places


def test_the_document_lists_every_key_with_its_default_and_nothing_else() -> None:
    document = Path("docs/configuration.md").read_text("utf-8")
    for section, kind in get_type_hints(Config).items():
        heading = re.search(rf"^## \[+{section}\]+.*$", document, re.MULTILINE)
        assert heading, section
        text = document[heading.end() :].split("\n## ")[0]
        rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE))
        table = _table(kind)
        assert set(rows) == set(table.__struct_fields__), section
        for field in table.__struct_fields__:
            default = _default(table, field)
            if default is not None and (section, field) not in {("network", "user_agent"), ("service", "title")}:
                assert rows[field].strip("`") == _toml(default), (section, field)


def test_every_single_key_has_a_variable() -> None:
    assert "REACHPROBE_NETWORK_TIMEOUT_S" in variables()
    assert all(name.startswith("REACHPROBE_") for name in variables())


def _table(kind: Any) -> type[ConfigTable]:
    return kind if isinstance(kind, type) and issubclass(kind, ConfigTable) else kind.__args__[0]


def _default(table: type[ConfigTable], field: str) -> Any:
    defaults = table.__struct_defaults__
    place = table.__struct_fields__.index(field) - len(table.__struct_fields__) + len(defaults)
    fallback = defaults[place] if place >= 0 else None
    return fallback if isinstance(fallback, str | int | float | bool | tuple) else None


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
