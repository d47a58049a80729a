"""Measures what is blocked, judges nothing, and knows no register."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def data_files(package: str) -> dict[str, dict[str, Any]]:
    """The TOML files in a package's folder: their names without the ending, in order, and what they hold."""
    import tomllib
    from importlib.resources import files

    found = sorted((file for file in files(package).iterdir() if file.name.endswith(".toml")), key=lambda f: f.name)
    return {file.name.removesuffix(".toml"): tomllib.loads(file.read_text("utf-8")) for file in found}
