"""A length of time, as several commands take it."""

from __future__ import annotations

import re

import click


class Duration(click.ParamType[float]):
    """`30m` in seconds."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if not re.fullmatch("[1-9][0-9]{0,5}[smhd]", str(value)):
            self.fail(f"{value!r} is no time: give a number and s, m, h or d, as 30m", param, ctx)
        from schedules.config.schema import seconds_of

        return seconds_of(str(value))
