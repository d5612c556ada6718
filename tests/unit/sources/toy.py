"""A toy table of every type that a contract may have, and its rows written in each form of a source."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pandera.polars as pa
import polars as pl
from deltalake import write_deltalake

from tasks.contracts import Instant, Table, column, types
from tasks.sources.forms import Form
from tasks.sources.reading import Raw


class Visits(pa.DataFrameModel):
    id: int = column("Number", role="key", ge=0)
    small: pl.Int8 = column("A small number", role="other", nullable=True)
    weight: float = column("Weight", role="feature", unit="kg", nullable=True)
    share: pl.Float32 = column("Share", role="feature", nullable=True)
    name: str = column("Name", role="other", nullable=True)
    is_new: bool = column("Whether it is the first", role="other", nullable=True)
    day: pl.Date = column("Local day", role="time")
    came: Instant = column("When it came", role="time", nullable=True)
    price: pl.Decimal(10, 2) = column("Price", role="other", nullable=True)  # type: ignore[valid-type]

    class Config:
        strict = True


VISITS = Table("visits", Visits, ("id",))
WHOLE = Table("visits", Visits, ("id",), is_daily=False)
FORM = Form(day="day")
RAW = Raw({"visits": FORM})
SCHEMA = types(Visits)

FIRST, SECOND = date(2024, 2, 29), date(2024, 3, 1)


def rows() -> pl.DataFrame:
    """Return four rows of two days."""
    came = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)
    return pl.DataFrame(
        [
            [1, 7, 0.1, 0.25, "Zoë", True, FIRST, came, Decimal("12.50")],
            [2, None, 1e300, 0.1, "a,b", False, FIRST, came.replace(microsecond=120), Decimal("-0.01")],
            [3, -128, -0.0, None, None, None, SECOND, None, None],
            [4, 127, None, 1.0, 'said "so"', True, SECOND, came.replace(month=3), Decimal("0.00")],
        ],
        schema=SCHEMA,
        orient="row",
    )


def write_csv(folder: Path, frame: pl.DataFrame) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    frame.with_columns(pl.col("came").dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")).write_csv(folder / "visits.csv")
    return str(folder)


def write_parquet(folder: Path, frame: pl.DataFrame) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(folder / "visits.parquet")
    return str(folder)


def write_days(folder: Path, frame: pl.DataFrame) -> str:
    (folder / "visits").mkdir(parents=True, exist_ok=True)
    for (day,), part in frame.partition_by("day", as_dict=True).items():
        part.write_parquet(folder / "visits" / f"{day}.parquet")
    return str(folder)


def write_hive(folder: Path, frame: pl.DataFrame) -> str:
    for (day,), part in frame.partition_by("day", as_dict=True, include_key=False).items():
        (folder / "visits" / f"day={day}").mkdir(parents=True, exist_ok=True)
        part.head(1).write_parquet(folder / "visits" / f"day={day}" / "part-0.parquet")
        part.tail(-1).write_parquet(folder / "visits" / f"day={day}" / "part-1.parquet")
    return str(folder)


def write_delta(folder: Path, frame: pl.DataFrame, by: str | None = "day") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    write_deltalake(str(folder / "visits"), frame.to_arrow(), partition_by=[by] if by else None)
    return str(folder)


def write_sqlite(folder: Path, frame: pl.DataFrame, declared: str = "id INTEGER, day DATE, came TIMESTAMP") -> str:
    """Write a database; a date, an instant and a decimal are text in SQLite, a boolean is 0 or 1."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = dict(part.split(" ") for part in declared.split(", "))
    names = ", ".join(f'"{name}" {kinds.get(name, "")}' for name in frame.columns)
    as_stored = frame.with_columns(
        *(pl.col(name).cast(pl.String) for name in frame.columns if frame.schema[name] == pl.Date or frame.schema[name].is_decimal()),
        *(pl.col(name).dt.strftime("%Y-%m-%d %H:%M:%S%.6f+00:00") for name in frame.columns if frame.schema[name] == pl.Datetime),
        *(pl.col(name).cast(pl.String).cast(pl.Float64) for name in frame.columns if frame.schema[name] == pl.Float32),
    )
    with sqlite3.connect(folder / "visits.db") as connection:
        connection.execute(f"CREATE TABLE visits ({names})")
        connection.executemany(f"INSERT INTO visits VALUES ({', '.join('?' * frame.width)})", as_stored.rows())
    connection.close()
    return f"sqlite:///{folder}/visits.db"


WRITERS = {
    "csv": write_csv,
    "parquet": write_parquet,
    "days": write_days,
    "hive": write_hive,
    "delta": write_delta,
    "sqlite": write_sqlite,
}
