"""Features day by day in the lake: a day is built again only if something that it may see has changed.

What a day's features rest on is the code that builds them and the rows of the days that they look back on. Both as one
hash, kept in the ledger, say whether the stored rows still hold: a night builds the days that are new or were not yet
settled, and leaves the others alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from tasks.artifacts.data import DataSnapshot, TableVersion
from tasks.lake import content, ledger, manifest, tables
from tasks.lake.ledger import UNDATED, Entry
from tasks.lake.snapshots import KnownBy, read_snapshot

log = logging.getLogger(__name__)

FEATURES = "features"
_LONGEST_STRETCH = 92  # days built at once: a quarter bounds the memory, and its context of a month costs a third more


@dataclass(frozen=True)
class Definition:
    """The use case's features.

    Attributes:
        build: From raw tables to the features of some days, both ends included.
        known_by: The clock.
        lookback: How far back raw rows matter; those of later days never do.
        main: The table with a row for each row of features.
        version: Version of the code.
    """

    build: Callable[[Mapping[str, pl.LazyFrame], tuple[date, date]], pl.LazyFrame]
    known_by: KnownBy
    lookback: timedelta
    main: str
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
    uri, inputs = f"{lake}/{FEATURES}", _inputs(snapshot, definition)
    stored = ledger.read(lake)
    due = [day for day, wanted in inputs.items() if (entry := stored.get((FEATURES, day))) is None or entry.fingerprint != wanted]
    for stretch in _stretches(due):
        first, last = stretch[0], stretch[-1]
        raw = read_snapshot(snapshot, definition.known_by, (first - definition.lookback, last))
        rows = definition.build(raw, (first, last)).collect()
        tables.overwrite_days(uri, rows, stretch)
        found = {day: (count, f"{total:016x}") for day, count, total in content.day_hashes(rows).iter_rows()}
        ledger.write(lake, FEATURES, [_entry(snapshot, definition, day, inputs[day], *found.get(day, (0, ""))) for day in stretch])
    log.info("%d of %d days built", len(due), len(inputs))
    return tables.version_of(uri), list(inputs), len(due)


def table_version(lake: str, version: int, days: Sequence[date]) -> TableVersion:
    """Return the stored features of some days as a reference."""
    stored = ledger.read(lake)
    entries = [stored[FEATURES, day] for day in days]
    return TableVersion(
        name=FEATURES,
        uri=f"{lake}/{FEATURES}",
        version=version,
        rows=sum(entry.rows for entry in entries),
        content_hash=content.combine(f"{entry.batch_day} {entry.content_hash}" for entry in entries),
    )


def _entry(snapshot: DataSnapshot, definition: Definition, day: date, inputs: str, rows: int, content_hash: str) -> Entry:
    return Entry(
        table=FEATURES,
        batch_day=day,
        source=snapshot.source,
        file="",
        fingerprint=inputs,
        made_by=definition.version,
        known_at=snapshot.as_of,
        rows_read=rows,
        rows=rows,
        quarantined=0,
        content_hash=content_hash,
    )


def _inputs(snapshot: DataSnapshot, definition: Definition) -> dict[date, str]:
    """Return, for every day of the main table, the hash of all that its features rest on."""
    rows = manifest.read(snapshot).select("table", tables.DAY, "rows", "content_hash").sort(tables.DAY, "table")
    undated = pl.col(tables.DAY) == UNDATED
    fixed = [definition.version, *(f"{name} {found}" for name, _, _, found in rows.filter(undated).iter_rows())]
    by_day: dict[date, list[str]] = {}
    for name, day, count, found in rows.filter(~undated).iter_rows():
        by_day.setdefault(day, []).append(f"{name} {count} {found}")
    dates = {day: f"{day} {content.combine(parts)}" for day, parts in by_day.items()}
    reach = range(-definition.lookback.days, 1)
    mine = rows.filter((pl.col("table") == definition.main) & (pl.col("rows") > 0)).get_column(tables.DAY)
    return {day: content.combine([*fixed, *(dates.get(day + timedelta(days=n), "") for n in reach)]) for day in mine}


def _stretches(days: Sequence[date]) -> Iterator[list[date]]:
    """Split days into runs without a gap, of bounded length: the days between would be built for nothing."""
    run: list[date] = []
    for day in days:
        if run and (day - run[-1] > timedelta(days=1) or len(run) == _LONGEST_STRETCH):
            yield run
            run = []
        run.append(day)
    if run:
        yield run
