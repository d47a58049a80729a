"""The three weeks as a report; drawn once for all tests, for drawing takes seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from results.i18n.translator import Translator
from results.report import Summary
from results.report.html import render
from tests.results.report.reports import summary_of


@pytest.fixture(scope="session")
def summary(three_weeks: list[Path]) -> Summary:
    return summary_of(*three_weeks)


@pytest.fixture(scope="session")
def page(summary: Summary) -> str:
    return render(summary, Translator("en"))


@pytest.fixture(scope="session")
def russian_page(summary: Summary) -> str:
    return render(summary, Translator("ru"))
