"""Instants in UTC: the schedule, the departure and the arrival, which is local to the destination."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tasks.usecase import instants
from tests.unit.usecase.flights import PLACES, flights, utc

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("row", "scheduled", "landed"),
    [
        ({}, "2013-07-10T19:00", "2013-07-10T19:00"),  # 14:00 in Chicago
        ({"arr_delay": 90}, "2013-07-10T19:00", "2013-07-10T20:30"),
        ({"arr_delay": -20}, "2013-07-10T19:00", "2013-07-10T18:40"),
        ({"arr_delay": 1301}, "2013-07-10T19:00", "2013-07-11T16:41"),  # later than a day: from the schedule, not from HHMM
        ({"arr_delay": None}, "2013-07-10T19:00", None),  # did not land, or was diverted
        ({"dest": "LAX", "sched_arr_time": 1530}, "2013-07-10T22:30", "2013-07-10T22:30"),
        ({"dest": "HNL", "sched_arr_time": 1715}, "2013-07-11T03:15", "2013-07-11T03:15"),  # no daylight saving
        ({"dest": "PHX", "sched_arr_time": 1500}, "2013-07-10T22:00", "2013-07-10T22:00"),
        ({"dest": "SJU", "sched_arr_time": 1630}, "2013-07-10T20:30", "2013-07-10T20:30"),  # missing from airports
        ({"dest": "BOS", "sched_arr_time": 2400}, "2013-07-11T04:00", "2013-07-11T04:00"),  # local 2400 is midnight
        ({"dest": "BOS", "sched_arr_time": 45}, "2013-07-11T04:45", "2013-07-11T04:45"),  # after midnight
        (
            {"time_hour": utc("2013-03-10T03:00"), "hour": 23, "day": 9, "month": 3, "dest": "LAX", "sched_arr_time": 230},
            "2013-03-10T10:30",  # through the change of clocks: it left in winter time, Los Angeles is still in it
            "2013-03-10T10:30",
        ),
    ],
)
def test_arrival_is_local_to_the_destination(row: dict[str, Any], scheduled: str, landed: str | None) -> None:
    found = instants.with_instants(flights(row), PLACES).collect().row(0, named=True)
    if "hour" not in row:
        assert found["scheduled_departure"] == utc("2013-07-10T16:30")
    assert found["scheduled_arrival"] == utc(scheduled)
    assert found["landed_at"] == (None if landed is None else utc(landed))


def test_an_airport_that_nobody_knows_counts_as_new_york() -> None:
    found = instants.with_instants(flights({"dest": "ZZZ"}), PLACES).collect().row(0, named=True)
    assert found["scheduled_arrival"] == utc("2013-07-10T18:00")


@pytest.mark.parametrize(("delay", "left"), [(0, "2013-07-10T16:30"), (-10, "2013-07-10T16:20"), (800, "2013-07-11T05:50"), (None, None)])
def test_departure_is_schedule_plus_delay(delay: int | None, left: str | None) -> None:
    found = instants.with_instants(flights({"dep_delay": delay}), PLACES).collect().get_column("departed_at")[0]
    assert found == (None if left is None else utc(left))


def test_rows_stay_in_their_order_and_number() -> None:
    rows = [{"flight": i, "dest": dest} for i, dest in enumerate(["LAX", "ZZZ", "ORD", "LAX"], start=1)]
    twice = pl.concat([PLACES, PLACES])  # an airport given twice must not double its flights
    assert instants.with_instants(flights(*rows), twice).collect().get_column("flight").to_list() == [1, 2, 3, 4]


def test_every_zone_of_the_absent_airports_is_translated() -> None:
    assert set(instants._ABSENT_ZONES.values()) <= set(instants.ZONES)
