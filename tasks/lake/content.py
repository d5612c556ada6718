"""What a table holds, as a hash: equal rows give an equal hash, in whatever order or file they stand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date

import polars as pl

from tasks.lake.tables import DAY

_HASH = "content_hash"


def day_hashes(rows: pl.DataFrame) -> pl.DataFrame:
    """Return one row a day: `batch_day`, `rows`, and the sum of the rows' hashes (order does not matter)."""
    columns = sorted(name for name in rows.columns if name != DAY)
    return (
        rows.select(DAY, rows.select(columns).hash_rows(seed=2013).alias(_HASH))
        .group_by(DAY)
        .agg(pl.len().alias("rows"), pl.col(_HASH).sum())
        .sort(DAY)
    )


def changed_days(incoming: pl.DataFrame, stored: pl.DataFrame) -> list[date]:
    """Return the days whose rows differ between two frames, sorted."""
    both = day_hashes(incoming).join(day_hashes(stored), on=DAY, how="full", coalesce=True, suffix="_stored")
    differ = ~pl.col(_HASH).eq_missing(pl.col(f"{_HASH}_stored")) | ~pl.col("rows").eq_missing(pl.col("rows_stored"))
    return both.filter(differ).get_column(DAY).sort().to_list()


def frame_hash(rows: pl.DataFrame) -> str:
    """Return the hash of a frame: column names, types and rows; the order of rows does not matter."""
    columns = sorted(rows.columns)
    total = rows.select(columns).hash_rows(seed=2013).sum() if rows.height else 0
    return combine([str([(name, str(rows.schema[name])) for name in columns]), str(rows.height), str(total)])


def combine(parts: Iterable[str]) -> str:
    """Return one hash of several."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
