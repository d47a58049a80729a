"""Registers: the lists of what a government says should be blocked.

`formats` (one module each) read files, `records` are what they yield, `names` parses and compares names and URLs,
`importing` and `staging` store a version, `history` keeps what was in force when, `expectation` looks targets up.
"""

from __future__ import annotations

from pathlib import Path


def sample_path() -> Path:
    """The built-in sample register (a dump.xml with made-up decisions), for the demo and for trying things out."""
    return Path(__file__).parent / "sample.xml"
