"""The charts of a report as Altair builds them, one a file. Imported only where the extra that draws them is there."""

from __future__ import annotations

from results.report.charts.hours import hours
from results.report.charts.methods import methods
from results.report.charts.register import register
from results.report.charts.timeline import timeline
from results.report.charts.times import times

__all__ = ["hours", "methods", "register", "timeline", "times"]
