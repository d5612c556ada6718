"""The contracts themselves: complete, and every rule can tell a good row from a bad one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.contracts import Table, describe, sensitive, types
from tasks.rows import REASONS, parse
from tasks.usecase import features, routes
from tasks.usecase.contract import AIRPORTS, FLIGHTS, ORIGINS, PERSONAL_RETENTION_DAYS, PLANES, TABLES, WEATHER
from tasks.usecase.features import Features

pytestmark = pytest.mark.unit

FLIGHT = {
    "year": "2013", "month": "7", "day": "10", "dep_time": "1240", "sched_dep_time": "1230", "dep_delay": "10",
    "arr_time": "1400", "sched_arr_time": "1355", "arr_delay": "5", "carrier": "UA", "flight": "1", "tailnum": "N12345",
    "origin": "LGA", "dest": "ORD", "air_time": "120", "distance": "733", "hour": "12", "minute": "30",
    "time_hour": "2013-07-10T16:00:00Z",
}  # fmt: skip
READING = dict.fromkeys(describe(WEATHER.schema)) | {"origin": "LGA", "time_hour": "2013-07-10T16:00:00Z"}
NEVER_LEFT: dict[str, Any] = dict.fromkeys(("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum"))

LATE_EVENING = {
    "sched_dep_time": "2359", "hour": "23", "minute": "59", "time_hour": "2013-07-11T03:00:00Z", "dep_time": "9",
    "sched_arr_time": "140", "arr_time": "145", "dep_delay": "10", "arr_delay": "5",
}  # fmt: skip
DOUBLED_HOUR: dict[str, Any] = NEVER_LEFT | {
    "month": "11", "day": "3", "hour": "1", "minute": "30", "sched_dep_time": "130", "sched_arr_time": "300",
}  # fmt: skip
# B6 35 of 9 March 2013, as the source has it.
SPRING = {
    "month": "3", "day": "9", "hour": "21", "minute": "45", "sched_dep_time": "2145", "dep_time": "2306", "dep_delay": "81",
    "sched_arr_time": "34", "arr_time": "203", "arr_delay": "89", "origin": "JFK", "dest": "PBI", "air_time": "141",
    "distance": "1028", "time_hour": "2013-03-10T02:00:00Z",
}  # fmt: skip


def reasons(table: Table, row: dict[str, Any]) -> set[str]:
    frame = pl.DataFrame([row], schema=dict.fromkeys(describe(table.schema), pl.String))
    return {reason.removeprefix("(row): ") for reason in parse(frame, table).get_column(REASONS)[0]}


@pytest.mark.parametrize(
    "row",
    [
        {},
        NEVER_LEFT,  # cancelled
        {"arr_delay": None, "air_time": None, "arr_time": "1822"},  # diverted: it arrived, elsewhere or late
        {"arr_delay": None, "air_time": None, "arr_time": None},  # in the air
        LATE_EVENING,  # leaves past midnight
        LATE_EVENING | {"dep_time": "2400", "dep_delay": "1", "arr_time": "140", "arr_delay": "0"},  # local 2400 occurs
        {"dep_delay": "1450", "arr_delay": "1445"},  # a day late
        {"time_hour": "2013-01-10T17:00:00Z", "month": "1"},  # winter
        {"month": "2", "day": "28", "time_hour": "2013-02-28T17:00:00Z"},
        {"year": "2016", "month": "2", "day": "29", "time_hour": "2016-02-29T17:00:00Z"},  # a leap year
        {"dest": "XYZ", "distance": "740"},  # a route that is not known is not judged
        # The hour of 3 November that comes twice: summer time, then standard time.
        DOUBLED_HOUR | {"time_hour": "2013-11-03T05:00:00Z"},
        DOUBLED_HOUR | {"time_hour": "2013-11-03T06:00:00Z"},
        # The clocks go forward on the way: delay by the wall clock (2:03, which never was) or by time elapsed (3:03).
        SPRING,
        SPRING | {"arr_time": "303"},
    ],
)
def test_good_flights(row: dict[str, Any]) -> None:
    assert reasons(FLIGHTS, FLIGHT | row) == set()


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"month": "2", "day": "29"}, "date must exist"),
        ({"month": "4", "day": "31"}, "date must exist"),
        ({"month": "13"}, "month: must be at most 12"),  # and nothing fails
        ({"sched_arr_time": "1360"}, "sched_arr_time must be a time of day"),
        ({"arr_time": "1299"}, "arr_time must be a time of day"),
        ({"sched_dep_time": "1231"}, "sched_dep_time must equal hour and minute"),
        ({"time_hour": "2013-07-10T15:00:00Z"}, "time_hour must be the instant of the local hour"),
        ({"time_hour": "2013-07-10T17:00:00Z"}, "time_hour must be the instant of the local hour"),  # winter's offset in summer
        ({"time_hour": "2013-07-11T16:00:00Z"}, "time_hour must be the instant of the local hour"),  # the wrong day
        ({"time_hour": "2013-07-10T16:00:01Z"}, "time_hour must be the instant of the local hour"),
        (DOUBLED_HOUR | {"time_hour": "2013-11-03T07:00:00Z"}, "time_hour must be the instant of the local hour"),
        ({"dep_time": None, "dep_delay": None}, "arrival must not be there without a departure"),
        (NEVER_LEFT | {"air_time": "120"}, "arrival must not be there without a departure"),
        ({"dep_delay": None}, "dep_delay must be there exactly when dep_time is"),
        ({"arr_time": None}, "arr_delay must not be there without arr_time"),
        ({"air_time": None}, "air_time must be there exactly when arr_delay is"),
        ({"arr_delay": None}, "air_time must be there exactly when arr_delay is"),
        ({"tailnum": None}, "tailnum must be there on a flight that left"),
        ({"dep_time": "1241"}, "dep_time must be sched_dep_time plus dep_delay"),
        ({"dep_time": "1340"}, "dep_time must be sched_dep_time plus dep_delay"),  # no hour's slack in July
        ({"arr_time": "1401"}, "arr_time must be sched_arr_time plus arr_delay"),
        ({"arr_time": "1500"}, "arr_time must be sched_arr_time plus arr_delay"),
        (SPRING | {"arr_time": "204"}, "arr_time must be sched_arr_time plus arr_delay"),  # the slack is the hour, not up to it
        ({"air_time": "139"}, "air_time must fit between departure and arrival"),  # a minute to taxi
        ({"arr_delay": "1445"}, "air_time must fit between departure and arrival"),  # a day between gate and gate
        ({"air_time": "50"}, "speed in the air must be an aircraft's"),  # 880 miles an hour
        ({"air_time": "890"}, "speed in the air must be an aircraft's"),
        ({"sched_arr_time": "1235"}, "schedule must fit the distance"),  # 65 minutes to Chicago
        ({"distance": "1180"}, "distance must be one of its route"),  # kilometres
        ({"distance": "734"}, "distance must be one of its route"),
        ({"dest": "LGA"}, "origin must differ from dest"),
        ({"carrier": "ZZ"}, "carrier: must be one of 9E, AA, AS, B6, DL, EV, F9, FL, ..."),
        ({"arr_delay": "-300"}, "arr_delay: must be at least -240"),
    ],
)
def test_bad_flights(row: dict[str, Any], expected: str) -> None:
    assert expected in reasons(FLIGHTS, FLIGHT | row)


def test_a_flight_number_is_unique_a_day_carrier_and_origin() -> None:
    rows = pl.DataFrame([FLIGHT, FLIGHT, FLIGHT | {"carrier": "AA"}], schema=dict.fromkeys(FLIGHT, pl.String))
    assert [len(r) for r in parse(rows, FLIGHTS).get_column(REASONS)] == [0, 1, 0]


def hhmm(moment: datetime) -> str:
    return str(moment.hour * 100 + moment.minute)


@given(
    route=st.sampled_from(sorted(routes.MILES)),
    scheduled=st.datetimes(datetime(2013, 1, 1, 12), datetime(2030, 12, 31), timezones=st.just(UTC)),
    dep_delay=st.integers(-30, 1300),
    air_minutes=st.integers(-5, 60),
    taxi=st.integers(2, 120),
    slack=st.integers(-60, 60),
)
def test_a_flight_made_from_instants_keeps_every_rule(
    route: tuple[str, str], scheduled: datetime, dep_delay: int, air_minutes: int, taxi: int, slack: int
) -> None:
    """Say again, with Python's time zones, how local times come from instants: on no day of no year is a good flight bad."""
    (origin, dest), home = route, ZoneInfo("America/New_York")
    there, miles = ZoneInfo(routes.ZONES[dest]), routes.MILES[route][0]
    scheduled = scheduled.replace(second=0, microsecond=0)
    air_time = max(10, round(miles / 7.5) + air_minutes)
    block = timedelta(minutes=max(round(miles / 7.5) + 45 + slack // 2, 20, miles // 9))
    left = scheduled + timedelta(minutes=dep_delay)
    landed = left + timedelta(minutes=air_time + taxi)
    arr_delay = round((landed - scheduled - block).total_seconds() / 60)
    departure = scheduled.astimezone(home)
    flight = FLIGHT | {
        "year": str(departure.year), "month": str(departure.month), "day": str(departure.day),
        "hour": str(departure.hour), "minute": str(departure.minute), "sched_dep_time": hhmm(departure),
        "dep_time": hhmm(left.astimezone(home)), "dep_delay": str(dep_delay),
        "sched_arr_time": hhmm((scheduled + block).astimezone(there)), "arr_time": hhmm(landed.astimezone(there)),
        "arr_delay": str(arr_delay), "air_time": str(air_time), "origin": origin, "dest": dest, "distance": str(miles),
        "time_hour": f"{scheduled:%Y-%m-%dT%H}:00:00Z",
    }  # fmt: skip
    assert {r for r in reasons(FLIGHTS, flight) if "speed" not in r and "schedule must" not in r} <= {"arr_delay: must be at least -240"}


@pytest.mark.parametrize("dest", sorted({dest for _, dest in routes.MILES}))
def test_the_offset_of_every_destination_is_its_zones(dest: str) -> None:
    """Around both changes of the clocks and in between, hour by hour."""
    days = [datetime(2013, 3, 9), datetime(2013, 7, 1), datetime(2013, 11, 2), datetime(2020, 3, 7), datetime(2020, 10, 31)]
    instants = [day.replace(tzinfo=UTC) + timedelta(minutes=30 * n) for day in days for n in range(96)]
    frame = pl.DataFrame({"at": instants, "dest": [dest] * len(instants)}, schema_overrides={"at": pl.Datetime("us", "UTC")})
    found = frame.select(routes.offset_at_dest(pl.col("at"))).to_series().to_list()
    zone = ZoneInfo(routes.ZONES[dest])
    assert found == [(at.astimezone(zone).utcoffset() or timedelta()) // timedelta(minutes=1) for at in instants]


def test_routes_are_complete() -> None:
    assert {origin for origin, _ in routes.MILES} == set(ORIGINS)
    assert {dest for _, dest in routes.MILES} == set(routes.ZONES)
    assert {dest for (_, dest), miles in routes.MILES.items() if len(miles) > 1} == {"EGE"}


@pytest.mark.parametrize(("origin", "miles"), [("EWR", 1725), ("EWR", 1726), ("JFK", 1746), ("JFK", 1747)])
def test_eagle_has_two_distances(origin: str, miles: int) -> None:
    frame = pl.DataFrame({"origin": [origin] * 2, "dest": ["EGE"] * 2, "distance": [miles, miles + 5]})
    assert frame.select(routes.has_known_distance()).to_series().to_list() == [True, False]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, set()),
        ({"wind_speed": "20", "wind_gust": "25"}, set()),
        ({"wind_speed": "20", "wind_gust": "18.5"}, set()),  # rounding of knots
        ({"wind_speed": "20", "wind_gust": "17.9"}, {"wind_gust must not be below wind_speed"}),
        ({"wind_speed": "1048.36"}, {"wind_speed: must be at most 150"}),
        ({"wind_speed": "0", "wind_dir": "0"}, set()),  # calm
        ({"wind_speed": "5", "wind_dir": None}, set()),  # varying
        ({"wind_speed": "5", "wind_dir": "360"}, set()),  # north
        ({"wind_speed": "5", "wind_dir": "0"}, {"wind_dir must be 0 exactly when it is calm"}),
        ({"wind_speed": "0", "wind_dir": "90"}, {"wind_dir must be 0 exactly when it is calm"}),
        ({"temp": "60", "dewp": "60.05", "humid": "100"}, set()),  # fog, rounded
        ({"temp": "60", "dewp": "61", "humid": "100"}, {"dewp must not be above temp"}),
        ({"temp": "80", "dewp": "60", "humid": "50.5"}, set()),
        ({"temp": "80", "dewp": "60", "humid": "0.505"}, {"humid must follow from temp and dewp"}),  # a share, no percentage
        ({"temp": "13.1", "dewp": "12"}, {"temp must be within the records of its month"}),  # Celsius, in July
        ({"temp": "115"}, set()),
        ({"temp": "119"}, {"temp must be within the records of its month"}),
        ({"time_hour": "2013-07-10T16:51:00Z"}, {"time_hour must be a whole hour"}),
        ({"pressure": "1e3"}, set()),  # an exponent is a number
    ],
)
def test_weather(row: dict[str, Any], expected: set[str]) -> None:
    assert reasons(WEATHER, READING | row) == expected


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_contract_is_complete(table: Table) -> None:
    """Every column says what it means and what it is for; keys exist and are never null."""
    for name, column in describe(table.schema).items():
        assert column.description, name
        said = column.metadata or {}
        assert said.keys() == {"role", "unit", "sensitivity", "retention_days"}, name
        assert said["role"] in {"key", "time", "label", "feature", "segment", "other"}, name
        is_number = not isinstance(types(table.schema)[name], pl.String)
        assert bool(said["unit"]) == (is_number and (table.name, name) != ("flights", "flight")), name  # a flight number is a name
    for name in table.key:
        assert not describe(table.schema)[name].nullable
    assert len({rule.name for rule in table.rules}) == len(table.rules)
    assert table.schema.to_schema().strict is True


def test_daily_tables_come_first() -> None:
    """Validation and ingest take the first as the main one."""
    assert [table.name for table in TABLES] == ["flights", "weather", "planes", "airports"]
    assert [table.is_daily for table in (FLIGHTS, WEATHER, PLANES, AIRPORTS)] == [True, True, False, False]


def test_every_feature_says_what_it_means_and_to_which_group_it_belongs() -> None:
    for name, column in describe(Features).items():
        assert column.description, name
        role = (column.metadata or {})["role"]
        if role in ("numeric", "categorical"):
            assert column.metadata["group"] in {"schedule", "state", "weather"}, name


def test_what_is_restricted_is_kept_for_a_while_and_nothing_else_is() -> None:
    assert {table.name: sensitive(table.schema) for table in TABLES} == {
        "flights": ["tailnum"], "weather": [], "planes": ["tailnum", "manufacturer"], "airports": [],
    }  # fmt: skip
    for table in TABLES:
        kept = {name: column.metadata["retention_days"] for name, column in describe(table.schema).items()}
        assert {name for name, days in kept.items() if days is not None} == set(sensitive(table.schema))
        assert set(kept.values()) <= {None, PERSONAL_RETENTION_DAYS}


def test_no_restricted_column_is_a_feature() -> None:
    restricted = {name for table in TABLES for name in sensitive(table.schema)}
    assert restricted.isdisjoint(describe(Features))
    assert sensitive(Features) == []


def test_features_are_made_without_the_restricted_columns() -> None:
    flight = parse(pl.DataFrame([FLIGHT], schema=dict.fromkeys(FLIGHT, pl.String)), FLIGHTS).drop(REASONS, *sensitive(FLIGHTS.schema))
    reading = pl.LazyFrame([], schema=types(WEATHER.schema))
    airports = pl.LazyFrame([], schema=types(AIRPORTS.schema))
    built = features.build({"flights": flight.lazy(), "weather": reading, "airports": airports}).collect()
    assert built.height == 1
