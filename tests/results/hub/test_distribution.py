"""What a hub shares with its vantages: registers, targets and fingerprints, each no more than a file to an agent."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from results.db.store import Store
from results.fingerprints import collection as collecting
from results.fingerprints.fingerprint import Fingerprint
from results.fingerprints.formats import reachprobe as ours
from results.hub.distribution import Distribution
from results.registers import sample_path
from results.registers.importing import ImportOptions, import_register
from schedules.config.load import load
from schedules.hub_server.server import read_targets
from schedules.plan.lists import copy_of, read_list
from schedules.plan.selection import from_campaigns
from tests.results.hub.asgi_client import Inside
from tests.results.hub.hub_process import RunningHub
from tests.results.hub.in_thread import asked
from tests.schedules.hub_client.test_download import reachprobe

LIST = "url,category_code\nhttps://a.example/,NEWS\nhttps://b.example/x?y=1,HUMR\n"


def sharing(folder: Path) -> Inside:
    file = folder / "targets.csv"
    file.write_text(LIST)
    return Inside(folder, more=Distribution(folder / "hub.db", file, read_targets).routes())


def with_register(folder: Path) -> None:
    with closing(Store.open(folder / "hub.db")) as store:
        import_register(store.db, [sample_path()], ImportOptions(now=datetime.now(UTC)))


async def test_a_register_has_its_hash_and_is_304_for_a_client_that_has_it(tmp_path: Path) -> None:
    with sharing(tmp_path) as app:
        with_register(tmp_path)
        got = await asked(app, "/v1/registers/rkn")
        tag, since = got.headers["etag"], got.headers["last-modified"]
        again = await asked(app, "/v1/registers/rkn", {"if-none-match": tag})
        since_then = await asked(app, "/v1/registers/rkn", {"if-modified-since": since})
        other = await asked(app, "/v1/registers/rkn", {"if-none-match": '"x"', "if-modified-since": since})
        never = await asked(
            app, "/v1/registers/rkn", {"if-modified-since": "Mon, 01 Jan 2000 00:00:00 -99999999999999"}
        )
        part = await asked(app, "/v1/registers/rkn", {"range": "bytes=10-", "if-range": tag})
    digest = hashlib.sha256(got.body)
    assert (got.status, again.status, since_then.status, other.status) == (200, 304, 304, 200)
    assert never.status == 200
    assert tag == f'"{digest.hexdigest()}"'
    assert got.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert (part.status, part.body) == (206, got.body[10:])


async def test_a_new_version_is_served_from_the_next_request(tmp_path: Path) -> None:
    with sharing(tmp_path) as app:
        with_register(tmp_path)
        before = await asked(app, "/v1/registers/rkn")
        with closing(Store.open(tmp_path / "hub.db")) as store:
            file = tmp_path / "dump.csv"
            file.write_text("Updated: 2031-05-08 09:00:00 +0000\n;example.org;;x;1;2017-05-04\n")
            import_register(store.db, [file], ImportOptions(format="zapret-csv", now=datetime.now(UTC)))
        after = await asked(app, "/v1/registers/rkn", {"if-none-match": before.headers["etag"]})
    assert after.status == 200
    assert after.body != before.body


@pytest.mark.parametrize("name", ["nothing", "..", "%2e%2e", "../hub.db", "rkn'--", "a" * 4000, "\x00", "RKN"])
async def test_a_register_that_is_not_there_is_404_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    with sharing(tmp_path) as app:
        with_register(tmp_path)
        got = await asked(app, f"/v1/registers/{name}")
    assert got.status == 404


async def test_targets_come_as_citizen_lab_s_csv_and_plain_and_follow_the_operator_s_file(tmp_path: Path) -> None:
    with sharing(tmp_path) as app:
        table, plain = await asked(app, "/v1/targets"), await asked(app, "/v1/targets?format=plain")
        (tmp_path / "targets.csv").write_text("https://c.example/\n")
        changed = await asked(app, "/v1/targets?format=plain", {"if-none-match": plain.headers["etag"]})
        (tmp_path / "targets.csv").write_text("not a target at all\n")
        broken = await asked(app, "/v1/targets")
        wrong = await asked(app, "/v1/targets?format=exe")
        (tmp_path / "targets.csv").unlink()
        gone = await asked(app, "/v1/targets")
    rows = list(csv.DictReader(io.StringIO(table.body.decode())))
    assert [(row["url"], row["category_code"]) for row in rows] == [
        ("https://a.example/", "NEWS"),
        ("https://b.example/x?y=1", "HUMR"),
    ]
    assert plain.body == b"https://a.example/\nhttps://b.example/x?y=1\n"
    assert changed.body == b"https://c.example/\n"
    assert (broken.status, wrong.status, gone.status) == (503, 422, 404)
    copy = tmp_path / "copy.csv"
    copy.write_bytes(table.body)
    assert [(target.text, code) for target, code in read_list(copy)] == [
        ("https://a.example/", "NEWS"),
        ("https://b.example/x?y=1", "HUMR"),
    ]


async def test_fingerprints_go_from_one_collection_to_another(tmp_path: Path) -> None:
    prints = tuple(
        Fingerprint(
            name=f"nat_ru_{number}", scope="nat", where="body", how="contains", pattern=f"заблокирован\u2028{number}"
        )
        for number in range(5)
    )
    collection = collecting.Collection(updated="2026-11-24T00:00:00Z", sources=(), prints=prints)
    with sharing(tmp_path) as app:
        none = await asked(app, "/v1/fingerprints")
        collecting.store(collection, collecting.place(tmp_path / "hub.db"))
        got = await asked(app, "/v1/fingerprints")
    assert none.status == 404
    file = tmp_path / "prints.jsonl"
    file.write_bytes(got.body)
    assert collecting.gather([("hub", file)], datetime.now(UTC)).collection.prints == prints
    for end in range(0, len(got.body) - 1, 7):
        file.write_bytes(got.body[:end])
        with pytest.raises(collecting.FingerprintError):
            collecting.gather([("hub", file)], datetime.now(UTC))


def test_fingerprints_that_are_none_are_skipped(tmp_path: Path) -> None:
    wild = Fingerprint(name="x", scope="nat", where="body", how="regexp", pattern="(a+)+$")
    fine = Fingerprint(name="y", scope="nat", where="body", how="contains", pattern="blocked here")
    file = tmp_path / "prints.jsonl"
    file.write_bytes(b"".join(ours.write([wild, fine])))
    assert collecting.gather([("hub", file)], datetime.now(UTC)).collection.prints == (fine,)


async def test_an_agent_takes_a_register_from_its_hub_as_a_member_and_once(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    hub = RunningHub(tmp_path / "hub")
    with_register(tmp_path / "hub")
    hub.start("--behind-proxy")
    try:
        config = tmp_path / "c.toml"
        url = f"{hub.url}/v1/registers/rkn"
        table = f'[[register]]\nname = "rkn"\ncountry = "RU"\nsource = "{url}"\n'
        config.write_text(f'[hub]\nurl = "{hub.url}"\n{table}')
        words = ("--config", str(config), "--db", str(tmp_path / "agent.db"))
        stranger = reachprobe(tmp_path, *words, "register", "update", "rkn")
        given = await hub.enrol("a")
        with closing(Store.open(tmp_path / "agent.db")) as store:
            from results.db.upload_queue import enrol

            enrol(store, hub.url, "a", given, "2026-11-24T00:00:00Z")
        done = reachprobe(tmp_path, *words, "register", "update", "rkn", "--json")
        again = reachprobe(tmp_path, *words, "register", "update", "rkn")
        found = reachprobe(tmp_path, *words, "register", "stats", "--json")
    finally:
        hub.kill()
    assert stranger.returncode == 2
    assert "401" in stranger.stderr
    assert given not in stranger.stderr + done.stderr + again.stderr
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["skipped"] == 0
    assert "already up to date" in again.stderr
    assert json.loads(found.stdout.splitlines()[0])["register"] == "rkn"


PRIVATE = [
    "http://127.0.0.1:22/", "http://[::1]/", "http://10.0.0.1/", "http://192.168.1.1/admin", "http://169.254.169.254/",
    "http://[fe80::1]/", "http://0.0.0.0/", "http://2130706433/", "http://0x7f.1/", "http://[::ffff:10.0.0.1]/",
    "tcp://127.0.0.1:5432", "http://224.0.0.1/",
]  # fmt: skip
"""By address. A name that leads to one is looked up and not connected to: tests/probe/test_measure.py."""
NO_TARGETS = ["file:///etc/passwd", "javascript:alert(1)", "$(reboot)", "`reboot`", "| reboot", "-oProxyCommand=x",
              "ftp://a.example/", "https://user:pass@a.example/", "data:text/html,x", "\x1b]0;x\x07"]  # fmt: skip


def test_no_list_of_a_hub_makes_an_agent_contact_a_private_address_or_run_anything(tmp_path: Path) -> None:
    found = _chosen(tmp_path, "".join(f"{row}\n" for row in (*PRIVATE, *NO_TARGETS, "https://fine.example/")))
    assert found == ["https://fine.example/"]


def test_no_list_of_a_hub_overrides_its_owners_exclusions(tmp_path: Path) -> None:
    rows = "url,category_code\nhttps://a.example/,GMB\nhttps://b.example/,news\nhttps://c.example/,ALDR\n"
    hidden = "https://www.expressvpn.com/,NEWS\n"  # of a category that is left out, whatever the list calls it
    care = '[care]\nleave_out = ["GMB", "NEWS", "ANON"]\n'
    assert _chosen(tmp_path, rows + hidden, care) == ["https://c.example/"]


def _chosen(folder: Path, list_: str, more: str = "") -> list[str]:
    """What an agent would measure whose campaign takes its list from a hub that gave this."""
    url = "https://hub.example.org/v1/targets"
    config = folder / "c.toml"
    config.write_text(f'{more}[[campaign]]\nname = "c"\nlist = "{url}"\n')
    database = folder / "agent.db"
    copy = copy_of(url, database)
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(list_)
    with closing(Store.open(database)) as store:
        chosen = from_campaigns(load(config, {}, {}), store)
    return [target.text for choice in chosen for target in choice.targets]


BY: dict[str, Any] = {"authority": "Роскомнадзор", "decision_number": "3-1", "basis": "149-FZ 15.4"}


def test_a_register_of_a_hub_samples_no_private_host(tmp_path: Path) -> None:
    from results.registers.formats import reachprobe as format_

    hosts = ("router.lan", "localhost.localdomain", "a.example.org", "b.example.org")
    lines = [
        msgspec.json.encode(format_.RegisterLine(key=host, block_type="domain", names=(host,), **BY)) for host in hosts
    ]
    lines += [
        msgspec.json.encode(format_.RegisterLine(key="ip", block_type="ip", subnets=("10.0.0.0/8", "127.0.0.1"), **BY))
    ]
    head = b'{"reachprobe_register":1,"name":"rkn","country":"RU","updated":"2026-11-24T00:00:00Z"}'
    file = tmp_path / "rkn.jsonl"
    file.write_bytes(b"\n".join([head, *lines, b'{"entries":%d}' % len(lines), b""]))
    config = tmp_path / "c.toml"
    campaign = '[[campaign]]\nname = "c"\nregister = "rkn"\nsample = 50\n'
    config.write_text(f'[vantage]\ncountry = "RU"\n[[register]]\nname = "rkn"\ncountry = "RU"\n{campaign}')
    with closing(Store.open(tmp_path / "agent.db")) as store:
        import_register(store.db, [file], ImportOptions(name="rkn", country="RU", now=datetime.now(UTC)))
        chosen = from_campaigns(load(config, {}, {}), store)
    drawn = [target.host for choice in chosen for target in choice.targets]
    assert {"a.example.org", "b.example.org"} <= set(drawn)
    assert not any(host.startswith(("10.", "127.")) for host in drawn)
