"""docs/registers.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from results.i18n.translator import english
from results.registers import importing, sampling
from results.registers.formats import formats
from results.registers.formats.reachprobe import RegisterLine
from results.registers.records import RegisterEntry
from schedules.cli.register import register
from schedules.config.schema import MAX_AGE_DAYS, CampaignTable, RegisterTable

DOCUMENT = (Path(__file__).parents[3] / "docs/registers.md").read_text("utf-8")


def first_column(heading: str) -> list[str]:
    section = DOCUMENT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


def test_every_format_is_there_and_no_other():
    assert sorted(first_column("Formats")) == sorted(formats())


def test_every_kind_of_block_is_there():
    kinds = get_args(get_type_hints(RegisterLine)["block_type"])
    assert sorted(first_column("What an entry means")) == sorted(kinds)
    assert all(f"explain.{kind}" in english() for kind in kinds)
    assert "block_type" in RegisterEntry.__struct_fields__


def test_every_command_that_is_shown_is_one():
    shown = set(re.findall(r"reachprobe register (\w+)|`register (\w+)", DOCUMENT))
    assert {first or second for first, second in shown} <= set(register.commands)


@pytest.mark.parametrize("key", ["max_age_days"])
def test_the_keys_it_names_are_keys_of_a_register(key: str):
    assert f"`{key}`" in DOCUMENT
    assert key in RegisterTable.__struct_fields__


@pytest.mark.parametrize("key", ["register", "sample", "include", "list", "seed"])
def test_the_keys_it_names_are_keys_of_a_campaign(key: str):
    assert re.search(rf"\b{key}( = |`)", DOCUMENT)
    assert key in CampaignTable.__struct_fields__


def test_its_numbers_are_those_of_the_code():
    assert "more than a fifth" in DOCUMENT
    assert importing.MAX_SHRINK == 1 / 5
    assert RegisterTable(name="x").max_age_days == MAX_AGE_DAYS
    assert {"ФНС", "Росалкогольрегулирование"} == sampling._HARMLESS, "the tax service and the alcohol regulator"
    assert "register_samples" in Path("results/registers/schema.sql").read_text()
