"""What may go wrong with one day of a feed, kind by kind, and what becomes of it.

Each kind makes a bad file of a good one. `outcome` is what happens, not what one would wish; where a fault goes through
unseen the table says so, and why.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import polars as pl

DAY = date(2013, 3, 20)
"""A Wednesday without holidays or storms; the clocks changed ten days before."""

Outcome = Literal["harmless", "quarantine", "refused", "warn", "stop", "unseen"]
"""What becomes of a damaged day.

`harmless`: the rows are those of the good file. `quarantine`: rows are set aside and no more is said than that. `refused`:
so many are that the day stops. `warn`, `stop`: a rule says so, or ingest ends with an error that names the file. `unseen`:
other rows than the good ones pass.
"""


@dataclass(frozen=True)
class File:
    """A good file of one day, and that of the day before."""

    data: bytes
    before: bytes

    @property
    def rows(self) -> pl.DataFrame:
        """The rows as text."""
        return read(self.data)


@dataclass(frozen=True)
class Damage:
    """One kind of damage.

    Attributes:
        name: What is wrong.
        table: Whose file.
        make: From the good file to the bad one; None: there is no file.
        outcome: What becomes of it.
        by: The rule of the finding, the reason of the quarantine, or part of the error's text.
        note: Why an outcome that is weaker than one would think is bearable, or what would find the damage.
    """

    name: str
    table: str
    make: Callable[[File], bytes | None]
    outcome: Outcome
    by: str = ""
    note: str = ""


def read(data: bytes) -> pl.DataFrame:
    """Read a good file as text."""
    return pl.read_csv(data, infer_schema=False, null_values=["NA"])


def written(rows: pl.DataFrame, separator: str = ",") -> bytes:
    """Write rows of text as a feed does."""
    buffer = io.BytesIO()
    rows.write_csv(buffer, null_value="NA", separator=separator)
    return buffer.getvalue()


# --- how damage is made -----------------------------------------------------------------------------------------------


def _rows(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[File], bytes]:
    return lambda file: written(change(file.rows))


def _values(where: pl.Expr | None = None, **values: pl.Expr) -> Callable[[File], bytes]:
    """Change the values of columns, on some rows or on all."""
    is_it = pl.lit(True) if where is None else where
    made = {name: pl.when(is_it).then(value.cast(pl.String)).otherwise(pl.col(name)) for name, value in values.items()}
    return _rows(lambda rows: rows.with_columns(**made))


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[File], bytes]:
    return lambda file: change(file.data)


def _lines(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[File], bytes]:
    return lambda file: b"".join(change(file.data.splitlines(keepends=True)))


def _number(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64)


def _whole(value: pl.Expr) -> pl.Expr:
    return value.round(0).cast(pl.Int64)


def _every(n: int) -> pl.Expr:
    return pl.int_range(pl.len()) % n == 0


def _instant() -> pl.Expr:
    return pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ")


def _told(instant: pl.Expr) -> pl.Expr:
    return instant.dt.strftime("%Y-%m-%dT%H:%M:%SZ")


def _shifted(hours: int) -> pl.Expr:
    return _told(_instant() + pl.duration(hours=hours))


def _minutes(name: str) -> pl.Expr:
    return _whole(_number(name) // 100 * 60 + _number(name) % 100)


def _hhmm(minutes: pl.Expr) -> pl.Expr:
    day = minutes % 1440
    return _whole(day // 60 * 100 + day % 60)


def _share(share: float) -> Callable[[File], bytes]:
    return _rows(lambda rows: rows.head(round(rows.height * share)))


def _swapped(one: str, other: str) -> Callable[[File], bytes]:
    return _rows(lambda rows: rows.rename({one: other, other: one}))


def _yesterday_redated(file: File) -> bytes:
    """Return the rows of the day before with today's date."""
    rows = read(file.before).with_columns(time_hour=_shifted(24))
    return written(rows.with_columns(day=pl.lit(str(DAY.day))) if "day" in rows.columns else rows)


def _with_tomorrow(rows: pl.DataFrame) -> pl.DataFrame:
    ahead = rows.head(50).with_columns(day=pl.lit(str((DAY + timedelta(days=1)).day)), time_hour=_shifted(24))
    return pl.concat([rows, ahead])


def _arrivals_shuffled(rows: pl.DataFrame) -> pl.DataFrame:
    """Give each flight the delay of another, and the arrival that goes with it."""
    landed = pl.col("arr_delay").is_not_null()
    good = rows.filter(landed)
    delay = good.get_column("arr_delay").cast(pl.Int64).shuffle(seed=1)
    arrival = _hhmm(_minutes("sched_arr_time") + pl.Series(delay)).cast(pl.String)
    return pl.concat([good.with_columns(arr_time=arrival, arr_delay=delay.cast(pl.String)), rows.filter(~landed)])


def _punctual(rows: pl.DataFrame) -> pl.DataFrame:
    """Say of every flight that it left and landed on the minute."""
    left, landed = pl.col("dep_delay").is_not_null(), pl.col("arr_delay").is_not_null()
    return rows.with_columns(
        dep_time=pl.when(left).then("sched_dep_time"),
        dep_delay=pl.when(left).then(pl.lit("0")),
        arr_time=pl.when(landed).then("sched_arr_time").otherwise("arr_time"),
        arr_delay=pl.when(landed).then(pl.lit("0")),
    )


_NOTHING = pl.lit(None, dtype=pl.String)
_CELSIUS = {name: ((_number(name) - 32) / 1.8).round(2) for name in ("temp", "dewp")}
_A_FRONT = "Weather is free to jump for a day: the rule on levels tells it when it stays for a week."
_HTML = b"<html><body>\n<h1>503 Service Unavailable</h1>\n</body></html>\n"

# --- the file as bytes ------------------------------------------------------------------------------------------------

FILES = [
    Damage("no file", "flights", lambda file: None, "warn", "missing days of flights"),
    Damage("empty", "flights", lambda file: b"", "stop", "must end with a full line"),
    Damage("a line break alone", "flights", lambda file: b"\n", "stop", "must be a table of comma-separated values"),
    Damage("header alone", "flights", _lines(lambda lines: lines[:1]), "warn", "missing days of flights"),
    Damage("no header", "flights", _lines(lambda lines: lines[1:]), "stop", "must have a column"),
    Damage("cut within a line", "flights", _bytes(lambda data: data[: len(data) // 2]), "stop", "must end with a full line"),
    Damage("semicolons", "flights", lambda file: written(file.rows, ";"), "stop", "must have a column"),
    Damage("byte order mark", "flights", _bytes(lambda data: b"\xef\xbb\xbf" + data), "harmless"),
    Damage("carriage returns", "flights", _bytes(lambda data: data.replace(b"\n", b"\r\n")), "harmless"),
    Damage("carriage returns alone", "flights", _bytes(lambda data: data.replace(b"\n", b"\r")), "stop", "must end with a full line"),
    Damage("gzip", "flights", _bytes(lambda data: gzip.compress(data, mtime=0)), "stop", "must end with a full line"),
    Damage("noise", "flights", lambda file: bytes(range(256)) * 40 + b"\n", "stop", "must be a table of comma-separated values"),
    Damage("a page of HTML", "flights", lambda file: _HTML, "stop", "must have a column"),
    Damage("UTF-16", "flights", _bytes(lambda data: data.decode().encode("utf-16")), "stop", "must end with a full line"),
    Damage(
        "Latin-1 in one row",
        "flights",
        _bytes(lambda data: data.replace(b",MIA,", b",M\xe9A,", 1)),
        "stop",
        "must be a table of comma-separated values",
    ),
    Damage("zero bytes", "flights", _bytes(lambda data: data.replace(b",MIA,", b",MI\x00,", 1)), "quarantine", "dest: must match"),
    Damage(
        "a quote that never ends",
        "flights",
        _lines(lambda lines: [*lines[:400], b'"' + lines[400], *lines[401:]]),
        "stop",
        "must be a table of comma-separated values",
    ),
    Damage(
        "everything quoted",
        "flights",
        _bytes(lambda data: b'"' + data.replace(b",", b'","').replace(b"\n", b'"\n"')[:-1]),
        "harmless",
    ),
    Damage("a row too short", "flights", _lines(lambda lines: [*lines[:9], b"2013,3,20\n", *lines[9:]]), "quarantine", "must not be null"),
    Damage(
        "a row too long",
        "flights",
        _lines(lambda lines: [*lines[:9], lines[9][:-1] + b",x,y\n", *lines[10:]]),
        "stop",
        "must be a table of comma-separated values",
    ),
    Damage(
        "the header again in the middle",
        "flights",
        _lines(lambda lines: [*lines[:9], *lines[:1], *lines[9:]]),
        "quarantine",
        "must be readable",
    ),
    Damage(
        "a comment on top",
        "flights",
        _lines(lambda lines: [b"# exported at noon\n", *lines]),
        "stop",
        "must be a table of comma-separated values",
    ),
    Damage(
        "a total at the end", "flights", _lines(lambda lines: [*lines, b"total,986" + b"," * 17 + b"\n"]), "quarantine", "must be readable"
    ),
    Damage(
        "blank lines at the end",
        "flights",
        _bytes(lambda data: data + b"\n\n"),
        "quarantine",
        "must not be null",
        note="An empty line is no row; it costs nothing but a count.",
    ),
    Damage("weather: no file", "weather", lambda file: None, "warn", "missing days of weather"),
    Damage("weather: header alone", "weather", _lines(lambda lines: lines[:1]), "warn", "missing days of weather"),
]

# --- columns ----------------------------------------------------------------------------------------------------------

COLUMNS = [
    Damage("a column is missing", "flights", _rows(lambda rows: rows.drop("distance")), "stop", "must have a column distance"),
    Damage(
        "a column is renamed", "flights", _rows(lambda rows: rows.rename({"arr_delay": "delay"})), "stop", "must have a column arr_delay"
    ),
    Damage("names padded", "flights", _bytes(lambda data: data.replace(b",", b", ", 18)), "stop", "must have a column"),
    Damage("columns in another order", "flights", _rows(lambda rows: rows.select(reversed(rows.columns))), "harmless"),
    Damage("one column more", "flights", _rows(lambda rows: rows.with_columns(gate=pl.lit("B22"))), "harmless"),
    Damage(
        "a column twice", "flights", _lines(lambda lines: [line[:-1] + b"," + line.split(b",")[8] + b"\n" for line in lines]), "harmless"
    ),
    Damage(
        "departure and arrival swapped", "flights", _swapped("sched_dep_time", "sched_arr_time"), "refused", "sched_dep_time must equal"
    ),
    Damage("the two delays swapped", "flights", _swapped("dep_delay", "arr_delay"), "stop", "volume of flights"),
    Damage("origin and destination swapped", "flights", _swapped("origin", "dest"), "refused", "origin: must be one of"),
    Damage(
        "values one column to the right",
        "flights",
        _bytes(lambda data: data.replace(b"\n2013,", b"\n0,2013,")),
        "stop",
        "must be a table of comma-separated values",
    ),
    Damage("weather: a column is missing", "weather", _rows(lambda rows: rows.drop("visib")), "stop", "must have a column visib"),
    Damage("weather: temperature and dew point swapped", "weather", _swapped("temp", "dewp"), "refused", "dewp must not be above temp"),
    Damage("weather: wind and gust swapped", "weather", _swapped("wind_speed", "wind_gust"), "stop", "nulls of weather"),
]

# --- values: units, clocks, spellings ---------------------------------------------------------------------------------

UNITS = [
    Damage(
        "distance in kilometres", "flights", _values(distance=_whole(_number("distance") * 1.609)), "refused", "distance must be one of"
    ),
    Damage("arrival delay in seconds", "flights", _values(arr_delay=_whole(_number("arr_delay") * 60)), "stop", "volume of flights"),
    Damage("arrival delay in hours", "flights", _values(arr_delay=_whole(_number("arr_delay") / 60)), "stop", "volume of flights"),
    Damage("air time in hours", "flights", _values(air_time=(_number("air_time") / 60).round(2)), "stop", "volume of flights"),
    Damage("minutes of the day for HHMM", "flights", _values(sched_arr_time=_minutes("sched_arr_time")), "stop", "volume of flights"),
    Damage("local hour called UTC", "flights", _values(time_hour=_shifted(-4)), "refused", "time_hour must be the instant"),
    Damage("instant with an offset", "flights", _values(time_hour=pl.col("time_hour").str.replace("Z", "+00:00")), "harmless"),
    Damage("weather: temperature in Celsius", "weather", _values(temp=_CELSIUS["temp"]), "refused", "dewp must not be above temp"),
    Damage("weather: temperature and dew point in Celsius", "weather", _values(**_CELSIUS), "unseen", note=_A_FRONT),
    Damage("weather: wind in knots", "weather", _values(wind_speed=_number("wind_speed") / 1.151), "unseen", note=_A_FRONT),
    Damage(
        "weather: wind in km/h", "weather", _values(wind_speed=_number("wind_speed") * 1.609), "quarantine", "wind_gust must not be below"
    ),
    Damage(
        "weather: wind and gusts in km/h",
        "weather",
        _values(**{name: _number(name) * 1.609 for name in ("wind_speed", "wind_gust")}),
        "unseen",
        note=_A_FRONT,
    ),
    Damage("weather: pressure in pascal", "weather", _values(pressure=_number("pressure") * 100), "refused", "pressure: must be at most"),
    Damage(
        "weather: pressure in inches", "weather", _values(pressure=_number("pressure") / 33.86), "refused", "pressure: must be at least"
    ),
    Damage("weather: humidity as a share", "weather", _values(humid=_number("humid") / 100), "stop", "scale of weather"),
    Damage("weather: visibility in metres", "weather", _values(visib=_number("visib") * 1609), "refused", "visib: must be at most"),
    Damage("weather: visibility in kilometres", "weather", _values(visib=_number("visib") * 1.609), "unseen", note=_A_FRONT),
    Damage("weather: local hour called UTC", "weather", _values(time_hour=_shifted(-4)), "quarantine", "must be of the day of its file"),
]

SPELLINGS = [
    Damage(
        "padded with blanks",
        "flights",
        _bytes(lambda data: data.replace(b",", b", ").replace(b", ", b",", 18)),
        "refused",
        "must be readable",
    ),
    Damage(
        "codes in small letters", "flights", _values(carrier=pl.col("carrier").str.to_lowercase()), "refused", "carrier: must be one of"
    ),
    Damage("an unknown carrier", "flights", _values(_every(9), carrier=pl.lit("ZZ")), "quarantine", "carrier: must be one of"),
    Damage("an unknown destination", "flights", _values(_every(90), dest=pl.lit("QQQ")), "warn", "categories of flights"),
    Damage("destinations of four letters", "flights", _values(dest="K" + pl.col("dest")), "refused", "dest: must match"),
    Damage("destinations mapped to others", "flights", _values(dest=pl.col("dest").shuffle(seed=1)), "stop", "volume of flights"),
    Damage("words for numbers", "flights", _values(_every(9), dep_delay=pl.lit("late")), "quarantine", "dep_delay: must be readable"),
    Damage("thousands separators", "flights", _values(distance=pl.format("1,{}", "distance")), "refused", "distance: must be readable"),
    Damage("decimals for whole numbers", "flights", _values(flight=pl.format("{}.0", "flight")), "refused", "flight: must be readable"),
    Damage(
        "NULL for NA", "flights", _values(pl.col("dep_time").is_null(), dep_time=pl.lit("NULL")), "quarantine", "dep_time: must be readable"
    ),
    Damage("an empty field for NA", "flights", _bytes(lambda data: data.replace(b",NA", b",")), "harmless"),
    Damage(
        "HH:MM for HHMM",
        "flights",
        _values(sched_arr_time=pl.col("sched_arr_time").str.replace("(..)$", ":$1")),
        "stop",
        "volume of flights",
    ),
    Damage("24:60", "flights", _values(_every(9), arr_time=pl.lit(2460)), "quarantine", "arr_time: must be at most 2400"),
    Damage(
        "negative numbers", "flights", _values(_every(9), distance=-_whole(_number("distance"))), "quarantine", "distance: must be at least"
    ),
    Damage("extreme values", "flights", _values(_every(9), arr_delay=pl.lit(99_999)), "quarantine", "arr_delay: must be at most"),
    Damage(
        "31 February",
        "flights",
        _values(_every(9), month=pl.lit(2), day=pl.lit(31)),
        "quarantine",
        "must be of the day of its file",
    ),
    Damage(
        "month and day swapped",
        "flights",
        _swapped("month", "day"),
        "refused",
        "month: must be at most 12",
    ),
    Damage(
        "weather: decimal commas", "weather", _values(temp=pl.col("temp").str.replace(".", ",", literal=True)), "stop", "volume of weather"
    ),
    Damage("weather: NaN", "weather", _values(_every(9), temp=pl.lit("NaN")), "quarantine", "temp: must be finite"),
    Damage("weather: -999 for NA", "weather", _values(_every(9), temp=pl.lit(-999)), "quarantine", "temp: must be at least"),
]

# --- rows: which are there, and whose values they have ----------------------------------------------------------------

ROWS = [
    Damage("all rows twice", "flights", _rows(lambda rows: pl.concat([rows, rows])), "quarantine", "repeats the key"),
    Damage("all rows a hundred times", "flights", _rows(lambda rows: pl.concat([rows] * 100)), "stop", "quarantine of flights"),
    Damage(
        "all rows twice under other numbers",
        "flights",
        _rows(lambda rows: pl.concat([rows, rows.with_columns(flight=(10_000 - _whole(_number("flight"))).cast(pl.String))])),
        "stop",
        "volume of flights",
    ),
    Damage("a tenth of the rows", "flights", _share(0.1), "stop", "volume of flights"),
    Damage("the first half of the rows", "flights", _share(0.5), "stop", "scale of flights"),
    Damage("every second row", "flights", _rows(lambda rows: rows.gather_every(2)), "warn", "volume of flights"),
    Damage("no rows after noon", "flights", _rows(lambda rows: rows.filter(_number("hour") < 12)), "stop", "volume of flights"),
    Damage("an airport is missing", "flights", _rows(lambda rows: rows.filter(pl.col("origin") != "LGA")), "warn", "volume of flights"),
    Damage(
        "a carrier is missing",
        "flights",
        _rows(lambda rows: rows.filter(pl.col("carrier") != "UA")),
        "warn",
        "categories of flights",
    ),
    Damage("rows in another order", "flights", _rows(lambda rows: rows.sample(fraction=1.0, shuffle=True, seed=1)), "harmless"),
    Damage("yesterday's file", "flights", lambda file: file.before, "refused", "must be of the day of its file"),
    Damage(
        "yesterday's rows with today's date",
        "flights",
        _yesterday_redated,
        "stop",
        "repeated days of flights",
    ),
    Damage("all of a day ahead", "flights", _values(day=pl.lit(21), time_hour=_shifted(24)), "refused", "must be of the day of its file"),
    Damage("some rows of tomorrow", "flights", _rows(_with_tomorrow), "quarantine", "must be of the day of its file"),
    Damage("labels shuffled, arrivals to match", "flights", _rows(_arrivals_shuffled), "stop", "labels of flights"),
    Damage(
        "no flight landed",
        "flights",
        _values(arr_delay=_NOTHING, arr_time=_NOTHING, air_time=_NOTHING),
        "stop",
        "nulls of flights",
    ),
    Damage(
        "all flights cancelled",
        "flights",
        _values(**dict.fromkeys(("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"), _NOTHING)),
        "stop",
        "nulls of flights",
    ),
    Damage("all delays null", "flights", _values(dep_delay=_NOTHING, arr_delay=_NOTHING), "stop", "volume of flights"),
    Damage("all flights on the minute", "flights", _rows(_punctual), "stop", "constants of flights"),
    Damage("one carrier for all", "flights", _values(carrier=pl.lit("AA")), "stop", "constants of flights"),
    Damage("one minute for all", "flights", _values(minute=pl.lit(0)), "stop", "volume of flights"),
    Damage("nulls in a required column", "flights", _values(_every(3), dest=_NOTHING), "quarantine", "dest: must not be null"),
    Damage("a tenth of the tail numbers null", "flights", _values(_every(10), tailnum=_NOTHING), "quarantine", "tailnum must be there"),
    Damage("weather: all rows twice", "weather", _rows(lambda rows: pl.concat([rows, rows])), "quarantine", "repeats the key"),
    Damage("weather: yesterday's file", "weather", lambda file: file.before, "refused", "must be of the day of its file"),
    Damage(
        "weather: yesterday's readings",
        "weather",
        _yesterday_redated,
        "stop",
        "repeated days of weather",
    ),
    Damage(
        "weather: an airport is missing", "weather", _rows(lambda rows: rows.filter(pl.col("origin") != "LGA")), "warn", "volume of weather"
    ),
    Damage("weather: half of the rows", "weather", _share(0.5), "warn", "volume of weather"),
    Damage(
        "weather: six hours are missing",
        "weather",
        _rows(lambda rows: rows.filter(~_instant().dt.hour().is_in(range(12, 18)))),
        "warn",
        "gaps of weather",
    ),
    Damage(
        "weather: a sensor is stuck",
        "weather",
        _values(temp=pl.lit(41.0), dewp=pl.lit(39.0), humid=pl.lit(92.5)),
        "stop",
        "constants of weather",
    ),
    Damage("weather: a column is null", "weather", _values(temp=_NOTHING), "stop", "nulls of weather"),
    Damage(
        "weather: three readings of ten null",
        "weather",
        _values(_every(3), temp=_NOTHING),
        "unseen",
        note="Sensors fail for hours in the real year; a third of a day is below what the rule on nulls tells.",
    ),
    Damage(
        "weather: an unknown airport",
        "weather",
        _values(pl.col("origin") == "LGA", origin=pl.lit("HPN")),
        "quarantine",
        "origin: must be one of",
    ),
]

DAMAGES = [*FILES, *COLUMNS, *UNITS, *SPELLINGS, *ROWS]
