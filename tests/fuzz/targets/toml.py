"""The configuration and the rules: a file is read, or refused in one line that names its place."""

from __future__ import annotations

import os
import tempfile
import tomllib
from pathlib import Path

import msgspec

from results.judge import rules
from schedules.config.load import load
from schedules.config.schema import Config
from schedules.config.toml import ConfigError
from tests.fuzz.targets import refused_in_words

INSTRUMENT = ("schedules.config", "results.judge.rules", "probe.target", "tomllib")
FOLDER = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None


def check(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=FOLDER) as file:
        file.write(data[1:])
        file.flush()
        try:
            config = load(Path(file.name), {}, {})
        except ConfigError as error:
            refused_in_words(error)
        else:
            assert isinstance(config, Config)
    if data[:1] == b"r":
        try:
            rules.parse(data[1:].decode("utf-8", "replace"))
        except (ValueError, msgspec.ValidationError, RecursionError):
            pass


_RULES = b"""r[[rule]]
id = "x.y"
tier = 4
needs = "target.tls"
outcome = "blocked"
method = "tls.reset"
confidence = "confirmed"
says = "a sentence"
"""
_CONFIG = """ [vantage]
name = "home"
country = "RU"
[measure]
timeout_s = 5
trusted_resolvers = ["https://192.0.2.1/dns-query"]
[[service]]
name = "x"
required = ["https://www.x.example/", "tls://x.example:5223"]
[[campaign]]
name = "daily"
every = "1d"
services = ["x"]
[[notify]]
url = "mailto://x@a.example"
"""
SEEDS = (
    _RULES,
    _CONFIG.encode(),
    b" [a.b.c.d]\ne.f.g = 1\n[[h]]\ni = { j = [1, 2.5, 'k', 1979-05-27T07:32:00Z] }",
    *(b" " + file.read_bytes() for file in sorted((Path(__file__).parents[3] / "probe/services").glob("*.toml"))),
)
assert tomllib
