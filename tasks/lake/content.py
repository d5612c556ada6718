"""What a table holds, as a hash: equal rows give an equal hash, in whatever order or file they stand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date

import polars as pl

from tasks.lake.tables import DAY

NOTHING = (0, "")
"""The rows and content of a day that has none."""


def by_day(rows: pl.DataFrame) -> dict[date, tuple[int, str]]:
    """Return, of each day that has rows, their number and the sum of their hashes, so that order does not matter."""
    columns = sorted(name for name in rows.columns if name != DAY)
    hashed = rows.select(DAY, rows.select(columns).hash_rows(seed=2013).alias("hash"))
    found = hashed.group_by(DAY).agg(pl.len(), pl.col("hash").sum()).sort(DAY)
    return {day: (count, f"{total:016x}") for day, count, total in found.iter_rows()}


def frame_hash(rows: pl.DataFrame) -> str:
    """Return the hash of a frame: column names, types and rows; the order of rows does not matter."""
    columns = sorted(rows.columns)
    total = rows.select(columns).hash_rows(seed=2013).sum() if rows.height else 0
    return combine([str([(name, str(rows.schema[name])) for name in columns]), str(rows.height), str(total)])


def combine(parts: Iterable[str]) -> str:
    """Return one hash of several."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
