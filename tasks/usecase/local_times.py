"""What the clocks of a flight say, as expressions: the local hour of an instant, minutes between local times.

Local times are HHMM of the airport that the column speaks of, where midnight may be 2400; instants (`time_hour`) are
UTC. What must hold of them stands in `tasks/usecase/contract.py`.
"""

from __future__ import annotations

import polars as pl

from tasks.usecase import routes

_SUMMER_HOURS, _STANDARD_HOURS = 4, 5
"""Hours that New York's clocks are behind UTC."""

_LOCAL_HOURS = pl.col("time_hour").dt.timestamp("us") // 3_600_000_000 - pl.when(routes.is_summer_time(pl.col("time_hour"))).then(
    _SUMMER_HOURS
).otherwise(_STANDARD_HOURS)
"""Whole hours since 1970 on the clocks of New York; as an integer, which costs half of a conversion to local time."""

_LOCAL_DATE = (_LOCAL_HOURS // 24).cast(pl.Int32).cast(pl.Date)
IS_SCHEDULED_HOUR = (
    # From the instant to the wall clock, so that either reading of the doubled hour of November agrees with it.
    (_LOCAL_DATE.dt.year() == pl.col("year"))
    & (_LOCAL_DATE.dt.month() == pl.col("month"))
    & (_LOCAL_DATE.dt.day() == pl.col("day"))
    & (pl.col("hour") == _LOCAL_HOURS % 24)
)
IS_WHOLE_HOUR = pl.col("time_hour").dt.timestamp("us") % 3_600_000_000 == 0

CLOCKS_CHANGE = routes.is_summer_time(pl.col("time_hour")) != routes.is_summer_time(pl.col("time_hour") + pl.duration(hours=36))
"""Within the day and a half after the scheduled departure, in which a flight departs and lands."""


def minute_of_day(name: str) -> pl.Expr:
    """Return minutes since local midnight; 2400 is 1440, which is 0 modulo a day."""
    return pl.col(name) // 100 * 60 + pl.col(name) % 100


def minutes_off(scheduled: str, delay: str, actual: str) -> pl.Expr:
    """Return by how many minutes, 0 to 1439, schedule plus delay misses the actual time, through midnight.

    The source adds a delay to the wall clock, also in the night in which the clocks change; a source that reads the
    clock on the wall then differs by the hour.
    """
    return (minute_of_day(scheduled) + pl.col(delay) - minute_of_day(actual)) % 1440


def scheduled_minutes() -> pl.Expr:
    """Return the scheduled minutes from gate to gate, 1 to 1440; null for an unknown destination.

    The scheduled arrival is the first such time of day, in the destination's zone, after the scheduled departure.
    """
    departure = pl.col("time_hour") + pl.duration(minutes=pl.col("minute"))
    departure_there = pl.col("time_hour").dt.hour().cast(pl.Int64) * 60 + pl.col("minute") + routes.offset_at_dest(departure)
    return (minute_of_day("sched_arr_time") - departure_there - 1) % 1440 + 1


def taxi_minutes() -> pl.Expr:
    """Return the minutes between gate and gate that were not in the air, null for flights that did not arrive."""
    return scheduled_minutes() + pl.col("arr_delay") - pl.col("dep_delay") - pl.col("air_time")
