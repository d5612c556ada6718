"""What the lake holds at an instant, as a record and as a manifest with one row a table and day.

Days of which all was known are taken from the ledger as they are; only the newest few, of which the lake may know
more than the clock allows, are looked at. So a snapshot costs the same however long the history is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import polars as pl

from tasks.artifacts.data import DataSnapshot, QuarantineCount, TableVersion
from tasks.contracts import Table, main_table, types
from tasks.ingestion.feed import Source
from tasks.lake import content, manifest, tables
from tasks.lake.ledger import UNDATED, Entry, Ledger


def take(source: Source, lake: str, as_of: datetime, entries: Ledger, references: Mapping[str, pl.LazyFrame]) -> DataSnapshot:
    """Return the snapshot at an instant, and write its manifest.

    Args:
        source: The raw data.
        lake: Folder or URI of the lake, brought up to the instant.
        as_of: The clock (UTC).
        entries: The ledger.
        references: The tables without days.
    """
    held = {table.name: _entries(source, table, lake, as_of, entries, references) for table in source.tables}
    versions = [
        TableVersion(
            name=table.name,
            uri=f"{lake}/{table.name}",
            version=tables.require_whole(f"{lake}/{table.name}"),
            rows=sum(entry.rows for entry in held[table.name]),
            content_hash=content.combine(
                [str(types(table.schema)), *(f"{entry.batch_day} {entry.rows} {entry.content_hash}" for entry in held[table.name])]
            ),
        )
        for table in source.tables
    ]
    main = main_table(source.tables)
    days = [entry.batch_day for entry in held[main.name] if entry.rows]
    content_hash = content.combine([as_of.isoformat(), *(f"{t.name} {t.content_hash}" for t in versions)])
    everything = [entry for table in source.tables for entry in held[table.name]]
    return DataSnapshot(
        source=source.name,
        as_of=as_of,
        first_day=min(days),
        last_day=max(days),
        tables=versions,
        manifest=manifest.write(lake, content_hash, [vars(entry) for entry in everything]),
        quarantined=[count for table in source.tables if (count := _count(table, held[table.name])).rows],
        rows_read=sum(entry.rows_read for entry in everything),
        rows_not_yet_known=sum(entry.not_yet_known for entry in everything),
        content_hash=content_hash,
    )


def _entries(
    source: Source, table: Table, lake: str, as_of: datetime, entries: Ledger, references: Mapping[str, pl.LazyFrame]
) -> list[Entry]:
    """Return a table's entries as the clock shows them, in the order of their days."""
    mine = [entry for (name, day), entry in sorted(entries.items()) if name == table.name]
    mine = [entry for entry in mine if entry.batch_day == UNDATED or source.has_begun(entry.batch_day, as_of)]
    newer = [e.batch_day for e in mine if e.batch_day != UNDATED and e.known_at > as_of and source.settled_at(e.batch_day) > as_of]
    if newer:
        stored = tables.scan(f"{lake}/{table.name}", days=newer)
        found = content.by_day(source.known(table, stored, references, as_of))
        seen = {day: found.get(day, content.NOTHING) for day in newer}
        mine = [
            replace(e, rows=seen[e.batch_day][0], content_hash=seen[e.batch_day][1], known_at=as_of) if e.batch_day in seen else e
            for e in mine
        ]
    # A day that has just begun is no day yet; one that is over and has no rows is a gap that validation must see.
    return [e for e in mine if e.batch_day == UNDATED or e.rows or e.quarantined or source.has_ended(e.batch_day, as_of)]


def _count(table: Table, entries: list[Entry]) -> QuarantineCount:
    reasons: Counter[str] = Counter()
    for entry in entries:
        reasons.update({str(found["reason"]): int(str(found["rows"])) for found in entry.reasons})
    return QuarantineCount(table=table.name, rows=sum(entry.quarantined for entry in entries), reasons=dict(sorted(reasons.items())))
