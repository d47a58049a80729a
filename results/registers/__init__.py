"""Registers: the lists of what a government says should be blocked.

One file per format (each module here with a `FORMAT`), `records` for what a format yields, `names` for how
names and URLs are compared, `schema` for the tables, `importing` for a file's way into them, `history` for what was
in force when. Look-ups are in `results.registers.expectation`.
"""

from __future__ import annotations

from pathlib import Path


def sample_path() -> Path:
    """The built-in sample register (a dump.xml with made-up decisions), for the demo and for trying things out."""
    return Path(__file__).parent / "sample.xml"
