"""Single flights asked about online: the rows of the build, from what is known in advance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.caching import closure
from tasks.contracts import types
from tasks.errors import ClockError, ContractViolation
from tasks.rows import REASONS, with_reasons
from tasks.usecase import features
from tasks.usecase.contract import FLIGHTS
from tasks.usecase.online import ANSWERED, CLIENT, SCHEDULED, Online, completed
from tests.unit.usecase.toy import ASKED, build, flight, reading, tables_of

pytestmark = pytest.mark.unit

PAST = [
    flight(1, 930, dep_delay=20, arr_delay=30),
    flight(2, 800, arr_delay=-5),
    flight(3, 700, dep_delay=None, arr_delay=None),
    flight(4, 1130),
]
WET = [reading(h, precip=0.1, visib=1.0, temp=30.0, wind_speed=25.0, wind_dir=70.0) for h in range(6, 18)]


def test_online_gives_the_row_of_the_build() -> None:
    online = Online(tables_of([*PAST, ASKED], WET))
    expected = build([*PAST, ASKED], WET)[9]
    assert online.features(ASKED) == {name: expected[name] for name in ANSWERED}


def test_online_reads_only_what_is_known_in_advance() -> None:
    online = Online(tables_of(PAST, WET))
    known = {name: ASKED[name] for name in SCHEDULED}
    assert "dep_delay" not in known
    assert online.features(known) == online.features(ASKED | {"dep_delay": 99, "arr_delay": 99, "tailnum": "N00000"})


def test_an_earlier_instant_sees_less() -> None:
    online = Online(tables_of(PAST, WET))
    at = datetime(2013, 7, 10, 13, 30, tzinfo=UTC)
    row = online.features(ASKED, at)
    assert row["predicted_at"] == at
    assert (row["departures_origin_3h_n"], row["arrivals_dest_24h_late"], row["reading_age_hours"]) == (1, 0, 1.5)
    assert online.features(ASKED)["departures_origin_3h_n"] == 2


def test_an_instant_after_the_prediction_is_refused() -> None:
    online = Online(tables_of(PAST))
    with pytest.raises(ClockError, match="at must be no later than the prediction instant 2013-07-10 14:00:00Z; got 2013-07-10 14:01"):
        online.features(ASKED, datetime(2013, 7, 10, 14, 1, tzinfo=UTC))


def test_a_row_that_lacks_a_column_is_refused() -> None:
    online = Online(tables_of([]))
    with pytest.raises(ContractViolation, match="none named dest, hour"):
        online.features({name: value for name, value in ASKED.items() if name not in ("hour", "dest")})


def test_no_flights_and_no_past() -> None:
    online = Online(tables_of([]))
    assert online.features_of([]) == []
    row = online.features(ASKED | {"dest": "XNA", "carrier": "ZZ"})  # never seen
    assert (row["arrivals_dest_28d_n"], row["arrivals_carrier_28d_late"], row["wind_speed"]) == (0, None, None)


def test_offline_does_not_depend_on_online() -> None:
    """Else a change for serving would build all features anew."""
    assert Online.__module__ not in closure(features.__name__)


# --- what a client sends ----------------------------------------------------------------------------------------------


def sent(**more: Any) -> dict[str, Any]:
    return {name: ASKED[name] for name in CLIENT if name != "time_hour"} | more


NEVER_LEFT = dict.fromkeys(("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"))
SCHEDULE = ("date must exist", "sched_dep_time", "sched_arr_time", "time_hour", "hour:", "minute:", "day:")
"""How the rules of the contract begin that are about the schedule's clocks."""


def offline_takes(flight: dict[str, Any], hour: int) -> bool:
    """Return whether ingest takes a flight's schedule, so that features are made of it."""
    row = {**ASKED, **NEVER_LEFT, **flight, "hour": hour, "minute": flight["sched_dep_time"] % 100}
    reasons = with_reasons(pl.DataFrame([row], schema=types(FLIGHTS.schema)), FLIGHTS).get_column(REASONS)[0]
    return not [reason for reason in reasons if reason.removeprefix("(row): ").startswith(SCHEDULE)]


def refusal(flight: dict[str, Any]) -> str | None:
    """Return what `completed` says must hold, None if it takes the flight."""
    try:
        completed(flight)
    except ContractViolation as error:
        return error.expected
    return None


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, datetime(2013, 7, 10, 16, tzinfo=UTC)),  # summer time
        ({"month": 12, "sched_dep_time": 2359}, datetime(2013, 12, 11, 4, tzinfo=UTC)),  # the last minute of a day
        ({"sched_dep_time": 0}, datetime(2013, 7, 10, 4, tzinfo=UTC)),  # the first
        ({"month": 11, "day": 3, "sched_dep_time": 130}, datetime(2013, 11, 3, 5, tzinfo=UTC)),  # doubled: the first one
        (
            {"month": 11, "day": 3, "sched_dep_time": 130, "time_hour": datetime(2013, 11, 3, 6, tzinfo=UTC)},
            datetime(2013, 11, 3, 6, tzinfo=UTC),  # or the second, if it is said
        ),
        ({"sched_arr_time": 2400}, datetime(2013, 7, 10, 16, tzinfo=UTC)),  # an arrival at midnight
    ],
)
def test_the_hour_of_a_departure(more: dict[str, Any], expected: datetime) -> None:
    found = completed(sent(**more))
    assert found.keys() == SCHEDULED.keys()
    assert found["time_hour"] == expected
    assert found["hour"] * 100 + found["minute"] == found["sched_dep_time"]
    assert offline_takes(found, found["hour"])


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"time_hour": datetime(1950, 1, 1, tzinfo=UTC)}, "time_hour"),  # before what weather and flights are there for
        ({"time_hour": datetime(1, 1, 1, tzinfo=UTC)}, "time_hour"),  # which no arithmetic of instants takes
        ({"time_hour": datetime(2099, 7, 10, 16, tzinfo=UTC)}, "time_hour"),  # long after the flight
        ({"time_hour": datetime(2013, 7, 10, 17, tzinfo=UTC)}, "time_hour"),  # standard time, in summer
        ({"time_hour": datetime(2013, 7, 10, 16, 30, tzinfo=UTC)}, "time_hour"),  # within the hour
        ({"time_hour": datetime(2013, 7, 10, 16)}, "time_hour"),  # of no zone
        ({"month": 2, "day": 30}, "day"),  # a day that no year has
        ({"year": 0}, "day"),  # a year that no calendar has
        ({"sched_dep_time": 1260}, "sched_dep_time"),  # sixty minutes
        ({"sched_dep_time": 2400}, "sched_dep_time"),  # the day's end is the next day's 0: ingest refuses it, too
        ({"sched_dep_time": -1}, "sched_dep_time"),
        ({"sched_arr_time": 1160}, "sched_arr_time"),
        ({"sched_arr_time": 2401}, "sched_arr_time"),
        ({"month": 3, "day": 10, "sched_dep_time": 230}, "sched_dep_time"),  # skipped when the clocks went forward
    ],
)
def test_what_does_not_hold_is_named(more: dict[str, Any], named: str) -> None:
    told = refusal(sent(**more))
    assert told is not None
    assert told.startswith(f"{named} must be ")


def test_midnight_at_the_end_of_a_day_is_no_departure_offline_either() -> None:
    """However its hour is written, and whichever day's hour its instant is."""
    for hour in (0, 23, 24):
        for ahead in range(-1, 26):
            at = datetime(2013, 7, 10, 4, tzinfo=UTC) + timedelta(hours=ahead)
            assert not offline_takes(sent(sched_dep_time=2400, time_hour=at), hour)


@given(
    day=st.sampled_from([(3, 9), (3, 10), (3, 11), (7, 10), (11, 2), (11, 3), (11, 4), (2, 29)]),
    departure=st.one_of(st.integers(0, 2400), st.sampled_from([0, 59, 100, 130, 200, 230, 300, 2300, 2359, 2400])),
    arrival=st.one_of(st.integers(0, 2400), st.just(1300)),
    ahead=st.integers(-2, 2),
)
def test_online_takes_what_offline_takes(day: tuple[int, int], departure: int, arrival: int, ahead: int) -> None:
    midnight = datetime(2013, *day, 4, tzinfo=UTC) if day != (2, 29) else datetime(2013, 3, 1, 4, tzinfo=UTC)
    at = midnight + timedelta(hours=departure // 100 + ahead)
    flight = sent(month=day[0], day=day[1], sched_dep_time=departure, sched_arr_time=arrival, time_hour=at)
    assert (refusal(flight) is None) == offline_takes(flight, departure // 100)


def test_the_features_of_a_completed_flight_are_those_of_the_build() -> None:
    online = Online(tables_of(PAST, WET))
    expected = build([*PAST, ASKED], WET)[9]
    assert online.features(completed(sent())) == {name: expected[name] for name in ANSWERED}
