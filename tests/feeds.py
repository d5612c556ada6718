"""Sources for tests and benchmarks: the use case bound as `ingest` takes it, and a feed with a file a day."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import polars as pl

from tasks.artifacts.data import DataSnapshot, ValidationReport
from tasks.ingestion.feed import Source
from tasks.lake import manifest
from tasks.rows import REASONS, parse
from tasks.usecase import policy, source
from tasks.usecase.contract import TABLES
from tasks.validation import batch, store


def bound_source(folder: str, version: str = "1") -> Source:
    """Bind the use case to a folder, a URI or the packaged files."""
    return Source(
        folder,
        TABLES,
        partial(source.files, folder),
        partial(source.read, folder),
        source.day_of,
        source.known_by,
        source.LOCAL_ZONE,
        source.SETTLED_AFTER,
        version,
    )


def packaged() -> dict[str, pl.DataFrame]:
    """Return the packaged tables, typed, each row with its reasons."""
    return {table.name: parse(source.read(source.PACKAGED, table), table) for table in TABLES}


def accepted(parsed: Mapping[str, pl.DataFrame]) -> dict[str, pl.LazyFrame]:
    """Return of typed tables the rows that keep the contract."""
    return {name: frame.filter(pl.col(REASONS).list.len() == 0).drop(REASONS).lazy() for name, frame in parsed.items()}


def profiling() -> store.Definition:
    """Bind the use case to its profiles."""
    return store.Definition(TABLES, {table.name: source.day_of(table) for table in TABLES if table.is_daily}, source.known_by, "1")


def judged(snapshot: DataSnapshot, lake: str) -> ValidationReport:
    """Validate a snapshot, with the profiles that the lake keeps."""
    return batch.validate(snapshot, store.profiles(snapshot, lake, profiling()), manifest.read(snapshot), TABLES, policy.BATCH)


def write_feed(folder: Path, raw: dict[str, pl.DataFrame]) -> None:
    """Write tables of text as a feed: a file a day of the daily ones (days by their UTC hour, in New York), one of the others."""
    for table in TABLES:
        rows = raw[table.name]
        if not table.is_daily:
            rows.write_csv(folder / f"{table.name}.csv", null_value="NA")
            continue
        (folder / table.name).mkdir(parents=True, exist_ok=True)
        hour = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC")
        day = hour.dt.convert_time_zone(source.LOCAL_ZONE).dt.date().cast(pl.String).alias("__day")
        for (name,), part in rows.with_columns(day).partition_by("__day", as_dict=True, include_key=False).items():
            part.write_csv(folder / table.name / f"{name}.csv", null_value="NA")
