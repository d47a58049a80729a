"""The rules as data: a table for each protocol file in this folder, read in the order of their tiers.

The tiers are the design's "how a verdict is reached": 1 the network, 2 refusal, 3 reachable, 4 proof, 5 a control got
through, 6 down, 7 repeated, 8 nothing to tell by. The first rule that applies decides.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache

from results.judge.rule import Rule

RULES_VERSION = "2026-11-26"
FIRST = ("isolated_retest", "dns", "http", "network", "quic", "throughput")
"""Tables whose rules are tried before those of other tables in the same tier, in this order."""


@lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """Every rule of every table, by tier; within a tier as written, FIRST and then the other tables by name."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__))
    names.sort(key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    tables = [importlib.import_module(f"{__name__}.{name}").RULES for name in names]
    return tuple(sorted((rule for table in tables for rule in table), key=lambda rule: rule.tier))
