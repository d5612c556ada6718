"""The contracts themselves: complete, and every rule can tell a good row from a bad one."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tasks.contracts import REASONS, Table, describe, parse
from tasks.usecase.contract import AIRPORTS, FLIGHTS, PLANES, TABLES, WEATHER
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


def reasons(table: Table, row: dict[str, Any]) -> set[str]:
    frame = pl.DataFrame([row], schema=dict.fromkeys(describe(table.schema), pl.String))
    return {reason.removeprefix("(row): ") for reason in parse(frame, table).get_column(REASONS)[0]}


@pytest.mark.parametrize(
    "row",
    [
        {},
        NEVER_LEFT,  # cancelled
        {"arr_delay": None, "air_time": None},  # diverted
        {"sched_dep_time": "2359", "hour": "23", "minute": "59", "time_hour": "2013-07-11T03:00:00Z", "dep_time": "9"},  # past midnight
        {"dep_time": "2400", "dep_delay": "690"},  # local 2400 occurs
        {"dep_delay": "1450", "dep_time": "1240"},  # a day late
        {"time_hour": "2013-01-10T17:00:00Z", "month": "1"},  # winter
        {"month": "2", "day": "28"},
    ],
)
def test_good_flights(row: dict[str, Any]) -> None:
    assert reasons(FLIGHTS, FLIGHT | row) == set()


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"month": "2", "day": "29"}, "date must exist"),
        ({"month": "4", "day": "31"}, "date must exist"),
        ({"sched_arr_time": "1360"}, "sched_arr_time must be a time of day"),
        ({"arr_time": "1299"}, "arr_time must be a time of day"),
        ({"sched_dep_time": "1231"}, "sched_dep_time must equal hour and minute"),
        ({"time_hour": "2013-07-10T15:00:00Z"}, "time_hour must agree with the local hour"),
        ({"dep_time": None, "dep_delay": None}, "arrival must not be there without a departure"),
        ({"dep_delay": None}, "dep_delay must be there exactly when dep_time is"),
        ({"dep_time": "1241"}, "dep_time must be sched_dep_time plus dep_delay"),
        ({"dest": "LGA"}, "origin must differ from dest"),
        ({"carrier": "ZZ"}, "carrier: must be one of 9E, AA, AS, B6, DL, EV, F9, FL, ..."),
        ({"arr_delay": "-300"}, "arr_delay: must be at least -240"),
    ],
)
def test_bad_flights(row: dict[str, Any], expected: str) -> None:
    assert expected in reasons(FLIGHTS, FLIGHT | row)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, set()),
        ({"wind_speed": "20", "wind_gust": "25"}, set()),
        ({"wind_speed": "20", "wind_gust": "18.5"}, set()),  # rounding of knots
        ({"wind_speed": "20", "wind_gust": "17.9"}, {"wind_gust must not be below wind_speed"}),
        ({"wind_speed": "1048.36"}, {"wind_speed: must be at most 150"}),
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
        assert (column.metadata or {}).get("role"), name
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
