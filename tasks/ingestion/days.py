"""Day by day from raw text into the lake: good rows to their table, the others to quarantine with every reason.

A day is read again when its file or the contract changed, or while not all of it was known; it is written when its
rows differ from what the lake holds. A commit holds whole days, and the ledger is written after it: a run that is
killed has written whole days or nothing, and the next one goes on from there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime

import polars as pl

from tasks.artifacts.data import DataSnapshot
from tasks.contracts import SourceFile, Table, sensitive, types
from tasks.errors import ClockError, LakeError
from tasks.ingestion.feed import Batch, Source, read_daily, read_whole
from tasks.ingestion.snapshot import take
from tasks.lake import content, ledger, tables
from tasks.lake.ledger import UNDATED, Entry, Ledger
from tasks.rows import MASK, REASONS

log = logging.getLogger(__name__)

QUARANTINE = "quarantine"
_DAYS_A_COMMIT = 31  # bounds the memory of a write and what a killed run does again


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
    run = Run(source, lake, as_of)
    run.read_references()
    main, *others = (table for table in source.tables if table.is_daily)
    run.bring_up(main, is_main=True)
    run.write_references()
    for table in others:
        run.bring_up(table)
    return take(source, lake, as_of, run.entries, run.references)


class Run:
    """One run: what it has read and found, and the ledger as it goes."""

    def __init__(self, source: Source, lake: str, as_of: datetime) -> None:
        self.source, self.lake, self.as_of = source, lake, as_of
        self.entries: Ledger = {}
        self.references: dict[str, pl.LazyFrame] = {}
        self._due: list[tuple[Table, Batch]] = []
        for table in source.tables:
            self._require_contract(table)
        self.entries = ledger.read(lake)

    def _require_contract(self, table: Table) -> None:
        stored = tables.schema(f"{self.lake}/{table.name}")
        if stored is not None and {name: t for name, t in stored.items() if name != tables.DAY} != types(table.schema):
            raise LakeError(
                f"{self.lake}/{table.name} must have the columns and types of its contract",
                "those of an earlier contract",
                f"move {self.lake} away: the next ingest fills a new one from the source",
            )

    # --- tables without days -----------------------------------------------------------------------------------------

    def read_references(self) -> None:
        """Read the tables without days; from the lake if that has them as the source does."""
        for table in self.source.tables:
            if not table.is_daily:
                self._read_reference(table)

    def _read_reference(self, table: Table) -> None:
        [file] = self.source.files(table)
        if self._is_unchanged(table, UNDATED, file):
            self.references[table.name] = tables.scan(f"{self.lake}/{table.name}").collect().lazy()
            return
        batch = read_whole(self.source, table, file)
        self.references[table.name] = batch.good.lazy()
        self._due.append((table, batch))

    def write_references(self) -> None:
        """Write the tables without days that changed; after the clock was found to be within the data."""
        for table, batch in self._due:
            uri, before = f"{self.lake}/{table.name}", self.entries.get((table.name, UNDATED))
            found = content.frame_hash(batch.good)
            if before is None or before.content_hash != found:
                tables.overwrite(uri, batch.good)
            self._set_aside(table, [UNDATED], batch.bad)
            entry = self._entry(table, UNDATED, batch, batch.good.height, batch.good.height, found)
            self._record(table, [entry])

    # --- tables of days ----------------------------------------------------------------------------------------------

    def bring_up(self, table: Table, *, is_main: bool = False) -> None:
        """Bring one table up to the clock; of the main table, check first that the clock is within the data."""
        files = self.source.files(table)
        written = 0
        if files[0].day is None:
            batch = read_whole(self.source, table, files[0])
            days = [day for day in batch.files if day != UNDATED]
            if is_main:
                self._require_within(table, days, batch)
            due = [day for day in batch.files if self._is_due(table, day, batch.files[day])]
            for stretch in _stretches(due):
                written += self._write(table, stretch, _of_days(batch, stretch))
            gone = [day for name, day in self.entries if name == table.name and day not in batch.files]
        else:
            if is_main:
                self.require_within(table, files)
            due = self.due(table, files)
            written = self.write(table, due, files)
            # A feed may drop its old files; another source's days are none of this one's.
            gone = [day for (name, day), e in self.entries.items() if name == table.name and e.source != self.source.name]
        self._remove(table, gone)
        if not tables.exists(f"{self.lake}/{table.name}"):  # a table of which nothing is known yet
            tables.overwrite_days(f"{self.lake}/{table.name}", pl.DataFrame(schema=types(table.schema) | {tables.DAY: pl.Date()}), [])
        log.info("%s: %d days read, %d written", table.name, len(due), written)

    def due(self, table: Table, files: Sequence[SourceFile]) -> list[date]:
        """Return the days of a feed that are to be read, in their order."""
        return [file.day for file in files if file.day is not None and self._is_due(table, file.day, file)]

    def write(self, table: Table, days: Sequence[date], files: Sequence[SourceFile]) -> int:
        """Read days of a feed, and write those whose rows differ from what the lake holds; return how many."""
        dated = {file.day: file for file in files}
        return sum(self._write(table, part, read_daily(self.source, table, [dated[day] for day in part])) for part in _stretches(days))

    def require_within(self, table: Table, files: Sequence[SourceFile]) -> None:
        """Raise a ClockError unless the clock is within the days of a feed, and something of it was known."""
        days = [file.day for file in files if file.day is not None]
        first = [file for file in files if file.day is not None and file.day <= self.as_of.date()][:1]
        self._require_within(table, days, read_daily(self.source, table, first))

    def _require_within(self, table: Table, days: Sequence[date], batch: Batch) -> None:
        if not days:
            raise ClockError("the source must have rows that keep the contract", "none", "look at the source's first rows")
        first, last, mend = min(days), max(days), "choose another --as_of, or a --source that reaches it"
        # What came of the last day's rows is known on the next: one day more than the data have is still within them.
        if not first <= self.as_of.date() or (self.as_of.date() - last).days > 1:
            raise ClockError(f"as_of must lie within the data, {first} to {last}", f"{self.as_of:%Y-%m-%d %H:%M}", mend)
        early = _of_days(batch, [day for day in batch.files if day <= self.as_of.date()])
        if self._known(table, early.good).is_empty():
            found = f"none known by {self.as_of:%Y-%m-%d %H:%M}"
            raise ClockError("the window up to as_of must hold rows", found, "choose a later --as_of")

    def _is_unchanged(self, table: Table, day: date, file: SourceFile) -> bool:
        entry = self.entries.get((table.name, day))
        made = (self.source.name, file.name, file.fingerprint, self.source.version)
        return entry is not None and (entry.source, entry.file, entry.fingerprint, entry.made_by) == made

    def _is_due(self, table: Table, day: date, file: SourceFile) -> bool:
        if day != UNDATED and not self.source.has_begun(day, self.as_of):
            return False
        if not self._is_unchanged(table, day, file):
            return True
        return day != UNDATED and self.entries[table.name, day].known_at < min(self.as_of, self.source.settled_at(day))

    def _known(self, table: Table, good: pl.DataFrame) -> pl.DataFrame:
        return self.source.known(table, good.lazy(), self.references, self.as_of)

    def _write(self, table: Table, days: Sequence[date], batch: Batch) -> int:
        """Write the days whose rows differ from what the lake holds; return how many."""
        known = self._known(table, batch.good)
        found = content.by_day(known)
        read = _counts(batch.good)
        changed = []
        for day in days:
            before = self.entries.get((table.name, day))
            held = content.NOTHING if before is None else (before.rows, before.content_hash)
            if day != UNDATED and found.get(day, content.NOTHING) != held:
                changed.append(day)
        if changed:
            rows = known.filter(pl.col(tables.DAY).is_in(changed))
            tables.overwrite_days(f"{self.lake}/{table.name}", rows, changed)
        self._set_aside(table, days, batch.bad)
        entries = [self._entry(table, day, batch, read.get(day, 0), *found.get(day, content.NOTHING)) for day in days]
        self._record(table, entries)
        return len(changed)

    def _entry(self, table: Table, day: date, batch: Batch, good: int, rows: int, content_hash: str) -> Entry:
        bad, file = batch.bad.filter(pl.col(tables.DAY) == day), batch.files[day]
        reasons = bad.get_column(REASONS).explode().value_counts().sort(REASONS).rename({REASONS: "reason", "count": "rows"})
        return Entry(
            table=table.name,
            batch_day=day,
            source=self.source.name,
            file=file.name,
            fingerprint=file.fingerprint,
            made_by=self.source.version,
            known_at=self.as_of,
            rows_read=good + bad.height,
            rows=rows,
            quarantined=bad.height,
            content_hash=content_hash,
            reasons=reasons.cast({"rows": pl.Int64}).to_dicts() if bad.height else [],
        )

    def _set_aside(self, table: Table, days: Sequence[date], bad: pl.DataFrame) -> None:
        """Keep the bad rows of some days as JSON of their raw text with all of their reasons; restricted values are masked."""
        uri = f"{self.lake}/{QUARANTINE}"
        held = any(entry.quarantined for day in days if (entry := self.entries.get((table.name, day))))
        if bad.is_empty() and not held and tables.exists(uri):
            return
        hidden = [pl.when(pl.col(name).is_not_null()).then(pl.lit(MASK)).alias(name) for name in sensitive(table.schema)]
        bad = bad.with_columns(hidden)  # who mends the row finds the value in the source
        row = pl.struct(pl.exclude(REASONS, tables.DAY)).struct.json_encode() if bad.height else pl.lit("").head(0)
        rows = bad.select(pl.lit(table.name).alias("table"), tables.DAY, row.alias("row"), pl.col(REASONS).alias("reasons"))
        tables.replace(uri, rows, tables.where(days, table.name))

    def _remove(self, table: Table, days: Sequence[date]) -> None:
        """Empty days that the source no longer has."""
        for stretch in _stretches(sorted(days)):
            schema = types(table.schema) | {tables.DAY: pl.Date()}
            tables.overwrite_days(f"{self.lake}/{table.name}", pl.DataFrame(schema=schema), stretch)
            nothing = pl.DataFrame(schema={"x": pl.String(), tables.DAY: pl.Date(), REASONS: pl.List(pl.String())})
            self._set_aside(table, stretch, nothing)
            self._record(table, [], stretch)

    def _record(self, table: Table, entries: Sequence[Entry], gone: Sequence[date] = ()) -> None:
        ledger.write(self.lake, table.name, entries, gone)
        for day in gone:
            self.entries.pop((table.name, day), None)
        self.entries.update({(entry.table, entry.batch_day): entry for entry in entries})


def _of_days(batch: Batch, days: Sequence[date]) -> Batch:
    within = pl.col(tables.DAY).is_in(list(days))
    return Batch({day: batch.files[day] for day in days}, batch.good.filter(within), batch.bad.filter(within))


def _counts(rows: pl.DataFrame) -> Mapping[date, int]:
    return dict(rows.group_by(tables.DAY).len().iter_rows())


def _stretches(days: Sequence[date]) -> Iterator[Sequence[date]]:
    for start in range(0, len(days), _DAYS_A_COMMIT):
        yield days[start : start + _DAYS_A_COMMIT]
