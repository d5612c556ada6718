"""Features day by day in the lake: a day is built again only if something that it may see has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from tasks.artifacts.data import DataSnapshot, FilledBlock, TableDay, TableVersion
from tasks.artifacts.record import Window
from tasks.errors import ConfigError
from tasks.lake import blocks, content, derived, ledger, manifest, tables
from tasks.lake.derived import Derived
from tasks.lake.ledger import UNDATED
from tasks.lake.snapshots import KnownBy, read_snapshot

FEATURES = "features"
_SHOWN = 5  # days of an error


@dataclass(frozen=True)
class Definition:
    """The use case's features.

    Attributes:
        build: From raw tables to the features of some days, both ends included.
        known_by: The clock.
        lookback: How far back raw rows matter; those of later days never do.
        version: Version of the code.
    """

    build: Callable[[Mapping[str, pl.LazyFrame], tuple[date, date]], pl.LazyFrame]
    known_by: KnownBy
    lookback: timedelta
    version: str


def bring_up(snapshot: DataSnapshot, lake: str, definition: Definition) -> tuple[int, list[date], int]:
    """Bring the stored features up to a snapshot.

    Args:
        snapshot: Validated data.
        lake: Folder or URI of the lake.
        definition: What to build.

    Returns:
        The version of the table, the snapshot's days, and how many of them were built.

    Raises:
        LakeError: If a table is missing or damaged.
        StorageError: If the lake cannot be written.
    """

    inputs = _inputs(snapshot, definition)
    version, built = derived.bring_up(lake, snapshot, _table(snapshot, definition), inputs)
    return version, list(inputs), built


def plan(snapshot: DataSnapshot, lake: str, definition: Definition, most: int) -> list[Window]:
    """Return the blocks of days whose features are missing or stale, and begin the table. Raises as `bring_up` does.

    Args:
        snapshot: Validated data.
        lake: Folder or URI of the lake.
        definition: What to build.
        most: The most days of a block.
    """
    return blocks.cover(derived.begin(lake, snapshot, _table(snapshot, definition), _inputs(snapshot, definition)), most)


def fill(snapshot: DataSnapshot, lake: str, definition: Definition, block: Window) -> FilledBlock:
    """Build the features of one block of days, while others may build other blocks. Raises as `bring_up` does.

    Args:
        snapshot: Validated data.
        lake: Folder or URI of the lake.
        definition: What to build.
        block: The days; of those before it only `lookback` are read.
    """
    return derived.fill(lake, snapshot, _table(snapshot, definition), _inputs(snapshot, definition), block)


def _table(snapshot: DataSnapshot, definition: Definition) -> Derived:
    def build(first: date, last: date) -> pl.DataFrame:
        raw = read_snapshot(snapshot, definition.known_by, (first - definition.lookback, last))
        return definition.build(raw, (first, last)).collect()

    return Derived(FEATURES, definition.version, build)


def table_version(lake: str, version: int, days: Sequence[date]) -> TableVersion:
    """Return the stored features of some days as a reference."""
    stored = ledger.read(lake, FEATURES)
    entries = [stored[FEATURES, day] for day in days]
    return TableVersion(
        name=FEATURES,
        uri=f"{lake}/{FEATURES}",
        version=version,
        rows=sum(entry.rows for entry in entries),
        content_hash=content.combine(f"{entry.batch_day} {entry.content_hash}" for entry in entries),
    )


def days_of(lake: str, version: int, known: Sequence[date], first_day: str, last_day: str) -> list[TableDay]:
    """Return a reference to the stored features of each day of a window.

    Args:
        lake: Folder or URI of the lake.
        version: Of the table, as `bring_up` returns it.
        known: The days of the snapshot, as `bring_up` returns them.
        first_day: The first day (2013-10-01).
        last_day: The last day, included.

    Raises:
        ConfigError: If a day is no date, the last comes before the first, or a day has no rows.
        LakeError: If the ledger is damaged.
    """
    first, last = _day("first_day", first_day), _day("last_day", last_day)
    if last < first:
        raise ConfigError("last_day must not come before first_day", f"{first} to {last}", "exchange them")
    wanted: list[date] = pl.date_range(first, last, eager=True).to_list()
    there = set(known)
    empty = [day for day in wanted if day not in there]
    if empty:
        more = f" and {len(empty) - _SHOWN} more" if len(empty) > _SHOWN else ""
        raise ConfigError(
            f"each day must lie within the data, {min(known)} to {max(known)}",
            f"no rows on {', '.join(map(str, empty[:_SHOWN]))}{more}",
            "choose other days, or a later as_of",
        )
    stored = ledger.read(lake, FEATURES)
    entries = [stored[FEATURES, day] for day in wanted]
    uri = f"{lake}/{FEATURES}"
    return [TableDay(uri=uri, version=version, day=e.batch_day, rows=e.rows, content_hash=e.content_hash) for e in entries]


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{name} must be a date such as 2013-10-01", repr(text[:40]), "write it so") from error


def _inputs(snapshot: DataSnapshot, definition: Definition) -> dict[date, str]:
    """Return, for every day of the main table, the hash of all that its features rest on.

    The main table is the first that has days: see `contracts.main_table`.
    """
    rows = manifest.read(snapshot).select("table", tables.DAY, "rows", "content_hash").sort(tables.DAY, "table")
    undated = pl.col(tables.DAY) == UNDATED
    fixed = [definition.version, *(f"{name} {found}" for name, _, _, found in rows.filter(undated).iter_rows())]
    by_day: dict[date, list[str]] = {}
    for name, day, count, found in rows.filter(~undated).iter_rows():
        by_day.setdefault(day, []).append(f"{name} {count} {found}")
    dates = {day: f"{day} {content.combine(parts)}" for day, parts in by_day.items()}
    reach = range(-definition.lookback.days, 1)
    dated = set(rows.filter(~undated).get_column("table"))
    main = next(table.name for table in snapshot.tables if table.name in dated)
    mine = rows.filter((pl.col("table") == main) & ~undated & (pl.col("rows") > 0)).get_column(tables.DAY)
    return {day: content.combine([*fixed, *(dates.get(day + timedelta(days=n), "") for n in reach)]) for day in mine}
