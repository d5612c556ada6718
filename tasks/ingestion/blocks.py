"""A lake filled by several processes: each brings one block of days, and no two the same day.

Which blocks there are is told by the listing of the feed and the ledger. A block is brought as `days.ingest` would bring it, so that the
ingest that closes a load finds every day there; one that failed is left to it, or to the next load.
"""

from __future__ import annotations

import logging
from datetime import datetime

from tasks.artifacts.data import FilledBlock
from tasks.artifacts.record import Window
from tasks.ingestion.days import Run
from tasks.ingestion.feed import Source
from tasks.lake import blocks

log = logging.getLogger(__name__)


def plan(source: Source, lake: str, as_of: datetime, most: int) -> list[Window]:
    """Return the blocks of days that are new or differ, and write what all of them need: the tables without days.

    Args:
        source: The raw data.
        lake: Folder or URI of the lake.
        as_of: The clock (UTC): only what was known by then is written.
        most: The most days of a block.

    Returns:
        Blocks that do not overlap. None for a source whose main table is one file with all days: that cannot be read in parts.

    Raises:
        SourceError: If a file is missing, truncated or lacks a column.
        ClockError: If nothing was known by `as_of`, or it lies after the data.
        LakeError: If a table is damaged.
        StorageError: If the lake cannot be written.
    """
    run = Run(source, lake, as_of)
    main, *others = (table for table in source.tables if table.is_daily)
    files = source.files(main)
    if files[0].day is None:
        log.info("%s: one file with all days, which ingest reads whole", main.name)
        return []
    run.read_references()
    run.require_within(main, files)
    run.write_references()
    due = {*run.due(main, files), *(day for table in others for day in run.due(table, source.files(table)))}
    found = blocks.cover(due, most)
    log.info("%d days to bring, in %d blocks", len(due), len(found))
    return found


def fill(source: Source, lake: str, as_of: datetime, block: Window) -> FilledBlock:
    """Bring one block of days of all daily tables to the lake; others may bring other blocks meanwhile.

    Args:
        source: The raw data.
        lake: Folder or URI of the lake.
        as_of: The clock (UTC): only what was known by then is written.
        block: The days; those that the lake has already are left alone.

    Raises:
        SourceError: If a file is missing, truncated or lacks a column.
        LakeError: If a table is damaged, or stays in conflict with other writers.
        StorageError: If the lake cannot be written.
    """
    run = Run(source, lake, as_of)
    run.read_references()
    brought = []
    for table in source.tables:
        if table.is_daily:
            files = source.files(table)
            days = blocks.within(run.due(table, files), block)
            run.write(table, days, files)
            brought += [run.entries[table.name, day] for day in days]
    log.info("%s: %d days of all tables", block, len(brought))
    return FilledBlock(block=block, days=len(brought), rows=sum(entry.rows for entry in brought))
