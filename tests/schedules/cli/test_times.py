"""Times on the command line: one set of forms for every option, and an error for anything else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import click
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from schedules import cli
from schedules.cli._times import Duration, Moment

NOW = datetime(2017, 5, 6, 12, 30, tzinfo=UTC)
TIME_OPTIONS = ("--since", "--until", "--at", "--date", "--older-than", "--for", "--within", "--deadline")


def read(text: str, *, end_of_day: bool = False) -> datetime:
    with time_machine.travel(NOW, tick=False):
        return Moment(end_of_day=end_of_day).convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "moment", "at_the_end"),
    [
        ("2017-05-04", "2017-05-04T00:00:00+00:00", "2017-05-04T23:59:59+00:00"),
        ("today", "2017-05-06T00:00:00+00:00", "2017-05-06T23:59:59+00:00"),
        ("yesterday", "2017-05-05T00:00:00+00:00", "2017-05-05T23:59:59+00:00"),
        ("7d", "2017-04-29T12:30:00+00:00", "2017-04-29T12:30:00+00:00"),
        ("90m", "2017-05-06T11:00:00+00:00", "2017-05-06T11:00:00+00:00"),
        ("2017-05-04T12:00:00Z", "2017-05-04T12:00:00+00:00", "2017-05-04T12:00:00+00:00"),
        ("2017-05-04T12:00:00+03:00", "2017-05-04T09:00:00+00:00", "2017-05-04T09:00:00+00:00"),
        ("2017-05-04T12:00", "2017-05-04T12:00:00+00:00", "2017-05-04T12:00:00+00:00"),
    ],
)
def test_a_time_is_read_as_utc_and_a_day_as_its_start_or_its_end(text: str, moment: str, at_the_end: str) -> None:
    assert read(text).isoformat() == moment
    assert read(text, end_of_day=True).isoformat() == at_the_end


@pytest.mark.parametrize("text", ["", "soon", "0d", "7", "d", "7w", "2017-13-01", "2017-05-04 noon", "999999d", "-1d"])
def test_anything_else_is_an_error_that_names_the_value_and_the_accepted_forms(text: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        read(text)
    assert caught.value.message.startswith(f"{text!r} is not a time; use a UTC date or time such as 2017-05-04")
    assert "yesterday" in caught.value.message
    assert "7d" in caught.value.message


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_an_error(text: str) -> None:
    try:
        assert read(text) - NOW < timedelta(days=366 * 9999)
    except click.BadParameter:
        pass


@pytest.mark.parametrize("option", ["--since", "--until"])
def test_results_list_refuses_what_is_no_time(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["--db", str(tmp_path / "x.db"), "results", "list", "--json", option, "last week"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"'{option}': 'last week' is not a time" in captured.err


def commands(group: click.Group) -> list[click.Command]:
    found: list[click.Command] = []
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        found += commands(command) if isinstance(command, click.Group) else [command]
    return found


def test_every_option_that_takes_a_time_has_its_type() -> None:
    options = [
        (command.name, option, parameter.type)
        for command in commands(import_module("schedules.cli").group)
        for parameter in command.params
        for option in parameter.opts
        if option in TIME_OPTIONS
    ]
    assert len(options) > 15
    assert [one for one in options if not isinstance(one[2], Moment | Duration)] == []
