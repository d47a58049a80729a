"""What a step needs: its file, its rules, its lines in the catalogues, its lab server, its tests; nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from probe.steps import default_port, schemes, specs

ROOT = Path(__file__).parents[3]
NAMED = re.compile(rb"(?<![a-z])stun(?![a-z])", re.IGNORECASE)
FILES = {
    "probe/steps/stun.py",
    "results/judge/rules/stun.toml",
    "results/db/columns.toml",
    "results/i18n/english/evidence.toml",
    "results/i18n/english/pages.toml",
    "tests/lab/stun_server.py",
    "tests/probe/steps/test_step_files.py",
    "tests/results/judge/test_rule_guards.py",
    "tests/probe/steps/test_stun.py",
}
OTHERS = ("tests/scenarios/situations/stun_", "probe/services/", "tests/lab/debian/")
"""Its situations, and services and real servers that use it."""


def test_a_step_is_named_in_no_other_file() -> None:
    folders = [ROOT / folder for folder in ("probe", "results", "schedules", "tests")]
    paths = (path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".toml", ".html"))
    naming = {path.relative_to(ROOT).as_posix() for path in paths if NAMED.search(path.read_bytes())}
    assert {path for path in naming if not path.startswith(OTHERS)} == FILES


def test_what_steps_declare_is_read_without_the_network_libraries() -> None:
    heavy = ("h11", "certifi", "httpcore", "dns", "aioquic", "aioice", "cryptography", "probe.net.network")
    code = f"import sys, results.judge.verdict; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def test_every_scheme_ends_with_one_step() -> None:
    assert set(schemes()) == {"https", "http", "tcp", "tls", "quic", "stun", "dns-tcp", "dot", "doh", "udp"}
    assert {scheme: default_port(scheme) for scheme in schemes()} == {
        "https": 443,
        "http": 80,
        "tcp": None,
        "tls": 443,
        "quic": 443,
        "stun": 3478,
        "dns-tcp": 53,
        "dot": 853,
        "doh": 443,
        "udp": 53,
    }


def test_every_failure_has_a_method_of_the_closed_list() -> None:
    methods = {method.name for spec in specs().values() for method in spec.methods}
    assert {method for spec in specs().values() for method in spec.failures.values()} <= methods


def test_every_step_that_begins_at_an_address_records_its_family() -> None:
    for spec in specs().values():
        assert spec.begins != "address" or "family" in spec.detail.__struct_fields__
