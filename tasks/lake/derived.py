"""Tables that follow from a snapshot, day by day: a day is made again only if something that it rests on has changed.

What a day rests on is told by its inputs, a hash of the code that makes it and of the days that it reads. The ledger
keeps it with the day: a night makes the days that are new or were not yet settled, and leaves the others alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from tasks.artifacts.data import DataSnapshot, FilledBlock
from tasks.artifacts.record import Window
from tasks.errors import LakeError
from tasks.lake import blocks, content, ledger, tables
from tasks.lake.ledger import Entry

log = logging.getLogger(__name__)

_ATTEMPTS = 4
_LONGEST_STRETCH = 92
"""Days made at once: a quarter bounds the memory, and features' context of a month costs a third more."""


@dataclass(frozen=True)
class Derived:
    """A table that is made of others.

    Attributes:
        name: Its name in the lake.
        version: Version of the code that makes it.
        build: From the first and last of some days (both included) to their rows, with `batch_day`.
        is_small: Whether its days have too few rows for files of their own.
    """

    name: str
    version: str
    build: Callable[[date, date], pl.DataFrame]
    is_small: bool = False


def bring_up(lake: str, snapshot: DataSnapshot, table: Derived, inputs: Mapping[date, str]) -> tuple[int, int]:
    """Bring a table up to a snapshot.

    Args:
        lake: Folder or URI of the lake.
        snapshot: What it is made of.
        table: The table.
        inputs: For each day of the snapshot, in their order, the hash of all that its rows rest on.

    Returns:
        The table's version, and how many days were made.

    Raises:
        LakeError: If a table is missing or damaged, or others write it without end.
        StorageError: If the lake cannot be written.
    """
    uri = f"{lake}/{table.name}"
    before = tables.version_of(uri) if tables.exists(uri) else None
    days = due(lake, table, inputs)
    log.info("%s: %d of %d days to make", table.name, len(days), len(inputs))
    if not days and before is not None:
        return before, 0
    for _ in range(_ATTEMPTS):
        version, made = _make(lake, snapshot, table, inputs, days)
        if version == tables.version_of(uri):
            return version, made
        # Another run wrote between: of these days its rows may stand beside our entries in the ledger, or the other way round.
    raise _contended(table)


def due(lake: str, table: Derived, inputs: Mapping[date, str]) -> list[date]:
    """Return the days that are missing, or rest on something that has changed since."""
    stored = ledger.read(lake, table.name)
    return [day for day, wanted in inputs.items() if (entry := stored.get((table.name, day))) is None or entry.fingerprint != wanted]


def begin(lake: str, snapshot: DataSnapshot, table: Derived, inputs: Mapping[date, str]) -> list[date]:
    """Make the first due day, so that the table is there with its columns before several processes fill it.

    Args:
        lake: Folder or URI of the lake.
        snapshot: What it is made of.
        table: The table.
        inputs: For each day of the snapshot, in their order, the hash of all that its rows rest on.

    Returns:
        The days that are still due.

    Raises:
        LakeError: If a table is missing or damaged, or others write it without end.
        StorageError: If the lake cannot be written.
    """
    days = due(lake, table, inputs)
    if not days:
        return []
    bring_up(lake, snapshot, table, {days[0]: inputs[days[0]]})
    return due(lake, table, inputs)  # all of them, if the columns were others


def fill(lake: str, snapshot: DataSnapshot, table: Derived, inputs: Mapping[date, str], block: Window) -> FilledBlock:
    """Make the due days of one block, while others may make other blocks.

    Args:
        lake: Folder or URI of the lake.
        snapshot: What it is made of.
        table: The table, which `begin` has begun.
        inputs: For each day of the snapshot, in their order, the hash of all that its rows rest on.
        block: The days.

    Raises:
        LakeError: If a table is missing, damaged or of other columns, or others make the same days without end.
        StorageError: If the lake cannot be written.
    """
    made: dict[date, tuple[int, str]] = {}
    for stretch in blocks.runs(blocks.within(due(lake, table, inputs), block), _LONGEST_STRETCH):
        rows = table.build(stretch[0], stretch[-1])
        for _ in range(_ATTEMPTS):
            _, found = _store(lake, snapshot, table, inputs, stretch, rows)
            stored = tables.scan(f"{lake}/{table.name}", days=stretch).filter(pl.col(tables.DAY).is_in(stretch)).collect()
            if content.by_day(stored) == found:
                break
            # Another run made the same days between: its rows may stand beside our entries in the ledger.
        else:
            raise _contended(table)
        made |= {day: found.get(day, content.NOTHING) for day in stretch}
    log.info("%s: %s, %d days made", table.name, block, len(made))
    return FilledBlock(block=block, days=len(made), rows=sum(rows for rows, _ in made.values()))


def _contended(table: Derived) -> LakeError:
    return LakeError(f"one run at a time must make {table.name}", f"{_ATTEMPTS} others between", "wait for the other runs, then run again")


def _make(lake: str, snapshot: DataSnapshot, table: Derived, inputs: Mapping[date, str], days: Sequence[date]) -> tuple[int, int]:
    """Make days, and record them; return the version after the last write, and how many days were made.

    If the code makes other columns than the table has, the table begins anew, with all days; its versions so far stay.
    """
    uri, version = f"{lake}/{table.name}", -1
    for stretch in blocks.runs(days, _LONGEST_STRETCH):  # the days of a gap would be made for nothing
        rows = table.build(stretch[0], stretch[-1])
        stored = tables.schema(uri)
        if stored is not None and dict(stored) != dict(rows.schema):
            log.info("%s: has other columns now, all %d days to make", table.name, len(inputs))
            ledger.write(lake, table.name, [], gone=[day for _, day in ledger.read(lake, table.name)])  # first: no entry without its rows
            tables.renew(uri, rows)
            return _make(lake, snapshot, table, inputs, list(inputs))
        version, _ = _store(lake, snapshot, table, inputs, stretch, rows)
    return version, len(days)


def _store(
    lake: str, snapshot: DataSnapshot, table: Derived, inputs: Mapping[date, str], days: Sequence[date], rows: pl.DataFrame
) -> tuple[int, dict[date, tuple[int, str]]]:
    """Write the rows of some days, then their entries in the ledger; return the version, and of each day rows and content."""
    uri = f"{lake}/{table.name}"
    version = tables.replace(uri, rows, tables.where(days)) if table.is_small else tables.overwrite_days(uri, rows, days)
    found = content.by_day(rows)
    ledger.write(lake, table.name, [_entry(snapshot, table, day, inputs[day], *found.get(day, content.NOTHING)) for day in days])
    return version, found


def _entry(snapshot: DataSnapshot, table: Derived, day: date, inputs: str, rows: int, content_hash: str) -> Entry:
    return Entry(
        table=table.name,
        batch_day=day,
        source=snapshot.source,
        file="",
        fingerprint=inputs,
        made_by=table.version,
        known_at=snapshot.as_of,
        rows_read=rows,
        rows=rows,
        quarantined=0,
        content_hash=content_hash,
    )
