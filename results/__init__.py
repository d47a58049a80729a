"""Judges, stores, compares and shows what was measured."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_SECTION = re.compile(r"^-- \[(\w+)\].*\n(?:--.*\n)*", re.MULTILINE)


@cache
def sql(package: str, name: str) -> dict[str, str]:
    """The sections of a package's file NAME.sql, each under a line `-- [section]`; `statements` splits one."""
    _, *found = _SECTION.split((files(package) / f"{name}.sql").read_text("utf-8"))
    return {section: text.strip().removesuffix(";") for section, text in zip(found[::2], found[1::2], strict=True)}


def statements(text: str) -> list[str]:
    """The statements of a section: each ends in a semicolon and a line feed."""
    return text.split(";\n")
