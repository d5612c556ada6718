"""Day by day from raw text into the lake: good rows to their table, the others to quarantine with every reason.

Writing a day again leaves the same rows: only days whose rows differ from what the lake holds are written, in one
commit each stretch, so a run that is killed has written whole days or nothing.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from tasks.artifacts.data import DataSnapshot, QuarantineCount, TableVersion
from tasks.contracts import REASONS, Table, parse, types
from tasks.errors import ClockError, LakeError
from tasks.lake import content, tables
from tasks.lake.snapshots import KnownBy

log = logging.getLogger(__name__)

QUARANTINE = "quarantine"
_DAYS_A_COMMIT = 31  # bounds the memory of a write and what a killed run does again


@dataclass(frozen=True)
class Source:
    """How the use case's raw data are read and dated."""

    name: str
    tables: Sequence[Table]
    read: Callable[[Table], pl.DataFrame]
    day_of: Callable[[Table], pl.Expr]
    known_by: KnownBy


def ingest(source: Source, lake: str, as_of: datetime) -> DataSnapshot:
    """Bring the lake up to an instant and say what it then holds.

    Args:
        source: The raw data.
        lake: Folder or URI of the lake.
        as_of: The clock (UTC): only what was known by then is written and counted.

    Returns:
        The snapshot: versions, rows and content of every table, and what was set aside.

    Raises:
        SourceError: If a file is missing, truncated or lacks a column.
        ClockError: If nothing was known by `as_of`, or it lies after the data.
        LakeError: If a table is damaged.
        StorageError: If the lake cannot be written.
    """
    good: dict[str, pl.LazyFrame] = {}
    bad: dict[str, pl.DataFrame] = {}
    rows_read = 0
    for table in source.tables:
        raw = source.read(table)
        rows_read += raw.height
        parsed = parse(raw, table)
        keeps = parsed.get_column(REASONS).list.len() == 0
        good[table.name] = parsed.filter(keeps).drop(REASONS).lazy()
        bad[table.name] = raw.with_columns(parsed.get_column(REASONS)).filter(~keeps)
        log.info("%s: %s rows read, %s set aside", table.name, f"{raw.height:,}", f"{bad[table.name].height:,}")
    daily = [table for table in source.tables if table.is_daily]
    _require_within(source, daily[0], good, as_of)
    incoming = _dated(source, source.known_by(good, as_of))
    if incoming[daily[0].name].is_empty():
        raise ClockError("the window up to as_of must hold rows", f"none known by {as_of:%Y-%m-%d %H:%M}", "choose a later --as_of")
    stored = _dated(source, source.known_by(_newest(source, lake), as_of))
    for table in source.tables:
        _write(f"{lake}/{table.name}", table, incoming[table.name], stored[table.name])
    _quarantine(lake, bad)
    return _snapshot(source, lake, as_of, bad, rows_read)


def _require_within(source: Source, table: Table, good: Mapping[str, pl.LazyFrame], as_of: datetime) -> None:
    days = good[table.name].select(source.day_of(table).alias(tables.DAY))
    first, last = days.select(pl.col(tables.DAY).min().alias("a"), pl.col(tables.DAY).max().alias("b")).collect().row(0)
    expected = f"as_of must lie within the data, {first} to {last}"
    mend = "choose another --as_of, or a --source that reaches it"
    if first is None:
        raise ClockError("the source must have rows that keep the contract", "none", "look at the quarantine table for the reasons")
    # The last day's flights land on the next: one day more than the data have is still within them.
    if not first <= as_of.date() or (as_of.date() - last).days > 1:
        raise ClockError(expected, f"{as_of:%Y-%m-%d %H:%M}", mend)


def _newest(source: Source, lake: str) -> dict[str, pl.LazyFrame]:
    """Return what the lake holds of each table, empty where there is none yet.

    It may know more than the clock allows, from a later run: seen by the clock, such days compare equal.
    """
    found: dict[str, pl.LazyFrame] = {}
    for table in source.tables:
        rows, wanted = tables.read(f"{lake}/{table.name}"), types(table.schema)
        if rows is not None and dict(rows.drop(tables.DAY, strict=False).schema) != wanted:
            raise LakeError(
                f"{lake}/{table.name} must have the columns and types of its contract",
                "those of an earlier contract",
                f"move {lake} away: the next ingest fills a new one from the source",
            )
        found[table.name] = pl.LazyFrame(schema=wanted) if rows is None else rows.drop(tables.DAY, strict=False).lazy()
    return found


def _dated(source: Source, frames: Mapping[str, pl.LazyFrame]) -> dict[str, pl.DataFrame]:
    """Collect tables, each daily one with the day to which a row belongs."""
    by_name = {table.name: table for table in source.tables}
    return {
        name: (frame.with_columns(source.day_of(by_name[name]).alias(tables.DAY)) if by_name[name].is_daily else frame).collect()
        for name, frame in frames.items()
    }


def _write(uri: str, table: Table, rows: pl.DataFrame, stored: pl.DataFrame) -> None:
    """Bring one table to `rows`, writing only what differs from what it holds."""
    if not table.is_daily:
        if content.frame_hash(stored) != content.frame_hash(rows) or tables.open_table(uri) is None:
            tables.overwrite(uri, rows)
        return
    changed = content.changed_days(rows, stored)
    for days in _stretches(changed):
        tables.overwrite_days(uri, rows.filter(pl.col(tables.DAY).is_in(days)), days)
    if not changed and tables.open_table(uri) is None:
        tables.overwrite_days(uri, rows, [])  # a table of which nothing is known yet
    log.info("%s: %d of %d days written", table.name, len(changed), rows.get_column(tables.DAY).n_unique())


def _stretches(days: Sequence[date]) -> Iterator[Sequence[date]]:
    for start in range(0, len(days), _DAYS_A_COMMIT):
        yield days[start : start + _DAYS_A_COMMIT]


def _quarantine(lake: str, bad: Mapping[str, pl.DataFrame]) -> None:
    """Keep the rows set aside as JSON of their raw text, each with its table and all of its reasons."""
    schema = pl.Schema({"table": pl.String(), "row": pl.String(), "reasons": pl.List(pl.String())})
    parts = [
        frame.select(
            pl.lit(name).alias("table"), pl.struct(pl.exclude(REASONS)).struct.json_encode().alias("row"), pl.col(REASONS).alias("reasons")
        )
        for name, frame in sorted(bad.items())
        if frame.height
    ]
    rows = pl.concat(parts) if parts else pl.DataFrame(schema=schema)
    uri = f"{lake}/{QUARANTINE}"
    stored = tables.read(uri)
    if stored is None or not stored.sort("table", "row").equals(rows.sort("table", "row")):
        tables.overwrite(uri, rows)


def _snapshot(source: Source, lake: str, as_of: datetime, bad: Mapping[str, pl.DataFrame], rows_read: int) -> DataSnapshot:
    versions = {table.name: tables.version_of(f"{lake}/{table.name}") for table in source.tables}
    stored = {name: tables.scan(f"{lake}/{name}", version).drop(tables.DAY, strict=False) for name, version in versions.items()}
    known = _dated(source, source.known_by(stored, as_of))
    held = [
        TableVersion(
            name=table.name,
            uri=f"{lake}/{table.name}",
            version=versions[table.name],
            rows=known[table.name].height,
            content_hash=content.frame_hash(known[table.name]),
        )
        for table in source.tables
    ]
    main = next(table for table in source.tables if table.is_daily)
    days = known[main.name].get_column(tables.DAY)
    quarantined = [
        QuarantineCount(
            table=name,
            rows=frame.height,
            reasons=dict(sorted(Counter(frame.explode(REASONS).get_column(REASONS).to_list()).items())),
        )
        for name, frame in sorted(bad.items())
        if frame.height
    ]
    return DataSnapshot(
        source=source.name,
        as_of=as_of,
        first_day=days.min(),
        last_day=days.max(),
        tables=held,
        quarantined=quarantined,
        rows_read=rows_read,
        content_hash=content.combine([as_of.isoformat(), *(f"{t.name} {t.content_hash}" for t in held)]),
    )
