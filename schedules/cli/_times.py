"""Option types for times and durations."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from gettext import gettext as _
from typing import Any, TypeVar

import click

from probe.timestamps import parse_time, rfc3339, seconds_of

LENGTH = re.compile("[1-9][0-9]{0,5}[smhd]", re.ASCII)
LAST_SECOND = time(23, 59, 59)
C = TypeVar("C", bound=Callable[..., Any])


class Duration(click.ParamType[float]):
    """A duration such as `30m`, in seconds."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if not LENGTH.fullmatch(str(value)):
            sentence = _("{value!r} is not a duration; use a number and s, m, h or d, such as 30m")
            self.fail(sentence.format(value=value), param, ctx)
        return seconds_of(str(value))


class Moment(click.ParamType[datetime]):
    """A UTC time: a date, an RFC 3339 time, `today`, `yesterday`, or `7d` for seven days ago.

    A day stands for its first second, or with `end_of_day` for its last one.
    """

    name = "time"

    def __init__(self, *, end_of_day: bool = False) -> None:
        self._end_of_day = end_of_day

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return self._read(str(value))
        except (ValueError, OverflowError):
            sentence = _(
                "{value!r} is not a time; use a UTC date or time such as 2017-05-04 or 2017-05-04T12:00:00Z,"
                " today, yesterday, or 7d for seven days ago"
            )
            self.fail(sentence.format(value=str(value)[:80]), param, ctx)

    def _read(self, text: str) -> datetime:
        now = datetime.now(UTC)
        if LENGTH.fullmatch(text):
            return now - timedelta(seconds=seconds_of(text))
        if text in ("today", "yesterday"):
            return self._of_day(now.date() - timedelta(days=text == "yesterday"))
        try:
            day = date.fromisoformat(text)
        except ValueError:
            return parse_time(text)
        return self._of_day(day)

    def _of_day(self, day: date) -> datetime:
        return datetime.combine(day, LAST_SECOND if self._end_of_day else time(), UTC)


def period_options(command: C) -> C:
    """The options --since and --until."""
    for option, side in (("--until", "before this UTC date or time."), ("--since", "since this UTC date or time.")):
        command = click.option(option, type=Moment(), metavar="TIME", help=f"Only measurements {side}")(command)
    return command


def text_of(moment: datetime | None) -> str | None:
    """RFC 3339 with milliseconds, as the database holds times."""
    return rfc3339(moment) if moment is not None else None
