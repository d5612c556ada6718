"""Profiles day by day in the lake: the rows of a day are looked at once, and again only if they have changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

import polars as pl

from tasks.artifacts.data import DataSnapshot, FilledBlock
from tasks.artifacts.record import Window
from tasks.contracts import Table
from tasks.lake import blocks, content, derived, manifest, tables
from tasks.lake.derived import Derived
from tasks.lake.snapshots import KnownBy, read_snapshot
from tasks.validation.profile import DAY, SCHEMA, profile


@dataclass(frozen=True)
class Definition:
    """What is profiled, and how.

    Attributes:
        contracts: The tables' contracts.
        day_of: The daily batch of a row, by daily table.
        known_by: The clock.
        version: Version of the code that profiles.
    """

    contracts: Sequence[Table]
    day_of: Mapping[str, pl.Expr]
    known_by: KnownBy
    version: str


def profiles(snapshot: DataSnapshot, lake: str, definition: Definition) -> dict[str, pl.DataFrame]:
    """Return the profile of each table of a snapshot; those of its days are brought up to it in the lake.

    Args:
        snapshot: What was ingested.
        lake: Folder or URI of the lake.
        definition: What is profiled.

    Raises:
        LakeError: If a table is missing or damaged.
        StorageError: If the lake cannot be written.
    """
    made = {table.name: (table, inputs) for table, inputs in _tables(snapshot, definition)}

    def of_days(name: str) -> pl.DataFrame:
        if name not in made:
            return pl.DataFrame(schema=SCHEMA)
        table, inputs = made[name]
        at, _ = derived.bring_up(lake, snapshot, table, inputs)
        return tables.scan(f"{lake}/{name}", at).filter(pl.col(DAY).is_in(list(inputs))).sort(DAY, "column").collect()

    def of_all(table: Table) -> pl.DataFrame:
        newest = (snapshot.last_day, snapshot.last_day)  # the days of the other tables are not asked for
        return profile(read_snapshot(snapshot, definition.known_by, newest)[table.name].collect(), table)

    return {table.name: of_days(_name(table)) if table.is_daily else of_all(table) for table in definition.contracts}


def plan(snapshot: DataSnapshot, lake: str, definition: Definition, most: int) -> list[Window]:
    """Return the blocks of days of which profiles are missing or stale, and begin their tables. Raises as `profiles` does.

    Args:
        snapshot: What was ingested.
        lake: Folder or URI of the lake.
        definition: What is profiled.
        most: The most days of a block.
    """
    due = {day for table, inputs in _tables(snapshot, definition) for day in derived.begin(lake, snapshot, table, inputs)}
    return blocks.cover(due, most)


def fill(snapshot: DataSnapshot, lake: str, definition: Definition, block: Window) -> FilledBlock:
    """Profile the days of one block, while others may profile other blocks. Raises as `profiles` does.

    Args:
        snapshot: What was ingested.
        lake: Folder or URI of the lake.
        definition: What is profiled.
        block: The days.
    """
    done = [derived.fill(lake, snapshot, table, inputs, block) for table, inputs in _tables(snapshot, definition)]
    return FilledBlock(block=block, days=sum(part.days for part in done), rows=sum(part.rows for part in done))


def _name(table: Table) -> str:
    return f"profile_{table.name}"


def _tables(snapshot: DataSnapshot, definition: Definition) -> list[tuple[Derived, dict[date, str]]]:
    """Return the tables of profiles of the daily tables that have rows, each with what its days rest on."""
    entries = manifest.read(snapshot).filter(pl.col("rows") > 0).sort(DAY)

    def build(table: Table, first: date, last: date) -> pl.DataFrame:
        rows = read_snapshot(snapshot, definition.known_by, (first, last))[table.name]
        dated = rows.with_columns(definition.day_of[table.name].alias(DAY)).filter(pl.col(DAY).is_between(first, last))
        return profile(dated.collect(), table)

    made = []
    for table in definition.contracts:
        mine = entries.filter(pl.col("table") == table.name).select(DAY, "rows", "content_hash")
        if table.is_daily and mine.height:
            inputs = {day: content.combine([definition.version, str(rows), found]) for day, rows, found in mine.iter_rows()}
            made.append((Derived(_name(table), definition.version, partial(build, table), is_small=True), inputs))
    return made
