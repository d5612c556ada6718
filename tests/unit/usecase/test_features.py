"""Features of a handful of flights, counted by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tasks.contracts import describe, types
from tasks.usecase import features, source
from tasks.usecase.contract import FLIGHTS
from tasks.usecase.features import Features
from tasks.usecase.segments import SEGMENTS
from tests.unit.usecase.toy import ASKED, build, flight, reading, tables_of

pytestmark = pytest.mark.unit


def test_schedule_and_label() -> None:
    row = build([flight(9, 1200, arr_delay=15)])[9]
    assert row["flight_id"] == "2013-07-10-UA-9-LGA"
    assert row["predicted_at"] == datetime(2013, 7, 10, 14, tzinfo=UTC)
    assert row["batch_day"] == date(2013, 7, 10)
    assert row["label_known_at"] == datetime(2013, 7, 10, 17, 15, tzinfo=UTC)
    assert (row["hour"], row["weekday"], row["departure_minute"], row["arrival_minute"]) == ("12", "3", 720, 780)
    assert (row["scheduled_minutes"], row["distance"]) == (60, 184)


@pytest.mark.parametrize(("delay", "label"), [(15, 1), (14, 0), (-5, 0), (None, None)])  # late from fifteen minutes
def test_the_label_is_the_department_of_transportations(delay: int | None, label: int | None) -> None:
    row = build([flight(9, 1200, arr_delay=delay)])[9]
    assert row["label"] == label
    assert (row["label_known_at"] is None) == (label is None)


@pytest.mark.parametrize(
    ("other", "departures", "delay"),
    [
        (flight(1, 930), 1, 0),  # left half an hour before
        (flight(1, 930, dep_delay=20), 1, 20),
        (flight(1, 930, dep_delay=30), 1, 30),  # left as the question was asked
        (flight(1, 930, dep_delay=31), 0, None),  # a minute later
        (flight(1, 900), 0, None),  # an hour ago is not within the hour
        (flight(1, 901), 1, 0),
        (flight(1, 930, origin="JFK"), 0, None),  # elsewhere
        (flight(1, 930, dep_delay=None, arr_delay=None), 0, None),  # cancelled
        (flight(1, 800, dep_delay=90), 1, 90),  # counts when it left, not when it should have
    ],
)
def test_departures_of_the_last_hour(other: dict[str, Any], departures: int, delay: float | None) -> None:
    row = build([ASKED, other])[9]
    assert row["departures_origin_1h_n"] == departures
    assert row["departures_origin_1h_delay"] == delay
    assert row["departures_origin_1h_late"] == (None if delay is None else float(delay >= 15))


def test_one_flight_a_day_late_does_not_rule_the_mean() -> None:
    row = build([flight(9, 1900), flight(1, 500, dep_delay=700), flight(2, 1600)])[9]  # both left within three hours of 17:00
    assert row["departures_origin_3h_delay"] == (360 + 0) / 2


@pytest.mark.parametrize(
    ("other", "late", "count"),
    [
        (flight(1, 800), 0.0, 1),  # landed at nine
        (flight(1, 800, arr_delay=60), 1.0, 1),  # landed as the question was asked
        (flight(1, 800, arr_delay=61), None, 0),  # in the air: its delay is not known
        (flight(1, 800, arr_delay=None), None, 0),  # diverted
        (flight(1, 800, carrier="DL"), 0.0, 1),  # any carrier
    ],
)
def test_arrivals_count_when_they_landed(other: dict[str, Any], late: float | None, count: int) -> None:
    row = build([ASKED, other])[9]
    assert row["arrivals_dest_28d_late"] == late
    assert row["arrivals_dest_28d_n"] == count


@pytest.mark.parametrize(("local", "count"), [(1000, 1), (1001, 0), (500, 1)])
def test_a_cancellation_is_known_at_its_scheduled_departure(local: int, count: int) -> None:
    row = build([ASKED, flight(1, local, dep_delay=None, arr_delay=None)])[9]
    assert row["cancellations_origin_6h_n"] == count


def test_a_flight_knows_nothing_of_itself() -> None:
    row = build([ASKED])[9]
    assert row["departures_origin_24h_n"] == row["arrivals_dest_28d_n"] == row["cancellations_origin_24h_n"] == 0
    assert row["arrivals_carrier_28d_late"] is None


@pytest.mark.parametrize(
    ("dep_delay", "arr_delay"),
    [
        (-120, 0),  # left as the question was asked
        (-150, 0),  # left before it
        (-180, -240),  # and landed before it
    ],
)
def test_a_flight_that_leaves_before_its_prediction_knows_nothing_of_itself(dep_delay: int, arr_delay: int) -> None:
    early = flight(1, 1200, dep_delay=dep_delay, arr_delay=arr_delay)
    rows = build([early, ASKED, flight(2, 1201)])
    counts = ("departures_origin_1h_n", "departures_origin_24h_n", "arrivals_dest_28d_n")
    assert {rows[1][name] for name in counts} == {0}
    assert {rows[9][name] for name in counts} == {0}, "asked at the same instant"
    assert [rows[2][name] for name in counts] == [1, 1, int(arr_delay < -180)], "asked a minute later"


@pytest.mark.parametrize(
    ("readings", "wind", "age"),
    [
        ([reading(13, wind_speed=9.0)], 9.0, 1.0),  # the hour 13Z ends as the question is asked
        ([reading(14, wind_speed=9.0)], None, None),  # holds readings up to 14:51
        ([reading(12, wind_speed=5.0), reading(13, wind_speed=9.0), reading(14, wind_speed=1.0)], 9.0, 1.0),
        ([reading(1, wind_speed=9.0)], 9.0, 13.0),  # known twelve hours ago
        ([reading(0, wind_speed=9.0)], None, None),  # too old
        ([reading(13, wind_speed=9.0, origin="JFK")], None, None),
        ([reading(12, wind_speed=5.0), reading(13, wind_speed=None)], None, 1.0),  # the newest reading, whatever it lacks
    ],
)
def test_the_newest_reading(readings: list[dict[str, Any]], wind: float | None, age: float | None) -> None:
    row = build([ASKED], readings)[9]
    assert row["wind_speed"] == wind
    assert row["reading_age_hours"] == age


def test_weather_of_six_hours() -> None:
    wet = [reading(h, precip=0.1, visib=1.0, temp=30.0, wind_speed=25.0) for h in range(6, 14)]
    row = build([ASKED], wet)[9]
    assert row["precip_6h"] == pytest.approx(0.6)
    assert (row["low_visib_6h"], row["freezing_6h"], row["windy_6h"]) == (6, 6, 6)


def test_rows_are_sorted_by_instant_and_flight() -> None:
    assert list(build([flight(3, 1300), flight(2, 1200), flight(1, 1200)])) == [1, 2, 3]


def test_no_flights_give_no_rows() -> None:
    assert build([]) == {}


# --- windows ----------------------------------------------------------------------------------------------------------


def test_a_day_is_built_from_its_own_past() -> None:
    """The oldest flight that can matter: a day long, two days late, landed a minute after the longest window began."""
    first = date(2013, 7, 10)
    asked = flight(9, 0, arr_delay=None)  # asked at 22:00 on the day before: since 22:00 on 11 June
    oldest = flight(1, 2202, 2880, 2880, month=6, day=8, sched_arr_time=2201, time_hour=datetime(2013, 6, 9, 2, tzinfo=UTC))
    tables = tables_of([oldest, asked, flight(2, 2300)])
    near = tables | {"flights": tables["flights"].filter(source.day_of(FLIGHTS) >= first - features.LOOKBACK)}
    found = features.build(near, (first, first)).collect()
    assert found.equals(features.build(tables).collect().filter(pl.col("batch_day") == first))
    assert found.get_column("arrivals_dest_28d_n").to_list() == [1, 0]
    assert oldest["day"] == (first - features.LOOKBACK).day, "else a day less would do"


def test_the_lookback_holds_for_the_longest_delay_of_the_contract() -> None:
    limits = [check.statistics for name in ("dep_delay", "arr_delay") for check in describe(FLIGHTS.schema)[name].checks]
    longest = max(limit["max_value"] for limit in limits if "max_value" in limit)
    assert timedelta(minutes=longest) == features._LONGEST_DELAY


# --- segments ---------------------------------------------------------------------------------------------------------


def test_every_row_lies_in_one_part_of_the_day() -> None:
    frame = pl.DataFrame(list(build([flight(i, 100 * i) for i in range(1, 20)]).values()), schema=types(Features), orient="row")
    masks = frame.select(expr.fill_null(False).alias(name) for name, expr in SEGMENTS.items())
    hours = [name for name in masks.columns if "(" in name]
    assert masks.select(pl.sum_horizontal(hours)).to_series().unique().to_list() == [1]
    assert masks.select(pl.col(hours).any()).row(0) == (True,) * len(hours)


@pytest.mark.parametrize(("arrivals", "is_small"), [(27.0, True), (28.0, False), (0.0, True)])
def test_a_small_community_has_less_than_an_arrival_a_day(arrivals: float, is_small: bool) -> None:
    frame = pl.DataFrame({"arrivals_dest_28d_n": [arrivals]})
    assert frame.select(SEGMENTS["small communities"]).item() is is_small


def test_no_feature_is_of_the_aircraft() -> None:
    """Its number is missing only on cancelled flights, and it may be swapped until departure."""
    assert not {name for name in describe(Features) if "tail" in name or "plane" in name}
