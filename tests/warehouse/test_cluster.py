"""The contract on a ClickHouse that is there already, where CLICKHOUSE_URL names one: docs/compose.yaml starts it.

Give an empty database of its own, as clickhouse://reachprobe:PASSWORD@127.0.0.1:8123/contract.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from results.questions import Period
from tests.warehouse.asked import count, fill, of_database, of_warehouse

URL = os.environ.get("CLICKHOUSE_URL", "")
pytestmark = pytest.mark.skipif(not URL, reason="CLICKHOUSE_URL names no ClickHouse")


def test_three_weeks_are_answered_as_by_the_database_itself(database: Path, periods: list[Period]) -> None:
    fill(URL, database)

    assert of_warehouse(URL, periods) == of_database(database, periods)
    assert count(URL)["verdicts"] == 2940
    assert fill(URL, database) == [0]
