"""A handful of flights to Boston on 10 July 2013, and their features by number of flight."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from tasks.contracts import types
from tasks.rows import violations
from tasks.usecase import features
from tasks.usecase.contract import FLIGHTS, WEATHER
from tasks.usecase.features import Features

PLACES = pl.LazyFrame({"faa": ["BOS"], "tzone": ["America/New_York"]})


def flight(number: int, local: int, dep_delay: int | None = 0, arr_delay: int | None = 0, **more: Any) -> dict[str, Any]:
    """Return a flight to Boston at an HHMM of 10 July 2013, an hour long."""
    hour, minute = local // 100, local % 100
    base = dict.fromkeys(types(FLIGHTS.schema)) | {
        "year": 2013,
        "month": 7,
        "day": 10,
        "sched_dep_time": local,
        "dep_time": None if dep_delay is None else local,
        "dep_delay": dep_delay,
        "sched_arr_time": local + 100,
        "arr_delay": arr_delay,
        "carrier": "UA",
        "flight": number,
        "origin": "LGA",
        "dest": "BOS",
        "distance": 184,
        "hour": hour,
        "minute": minute,
        "time_hour": datetime(2013, 7, 10, 4, tzinfo=UTC) + timedelta(hours=hour),
    }
    return base | more


def reading(hour: int, **more: Any) -> dict[str, Any]:
    return dict.fromkeys(types(WEATHER.schema)) | {"origin": "LGA", "time_hour": datetime(2013, 7, 10, hour, tzinfo=UTC)} | more


def tables_of(flights: list[dict[str, Any]], readings: list[dict[str, Any]] | None = None) -> dict[str, pl.LazyFrame]:
    return {
        "flights": pl.LazyFrame(flights, schema=types(FLIGHTS.schema)),
        "weather": pl.LazyFrame(readings or [], schema=types(WEATHER.schema)),
        "airports": PLACES,
    }


def build(flights: list[dict[str, Any]], readings: list[dict[str, Any]] | None = None) -> dict[int, dict[str, Any]]:
    frame = features.build(tables_of(flights, readings)).collect()
    assert violations(frame.lazy(), Features) == []
    return {int(row["flight_id"].split("-")[4]): row for row in frame.iter_rows(named=True)}


ASKED = flight(9, 1200)  # predicted at 10:00 local, 14Z
