"""Reading a snapshot, or a day of a table, again as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime

import polars as pl

from tasks.artifacts.data import DataSnapshot, TableDay
from tasks.errors import LakeError
from tasks.lake import content, tables

Frames = Mapping[str, pl.LazyFrame]
KnownBy = Callable[[Frames, datetime], dict[str, pl.LazyFrame]]
"""The use case's clock: of each table, what was known at an instant."""


def read_snapshot(snapshot: DataSnapshot, known_by: KnownBy, days: tuple[date, date] | None = None) -> dict[str, pl.LazyFrame]:
    """Read the tables of a snapshot as they were, whatever was ingested since.

    Args:
        snapshot: Names the tables and their versions.
        known_by: The use case's clock.
        days: Of the daily tables only the days from one to another, both included; the files of others are not looked at.

    Raises:
        LakeError: If a version is missing or damaged.
    """
    wanted = None if days is None else pl.date_range(*days, eager=True).to_list()
    stored = {table.name: tables.scan(table.uri, table.version, wanted) for table in snapshot.tables}
    return known_by({name: rows.drop(tables.DAY, strict=False) for name, rows in stored.items()}, snapshot.as_of)


def read_day(day: TableDay) -> pl.DataFrame:
    """Read one day of a table; the files of others are not looked at.

    Raises:
        LakeError: If the version is missing or damaged, or does not hold what the reference says.
    """
    rows = tables.scan(day.uri, day.version, [day.day]).collect()
    rows_found, found = content.by_day(rows).get(day.day, content.NOTHING)
    if (rows_found, found) != (day.rows, day.content_hash):
        raise LakeError(
            f"{day.uri} must hold {day.day} with {day.rows} rows and the content {day.content_hash} in version {day.version}",
            f"{rows_found} rows with the content {found or 'of nothing'}",
            "another run wrote meanwhile: run again",
        )
    return rows
