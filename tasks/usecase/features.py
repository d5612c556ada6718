"""Every feature, defined once, as of the prediction instant: two hours before scheduled departure.

A feature may see what was known at that instant and nothing else; `tasks/clock.py` enforces it. The weather comes
without temperature, dew point and pressure: they only tell the season, and models were better without them.
The aircraft is not used: its number is missing only on cancelled flights and it may be swapped until departure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pandera.polars as pa
import polars as pl

from tasks import clock
from tasks.contracts import Instant, columns, types
from tasks.usecase.source import with_instants

LEAD = timedelta(hours=2)
"""The prediction is made this long before scheduled departure."""

LATE_MINUTES = 15
"""On-time definition of the US Department of Transportation: late from 15 minutes."""

F32 = pl.Float32


def _key(text: str) -> Any:
    return pa.Field(description=text, metadata={"role": "key"})


def _category(text: str) -> Any:
    return pa.Field(description=text, metadata={"role": "categorical", "group": "schedule"})


def _number(group: str, text: str) -> Any:
    return pa.Field(nullable=True, description=text, metadata={"role": "numeric", "group": group})


def _schedule(text: str) -> Any:
    return _number("schedule", text)


def _state(text: str) -> Any:
    return _number("state", text)


def _weather(text: str) -> Any:
    return _number("weather", text)


class Features(pa.DataFrameModel):
    """One flight at its prediction instant. The label is null where the flight has not arrived (yet)."""

    flight_id: str = _key("Local date, carrier, flight number and origin")
    batch_day: pl.Date = pa.Field(description="Local date of the scheduled departure", metadata={"role": "time"})
    predicted_at: Instant = pa.Field(description="Prediction instant, UTC", metadata={"role": "time"})
    label_known_at: Instant = pa.Field(nullable=True, description="Instant of arrival, UTC", metadata={"role": "time"})
    label: pl.Int8 = pa.Field(nullable=True, isin=[0, 1], description="1 if it arrived 15 minutes late or more", metadata={"role": "label"})

    origin: str = _category("Airport of departure")
    carrier: str = _category("Carrier")
    dest: str = _category("Airport of arrival")
    hour: str = _category("Scheduled local hour of departure, two digits")
    weekday: str = _category("Local day of the week, 1 is Monday")

    departure_minute: F32 = _schedule("Scheduled local minute of the day of departure")
    arrival_minute: F32 = _schedule("Scheduled local minute of the day of arrival, at the destination")
    distance: F32 = _schedule("Distance, miles")
    scheduled_minutes: F32 = _schedule("Scheduled duration, minutes")

    departures_origin_1h_delay: F32 = _state("Mean delay (minutes) of departures of the same origin in the last hour")
    departures_origin_1h_late: F32 = _state("Share of departures of the same origin 15 minutes late or more in the last hour")
    departures_origin_1h_n: F32 = _state("Number of departures of the same origin in the last hour")
    departures_origin_3h_delay: F32 = _state("Mean delay (minutes) of departures of the same origin in the last 3 hours")
    departures_origin_3h_late: F32 = _state("Share of departures of the same origin 15 minutes late or more in the last 3 hours")
    departures_origin_3h_n: F32 = _state("Number of departures of the same origin in the last 3 hours")
    departures_origin_24h_delay: F32 = _state("Mean delay (minutes) of departures of the same origin in the last 24 hours")
    departures_origin_24h_late: F32 = _state("Share of departures of the same origin 15 minutes late or more in the last 24 hours")
    departures_origin_24h_n: F32 = _state("Number of departures of the same origin in the last 24 hours")
    departures_all_3h_delay: F32 = _state("Mean delay (minutes) of departures in the last 3 hours")
    departures_all_3h_late: F32 = _state("Share of departures 15 minutes late or more in the last 3 hours")
    departures_origin_carrier_3h_delay: F32 = _state("Mean delay (minutes) of departures of the same origin, carrier in the last 3 hours")
    departures_origin_carrier_3h_late: F32 = _state(
        "Share of departures of the same origin, carrier 15 minutes late or more in the last 3 hours"
    )
    departures_origin_carrier_24h_delay: F32 = _state("Mean delay (minutes) of departures of the same origin, carrier in the last 24 hours")
    departures_origin_carrier_24h_late: F32 = _state(
        "Share of departures of the same origin, carrier 15 minutes late or more in the last 24 hours"
    )
    arrivals_dest_6h_delay: F32 = _state("Mean delay (minutes) of arrivals of the same destination in the last 6 hours")
    arrivals_dest_6h_late: F32 = _state("Share of arrivals of the same destination 15 minutes late or more in the last 6 hours")
    arrivals_dest_24h_delay: F32 = _state("Mean delay (minutes) of arrivals of the same destination in the last 24 hours")
    arrivals_dest_24h_late: F32 = _state("Share of arrivals of the same destination 15 minutes late or more in the last 24 hours")
    arrivals_dest_28d_late: F32 = _state("Share of arrivals of the same destination 15 minutes late or more in the last 28 days")
    arrivals_dest_28d_n: F32 = _state("Number of arrivals of the same destination in the last 28 days")
    arrivals_carrier_6h_delay: F32 = _state("Mean delay (minutes) of arrivals of the same carrier in the last 6 hours")
    arrivals_carrier_6h_late: F32 = _state("Share of arrivals of the same carrier 15 minutes late or more in the last 6 hours")
    arrivals_carrier_24h_delay: F32 = _state("Mean delay (minutes) of arrivals of the same carrier in the last 24 hours")
    arrivals_carrier_24h_late: F32 = _state("Share of arrivals of the same carrier 15 minutes late or more in the last 24 hours")
    arrivals_carrier_7d_late: F32 = _state("Share of arrivals of the same carrier 15 minutes late or more in the last 7 days")
    arrivals_carrier_28d_late: F32 = _state("Share of arrivals of the same carrier 15 minutes late or more in the last 28 days")
    arrivals_origin_24h_late: F32 = _state("Share of arrivals of the same origin 15 minutes late or more in the last 24 hours")
    arrivals_origin_28d_late: F32 = _state("Share of arrivals of the same origin 15 minutes late or more in the last 28 days")
    arrivals_origin_dest_28d_late: F32 = _state(
        "Share of arrivals of the same origin, destination 15 minutes late or more in the last 28 days"
    )
    arrivals_carrier_origin_dest_28d_late: F32 = _state(
        "Share of arrivals of the same carrier, origin, destination 15 minutes late or more in the last 28 days"
    )
    arrivals_origin_hour_28d_late: F32 = _state("Share of arrivals of the same origin, hour 15 minutes late or more in the last 28 days")
    arrivals_carrier_origin_hour_28d_late: F32 = _state(
        "Share of arrivals of the same carrier, origin, hour 15 minutes late or more in the last 28 days"
    )
    cancellations_origin_6h_n: F32 = _state("Number of cancellations of the same origin in the last 6 hours")
    cancellations_origin_24h_n: F32 = _state("Number of cancellations of the same origin in the last 24 hours")
    cancellations_carrier_24h_n: F32 = _state("Number of cancellations of the same carrier in the last 24 hours")

    humid: F32 = _weather("Relative humidity, percent, newest reading at the origin")
    wind_speed: F32 = _weather("Wind speed, miles an hour, newest reading")
    wind_gust: F32 = _weather("Gust, miles an hour, newest reading; null without gusts")
    wind_east: F32 = _weather("Sine of the wind direction, newest reading")
    wind_north: F32 = _weather("Cosine of the wind direction, newest reading")
    precip: F32 = _weather("Precipitation of the hour, inches, newest reading")
    visib: F32 = _weather("Visibility, miles, newest reading")
    reading_age_hours: F32 = _weather("Age of the newest reading, hours")
    precip_6h: F32 = _weather("Precipitation of the last 6 hours, inches")
    low_visib_6h: F32 = _weather("Hours of visibility below 3 miles in the last 6")
    freezing_6h: F32 = _weather("Hours of precipitation at or below freezing in the last 6")
    windy_6h: F32 = _weather("Hours of wind above 20 miles an hour in the last 6")

    class Config:
        strict = True


@dataclass(frozen=True)
class _History:
    """A family of state features: events grouped by keys, over windows, as statistics."""

    event: str
    by: tuple[str, ...]
    windows: tuple[str, ...]


_WINDOWS = {
    "1h": timedelta(hours=1),
    "3h": timedelta(hours=3),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "28d": timedelta(days=28),
}
_HISTORIES = (
    _History("departures", ("origin",), ("1h", "3h", "24h")),
    _History("departures", (), ("3h",)),
    _History("departures", ("origin", "carrier"), ("3h", "24h")),
    _History("arrivals", ("dest",), ("6h", "24h", "28d")),
    _History("arrivals", ("carrier",), ("6h", "24h", "7d", "28d")),
    _History("arrivals", ("origin",), ("24h", "28d")),
    _History("arrivals", ("origin", "dest"), ("28d",)),
    _History("arrivals", ("carrier", "origin", "dest"), ("28d",)),
    _History("arrivals", ("origin", "hour"), ("28d",)),
    _History("arrivals", ("carrier", "origin", "hour"), ("28d",)),
    _History("cancellations", ("origin",), ("6h", "24h")),
    _History("cancellations", ("carrier",), ("24h",)),
)
_DELAY_CAP = 360  # minutes: one flight a day late must not rule an airport's mean
_READING_TOO_OLD = timedelta(hours=12)


def build(tables: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Build the features of every flight in the tables, each as of its own prediction instant.

    Args:
        tables: `flights`, `weather`, `airports` as known at some instant.

    Returns:
        One row a flight, with the columns and types of `Features`, sorted by prediction instant and flight.
    """
    flights = with_instants(tables["flights"], tables["airports"]).collect().lazy()
    queries = _schedule_features(flights).collect()
    events = _events(flights)
    state = [_state_features(queries, events[history.event], history) for history in _HISTORIES]
    weather = _weather_features(queries, tables["weather"])
    frame = pl.concat([queries, *state, weather], how="horizontal").lazy()
    return frame.select(pl.col(name).cast(dtype) for name, dtype in types(Features).items()).sort("predicted_at", "flight_id")


def _schedule_features(flights: pl.LazyFrame) -> pl.LazyFrame:
    def minute_of_day(column: str) -> pl.Expr:
        return pl.col(column) // 100 * 60 + pl.col(column) % 100

    day = pl.date("year", "month", "day")
    late = (pl.col("arr_delay") >= LATE_MINUTES).cast(pl.Int8)
    return flights.select(
        pl.concat_str(day.cast(pl.String), "carrier", pl.col("flight").cast(pl.String), "origin", separator="-").alias("flight_id"),
        day.alias("batch_day"),
        (pl.col("scheduled_departure") - LEAD).alias("predicted_at"),
        pl.col("landed_at").alias("label_known_at"),
        late.alias("label"),
        "origin",
        "carrier",
        "dest",
        pl.col("hour").cast(pl.String).str.zfill(2).alias("hour"),
        day.dt.weekday().cast(pl.String).alias("weekday"),
        minute_of_day("sched_dep_time").alias("departure_minute"),
        minute_of_day("sched_arr_time").alias("arrival_minute"),
        "distance",
        (pl.col("scheduled_arrival") - pl.col("scheduled_departure")).dt.total_minutes().alias("scheduled_minutes"),
    )


def _events(flights: pl.LazyFrame) -> dict[str, pl.LazyFrame]:
    """Return what happened, each with the instant `known_at` at which it became known."""
    keys = ("origin", "carrier", "dest", pl.col("hour").cast(pl.String).str.zfill(2).alias("hour"))

    def delay(column: str) -> tuple[pl.Expr, pl.Expr]:
        return (pl.col(column).clip(upper_bound=_DELAY_CAP).alias("delay"), (pl.col(column) >= LATE_MINUTES).alias("late"))

    departed, landed, never = pl.col("departed_at"), pl.col("landed_at"), pl.col("departed_at").is_null()
    due = pl.col("scheduled_departure").alias("known_at")
    return {
        "departures": flights.filter(departed.is_not_null()).select(*keys, departed.alias("known_at"), *delay("dep_delay")),
        "arrivals": flights.filter(landed.is_not_null()).select(*keys, landed.alias("known_at"), *delay("arr_delay")),
        "cancellations": flights.filter(never).select(*keys, due, pl.lit(0).alias("delay"), pl.lit(False).alias("late")),
    }


def _state_features(queries: pl.DataFrame, events: pl.LazyFrame, history: _History) -> pl.DataFrame:
    stem = "_".join((history.event, *(history.by or ("all",))))
    summed = clock.sums_within(
        queries,
        events,
        by=history.by,
        at="predicted_at",
        known="known_at",
        values={f"{stem}_n": pl.lit(1), f"{stem}_delay": pl.col("delay"), f"{stem}_late": pl.col("late")},
        windows={label: _WINDOWS[label] for label in history.windows},
    )
    wanted = set(columns(Features, "numeric"))
    made: list[pl.Expr] = []
    for label in history.windows:
        count = pl.col(f"{stem}_n_{label}")
        for statistic in ("n", "delay", "late"):
            name, total = f"{stem}_{label}_{statistic}", pl.col(f"{stem}_{statistic}_{label}")
            if name in wanted:
                made.append((total if statistic == "n" else pl.when(count > 0).then(total / count)).alias(name))
    return summed.select(made)


def _weather_features(queries: pl.DataFrame, weather: pl.LazyFrame) -> pl.DataFrame:
    turned = pl.col("wind_dir") * (math.pi / 180)
    readings = weather.with_columns(
        # A row labelled H holds readings up to H:51.
        known_at=pl.col("time_hour") + pl.duration(hours=1),
        read_at=pl.col("time_hour"),
        wind_east=turned.sin(),
        wind_north=turned.cos(),
    )
    newest = ("humid", "wind_speed", "wind_gust", "wind_east", "wind_north", "precip", "visib", "read_at")
    reading = clock.latest(queries, readings, by=("origin",), at="predicted_at", known="known_at", columns=newest, within=_READING_TOO_OLD)
    hundredths = (pl.col("precip") * 100).round()  # integers add exactly
    sums = clock.sums_within(
        queries,
        readings,
        by=("origin",),
        at="predicted_at",
        known="known_at",
        values={
            "rain": hundredths.fill_null(0),
            "low_visib": (pl.col("visib") < 3).fill_null(False),
            "freezing": ((pl.col("temp") <= 32) & (pl.col("precip") > 0)).fill_null(False),
            "windy": (pl.col("wind_speed") > 20).fill_null(False),
        },
        windows={"6h": _WINDOWS["6h"]},
    )
    age = (queries.get_column("predicted_at") - reading.get_column("read_at")).dt.total_minutes() / 60
    return pl.concat([reading.drop("read_at"), sums], how="horizontal").with_columns(
        precip_6h=pl.col("rain_6h") / 100, reading_age_hours=age
    )
