"""Registers: the official lists of what a government says should be blocked."""

from __future__ import annotations

from pathlib import Path


def sample_path() -> Path:
    """The built-in sample register (a dump.xml with made-up decisions), for the demo and for trying things out."""
    return Path(__file__).parent / "sample.xml"
