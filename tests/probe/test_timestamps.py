from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from probe.timestamps import epoch, http_date, parse_date, parse_rfc3339, parse_time, rfc3339, rfc3339_of_epoch

MOSCOW = timezone(timedelta(hours=3))
NOON = datetime(2017, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("seconds", "2017-05-04T12:00:00Z"),
        ("milliseconds", "2017-05-04T12:00:00.123Z"),
        ("microseconds", "2017-05-04T12:00:00.123456Z"),
    ],
)
def test_a_time_is_written_in_utc_to_the_unit(unit: str, text: str) -> None:
    assert rfc3339(NOON, unit) == rfc3339(NOON.astimezone(MOSCOW), unit) == text
    assert parse_rfc3339(text) == parse_time(text) == datetime.fromisoformat(text)


def test_seconds_since_1970_become_text_and_come_back() -> None:
    assert rfc3339_of_epoch(1493899200) == "2017-05-04T12:00:00Z"
    assert rfc3339_of_epoch(1493899200.5, "milliseconds") == "2017-05-04T12:00:00.500Z"
    assert epoch("2017-05-04T12:00:00Z") == epoch("2017-05-04T15:00:00+03:00") == 1493899200.0
    with pytest.raises((ValueError, OverflowError)):
        rfc3339_of_epoch(1e15)


def test_a_time_without_a_zone_is_utc_unless_a_zone_is_needed() -> None:
    assert parse_time("2017-05-04 12:00") == datetime(2017, 5, 4, 12, tzinfo=UTC)
    assert parse_time("2017-05-04") == datetime(2017, 5, 4, tzinfo=UTC)
    with pytest.raises(ValueError, match="has no time zone"):
        epoch("2017-05-04 12:00", needs_zone=True)


def test_a_time_that_utc_cannot_express_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="outside the years"):
        parse_time("0001-01-01T00:00:00+05:00")


@pytest.mark.parametrize(
    "text",
    ["", "2017-05-04", "2017-05-04T12:00:00", "2017-05-04 12:00:00Z", "20170504T120000Z", "2017-05-04T12:00Z",
     "2017-13-04T12:00:00Z", "2017-05-04T12:00:00.Z", "2017-05-04T12:00:00z", "２017-05-04T12:00:00Z"],
)  # fmt: skip
def test_what_is_not_rfc3339_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_rfc3339(text)


def test_nine_digits_of_a_second_are_cut_to_six() -> None:
    assert parse_rfc3339("2017-05-04T12:00:00.123456789Z") == NOON


@pytest.mark.parametrize("text", ["", "2017-5-4", "20170504", "2017-W18-4", "2017-02-29", "2017-05-04T00:00:00Z"])
def test_a_date_is_year_month_and_day_of_the_calendar(text: str) -> None:
    assert parse_date("2017-05-04") == date(2017, 5, 4)
    with pytest.raises(ValueError):
        parse_date(text)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Thu, 04 May 2017 12:00:00 GMT", NOON.replace(microsecond=0)),
        ("Thu, 04 May 2017 15:00:00 +0300", NOON.replace(microsecond=0)),
        ("Thu, 04 May 2017 12:00:00 -0000", NOON.replace(microsecond=0)),
        ("Mon, 01 Jan 2000 00:00:00 -99999999999999", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
        ("Mon, 99 Jan 2000 00:00:00 GMT", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_an_http_date_is_read_or_absent(text: str, read: datetime | None) -> None:
    assert http_date(text) == read
