"""A period of a large database is found by its index; what comes of it is the same as when everything was read."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from results.compare import index, sources
from results.db.connect import open_read_only
from results.db.store import Store
from results.report import load
from tests.results.records import finished, measurement

FIRST = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY_S = 86400.0
DAYS = 12


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "x.db"
    with closing(Store.open(path)) as store:
        for day in range(DAYS):
            at = (FIRST + timedelta(days=day)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            store.save([finished(measurement=measurement(f"{day:016}", started_at=at))])
            again = measurement(f"again{day:011}", started_at=at, repeats=f"{day:016}")
            store.save([finished(measurement=again)] if day % 3 == 0 else [])
    return path


@pytest.mark.parametrize("since", [None, -3.0, 0.0, 2.0, 4.5, 30.0])
@pytest.mark.parametrize("until", [None, -1.0, 3.0, 8.25, 40.0])
def test_what_lies_outside_a_period_is_counted_and_the_rest_is_the_same_as_if_all_was_read(
    since: float | None, until: float | None, database: Path
) -> None:
    begun = FIRST.timestamp()
    period = {name: None if at is None else begun + at * DAY_S for name, at in (("since", since), ("until", until))}
    whole = [day for day in range(DAYS) if (since is None or day >= since) and (until is None or day < until)]
    with index.gather([database], **period) as gathered:
        assert gathered.counts.read == len(whole)
        assert gathered.counts.outside == DAYS - len(whole)
        found = [m.at for row in gathered.rows("target") for series in row.series for m in series.measurements]
    assert found == [begun + day * DAY_S for day in whole]
    details = {one.at for one in load.read(database, **period)}
    assert details >= {begun + day * DAY_S for day in whole}


def test_the_period_is_found_by_the_index_of_time(database: Path) -> None:
    with closing(open_read_only(database)) as connection:
        asked = (
            sources.results_query(connection, database) + sources.IN_PERIOD,
            load.DETAILS.format(later=sources.IN_PERIOD),
        )
        for query in asked:
            steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", ["2026", "2027"])]
            assert steps[0] == "SEARCH m USING INDEX measurements_by_time (started_at>? AND started_at<?)"
