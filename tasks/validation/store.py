"""Profiles day by day in the lake: the rows of a day are looked at once, and again only if they have changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from tasks.artifacts.data import DataSnapshot
from tasks.contracts import Table
from tasks.lake import content, derived, manifest, tables
from tasks.lake.derived import Derived
from tasks.lake.snapshots import KnownBy, read_snapshot
from tasks.validation.profile import DAY, SCHEMA, profile


def profiles(
    snapshot: DataSnapshot, lake: str, contracts: Sequence[Table], day_of: Mapping[str, pl.Expr], known_by: KnownBy, version: str
) -> dict[str, pl.DataFrame]:
    """Return the profile of each table of a snapshot; those of its days are brought up to it in the lake.

    Args:
        snapshot: What was ingested.
        lake: Folder or URI of the lake.
        contracts: The tables' contracts.
        day_of: The daily batch of a row, by daily table.
        known_by: The clock.
        version: Version of the code that profiles.

    Raises:
        LakeError: If a table is missing or damaged.
        StorageError: If the lake cannot be written.
    """
    entries = manifest.read(snapshot).filter(pl.col("rows") > 0).sort(DAY)

    def of_days(table: Table) -> pl.DataFrame:
        def build(first: date, last: date) -> pl.DataFrame:
            rows = read_snapshot(snapshot, known_by, (first, last))[table.name]
            dated = rows.with_columns(day_of[table.name].alias(DAY)).filter(pl.col(DAY).is_between(first, last))
            return profile(dated.collect(), table)

        mine = entries.filter(pl.col("table") == table.name).select(DAY, "rows", "content_hash")
        inputs = {day: content.combine([version, str(rows), found]) for day, rows, found in mine.iter_rows()}
        if not inputs:
            return pl.DataFrame(schema=SCHEMA)
        made = Derived(f"profile_{table.name}", version, build, is_small=True)
        at, _ = derived.bring_up(lake, snapshot, made, inputs)
        return tables.scan(f"{lake}/{made.name}", at).filter(pl.col(DAY).is_in(list(inputs))).sort(DAY, "column").collect()

    def of_all(table: Table) -> pl.DataFrame:
        newest = (snapshot.last_day, snapshot.last_day)  # the days of the other tables are not asked for
        return profile(read_snapshot(snapshot, known_by, newest)[table.name].collect(), table)

    return {table.name: of_days(table) if table.is_daily else of_all(table) for table in contracts}
