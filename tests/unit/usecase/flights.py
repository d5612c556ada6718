"""Flights with two instants each, for tests of what is known of them when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl

from tasks.contracts import types
from tasks.usecase.contract import FLIGHTS


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def flights(*rows: dict[str, Any]) -> pl.LazyFrame:
    """Return flights LGA to ORD, scheduled 12:30 to 14:00 local of 10 July 2013, that left and landed on time."""
    base = {
        "year": 2013, "month": 7, "day": 10, "dep_time": 1230, "sched_dep_time": 1230, "dep_delay": 0,
        "arr_time": 1400, "sched_arr_time": 1400, "arr_delay": 0, "carrier": "UA", "flight": 1, "tailnum": "N12345",
        "origin": "LGA", "dest": "ORD", "air_time": 120, "distance": 733, "hour": 12, "minute": 30,
        "time_hour": utc("2013-07-10T16:00"),
    }  # fmt: skip
    return pl.LazyFrame([base | row for row in rows], schema=types(FLIGHTS.schema))


ZONES = {
    "ORD": "America/Chicago",
    "LAX": "America/Los_Angeles",
    "HNL": "Pacific/Honolulu",
    "PHX": "America/Phoenix",
    "BOS": "America/New_York",
}
PLACES = pl.LazyFrame({"faa": list(ZONES), "tzone": list(ZONES.values())})
