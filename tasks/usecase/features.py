"""Every feature, defined once, as of the prediction instant: two hours before scheduled departure.

A feature may see what was known at that instant and nothing else; `tasks/clock.py` enforces it. `build` makes the
features of all flights of a window (training, batch scoring); `online.py` makes those of single flights (serving), from the
same `schedule_features` and `past`. The weather comes without temperature, dew point and pressure: they only tell the
season, and models were better without them. The aircraft is not used: its number is missing only on cancelled flights and
it may be swapped until departure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandera.polars as pa
import polars as pl

from tasks import clock
from tasks.contracts import Instant, columns, types
from tasks.usecase.instants import with_instants

LEAD = timedelta(hours=2)
"""The prediction is made this long before scheduled departure."""

LATE_MINUTES = 15
"""On-time definition of the US Department of Transportation: late from 15 minutes."""

F32 = pl.Float32


def _key(text: str) -> Any:
    return pa.Field(description=text, metadata={"role": "key"})


def _outcome(text: str) -> Any:
    """What came of a flight beside its label: never an input, but what a model may learn from."""
    return pa.Field(nullable=True, description=text, metadata={"role": "outcome"})


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
    arrival_delay: F32 = _outcome("Arrival after schedule, minutes")
    departure_delay: F32 = _outcome("Departure after schedule, minutes")

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
_TICK = timedelta(microseconds=1)  # of an `Instant`

_LONGEST_DELAY = timedelta(minutes=2880)  # the contract's, of departures and arrivals
_LONGEST_SCHEDULE = timedelta(days=1)  # `with_instants` takes the first such time of day after the departure
LOOKBACK = timedelta(
    days=math.ceil((max(_WINDOWS.values()) + LEAD + _LONGEST_SCHEDULE + _LONGEST_DELAY + timedelta(hours=1)) / timedelta(days=1))
)
"""How many local days before a flight's the raw rows of flights and weather may matter for its features: 32.

A flight at the first minute of a day is predicted LEAD before it, and sees events known since its longest window
(28 days) before that. The event may be an arrival, known up to _LONGEST_SCHEDULE + _LONGEST_DELAY after the scheduled
departure by which its row is cut; an hour is added for the day on which clocks go forward. Weather matters for
12 hours. Later rows never matter: an event of a flight is known after that flight's own prediction instant (`_events`),
so a flight of a later day is not known to a flight of this one.
"""

_NUMERIC = frozenset(columns(Features, "numeric"))
_DAY = pl.date("year", "month", "day")
_HOUR = pl.col("hour").cast(pl.String).str.zfill(2).alias("hour")


def build(tables: Mapping[str, pl.LazyFrame], days: tuple[date, date] | None = None) -> pl.LazyFrame:
    """Build the features of the flights in the tables, each as of its own prediction instant.

    Args:
        tables: `flights`, `weather`, `airports` as known at some instant.
        days: Build only the flights of these local days, both included. The rows are those of a build of everything
            as long as the tables hold the flights and the weather of the local days from `days[0] - LOOKBACK` on.

    Returns:
        One row a flight, with the columns and types of `Features`, sorted by prediction instant and flight.
    """
    flights = with_instants(tables["flights"], tables["airports"]).collect().lazy()
    queries = schedule_features(flights if days is None else flights.filter(_DAY.is_between(*days))).collect()
    parts = [
        # One index at a time is held.
        index.of(queries, "predicted_at").with_columns(queries.get_column("predicted_at")).select(made)
        for index, made in past(flights, tables["weather"])
    ]
    return pl.concat([queries, *parts], how="horizontal").lazy().select(*types(Features)).sort("predicted_at", "flight_id")


def schedule_features(flights: pl.LazyFrame) -> pl.LazyFrame:
    """Return what the schedule tells of each flight, with its prediction instant and its label.

    Args:
        flights: Flights with their instants, see `instants.with_instants`.

    Returns:
        A row a flight, with the columns of `Features` that are not of its past.
    """

    def minute_of_day(column: str) -> pl.Expr:
        return pl.col(column) // 100 * 60 + pl.col(column) % 100

    numbers = {
        "departure_minute": minute_of_day("sched_dep_time"),
        "arrival_minute": minute_of_day("sched_arr_time"),
        "distance": pl.col("distance"),
        "scheduled_minutes": (pl.col("scheduled_arrival") - pl.col("scheduled_departure")).dt.total_minutes(),
    }
    return flights.select(
        pl.concat_str(_DAY.cast(pl.String), "carrier", pl.col("flight").cast(pl.String), "origin", separator="-").alias("flight_id"),
        _DAY.alias("batch_day"),
        (pl.col("scheduled_departure") - LEAD).alias("predicted_at"),
        pl.col("landed_at").alias("label_known_at"),
        (pl.col("arr_delay") >= LATE_MINUTES).cast(pl.Int8).alias("label"),
        pl.col("arr_delay").cast(F32).alias("arrival_delay"),
        pl.col("dep_delay").cast(F32).alias("departure_delay"),
        "origin",
        "carrier",
        "dest",
        _HOUR,
        _DAY.dt.weekday().cast(pl.String).alias("weekday"),
        **{name: value.cast(F32) for name, value in numbers.items()},
    )


def past(flights: pl.LazyFrame, weather: pl.LazyFrame) -> Iterator[tuple[clock.Index, list[pl.Expr]]]:
    """Give each index of the past with the features made of its answers (and of the column `predicted_at`).

    Args:
        flights: Flights with their instants, see `instants.with_instants`.
        weather: Readings of the weather.
    """
    events = _events(flights)
    for history in _HISTORIES:
        yield _state_features(events[history.event], history)
    readings = _readings(weather)
    yield _newest_reading(readings)
    yield _weather_sums(readings)


def _events(flights: pl.LazyFrame) -> dict[str, pl.LazyFrame]:
    """Return what happened, each with the instant `known_at` at which it became known.

    No event is known before its own flight's prediction instant has passed: a flight that leaves more than LEAD early,
    or even lands, must not see itself. Others learn of it that little later, which leaks nothing.
    """
    keys = ("origin", "carrier", "dest", _HOUR)
    after_asked = pl.col("scheduled_departure") - LEAD + _TICK

    def known(instant: str) -> pl.Expr:
        return pl.max_horizontal(instant, after_asked).alias("known_at")

    def delay(column: str) -> tuple[pl.Expr, pl.Expr]:
        return (pl.col(column).clip(upper_bound=_DELAY_CAP).alias("delay"), (pl.col(column) >= LATE_MINUTES).alias("late"))

    departed, landed = flights.filter(pl.col("departed_at").is_not_null()), flights.filter(pl.col("landed_at").is_not_null())
    never = flights.filter(pl.col("departed_at").is_null())
    return {
        "departures": departed.select(*keys, known("departed_at"), *delay("dep_delay")),
        "arrivals": landed.select(*keys, known("landed_at"), *delay("arr_delay")),
        "cancellations": never.select(*keys, known("scheduled_departure"), pl.lit(0).alias("delay"), pl.lit(False).alias("late")),
    }


def _state_features(events: pl.LazyFrame, history: _History) -> tuple[clock.Totals, list[pl.Expr]]:
    stem = "_".join((history.event, *(history.by or ("all",))))
    totals = clock.Totals(
        events,
        by=history.by,
        known="known_at",
        values={f"{stem}_n": pl.lit(1), f"{stem}_delay": pl.col("delay"), f"{stem}_late": pl.col("late")},
        windows={label: _WINDOWS[label] for label in history.windows},
    )
    made: list[pl.Expr] = []
    for label in history.windows:
        count = pl.col(f"{stem}_n_{label}")
        for statistic in ("n", "delay", "late"):
            name, total = f"{stem}_{label}_{statistic}", pl.col(f"{stem}_{statistic}_{label}")
            if name in _NUMERIC:
                made.append((total if statistic == "n" else pl.when(count > 0).then(total / count)).cast(F32).alias(name))
    return totals, made


def _readings(weather: pl.LazyFrame) -> pl.LazyFrame:
    turned = pl.col("wind_dir") * (math.pi / 180)
    return weather.with_columns(
        # A row labelled H holds readings up to H:51.
        known_at=pl.col("time_hour") + pl.duration(hours=1),
        read_at=pl.col("time_hour"),
        wind_east=turned.sin(),
        wind_north=turned.cos(),
    )


def _newest_reading(readings: pl.LazyFrame) -> tuple[clock.Newest, list[pl.Expr]]:
    values = ("humid", "wind_speed", "wind_gust", "wind_east", "wind_north", "precip", "visib")
    newest = clock.Newest(readings, by=("origin",), known="known_at", columns=(*values, "read_at"), within=_READING_TOO_OLD)
    age = (pl.col("predicted_at") - pl.col("read_at")).dt.total_minutes() / 60
    return newest, [*(pl.col(name).cast(F32) for name in values), age.cast(F32).alias("reading_age_hours")]


def _weather_sums(readings: pl.LazyFrame) -> tuple[clock.Totals, list[pl.Expr]]:
    sums = clock.Totals(
        readings,
        by=("origin",),
        known="known_at",
        values={
            "rain": (pl.col("precip") * 100).round(),  # hundredths of an inch: integers add exactly
            "low_visib": pl.col("visib") < 3,
            "freezing": (pl.col("temp") <= 32) & (pl.col("precip") > 0),
            "windy": pl.col("wind_speed") > 20,
        },
        windows={"6h": _WINDOWS["6h"]},
    )
    rain = (pl.col("rain_6h") / 100).cast(F32).alias("precip_6h")
    return sums, [rain, *(pl.col(name).cast(F32) for name in ("low_visib_6h", "freezing_6h", "windy_6h"))]
