"""Instants of a flight in UTC, from local times of two airports: when it should leave and land, and when it did."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

LOCAL_ZONE = "America/New_York"
"""A daily batch is a calendar day in New York."""

_ABSENT_ZONES = {"SJU": "America/Puerto_Rico", "BQN": "America/Puerto_Rico", "PSE": "America/Puerto_Rico", "STT": "America/St_Thomas"}

ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/Puerto_Rico",
    "America/St_Thomas",
    "Pacific/Honolulu",
)


def scheduled_departure() -> pl.Expr:
    """Return the instant of the scheduled departure (UTC)."""
    return pl.col("time_hour") + pl.duration(minutes=pl.col("minute"))


def departed_at() -> pl.Expr:
    """Return the instant of the actual departure (UTC), null if cancelled."""
    return scheduled_departure() + pl.duration(minutes=pl.col("dep_delay"))


def with_instants(flights: pl.LazyFrame, airports: pl.LazyFrame) -> pl.LazyFrame:
    """Append the instants (UTC) that the clock needs: scheduled and actual departure, scheduled and actual arrival.

    The scheduled arrival is local to the destination: the first such time of day after the scheduled departure.
    Local 2400 is midnight. Actual times come from schedule plus delay, which holds through midnight and for delays
    beyond a day.
    """
    return with_instants_in_zones(with_zones(flights, airports), ZONES)


def with_zones(flights: pl.LazyFrame, airports: pl.LazyFrame) -> pl.LazyFrame:
    """Append `tzone`, the time zone of the destination (`dest`); New York's where none is known."""
    zones = airports.select(pl.col("faa").alias("dest"), "tzone").unique("dest")
    return flights.join(zones, on="dest", how="left", maintain_order="left").with_columns(
        tzone=pl.coalesce(pl.col("tzone"), pl.col("dest").replace_strict(_ABSENT_ZONES, default=LOCAL_ZONE))
    )


def with_instants_in_zones(flights: pl.LazyFrame, zones: Collection[str]) -> pl.LazyFrame:
    """Append the instants as `with_instants` does, by `tzone`, which is taken away.

    Args:
        flights: Flights with `tzone`.
        zones: Those of `ZONES` that `tzone` may hold; any other value is taken for New York's.
    """
    minutes = pl.col("sched_arr_time") // 100 * 60 + pl.col("sched_arr_time") % 100
    frame = flights.with_columns(scheduled_departure=scheduled_departure(), departed_at=departed_at()).with_columns(
        departure_there=_in_zone(pl.col("scheduled_departure"), zones)
    )
    departure_there = pl.col("departure_there")
    arrival = departure_there.dt.truncate("1d") + pl.duration(minutes=minutes)
    arrival = pl.when(arrival <= departure_there).then(arrival + pl.duration(days=1)).otherwise(arrival)
    offset = departure_there - pl.col("scheduled_departure").dt.replace_time_zone(None)
    return (
        frame.with_columns(scheduled_arrival=(arrival - offset).dt.replace_time_zone("UTC"))
        .with_columns(landed_at=pl.col("scheduled_arrival") + pl.duration(minutes=pl.col("arr_delay")))
        .drop("tzone", "departure_there")
    )


def _in_zone(instant: pl.Expr, zones: Collection[str]) -> pl.Expr:
    """Return the local wall clock, without zone, of an instant in the row's `tzone`, or in New York if that is not of `zones`."""
    local = instant.dt.convert_time_zone(LOCAL_ZONE).dt.replace_time_zone(None)
    for zone in sorted({*zones} - {LOCAL_ZONE}):
        there = instant.dt.convert_time_zone(zone).dt.replace_time_zone(None)
        local = pl.when(pl.col("tzone") == zone).then(there).otherwise(local)
    return local
