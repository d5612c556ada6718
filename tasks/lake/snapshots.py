"""Reading a snapshot again as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import polars as pl

from tasks.artifacts.data import DataSnapshot
from tasks.lake import tables

Frames = Mapping[str, pl.LazyFrame]
KnownBy = Callable[[Frames, datetime], dict[str, pl.LazyFrame]]
"""The use case's clock: of each table, what was known at an instant."""


def read_snapshot(snapshot: DataSnapshot, known_by: KnownBy) -> dict[str, pl.LazyFrame]:
    """Read the tables of a snapshot as they were, whatever was ingested since.

    Raises:
        LakeError: If a version is missing or damaged.
    """
    stored = {table.name: tables.scan(table.uri, table.version).drop(tables.DAY, strict=False) for table in snapshot.tables}
    return known_by(stored, snapshot.as_of)
