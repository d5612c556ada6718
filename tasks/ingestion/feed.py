"""The source as ingest sees it: files of rows, each row with its day and every reason for which it is set aside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from tasks.clock import start_of
from tasks.contracts import SourceFile, Table, types
from tasks.lake.ledger import UNDATED
from tasks.lake.snapshots import KnownBy
from tasks.lake.tables import DAY
from tasks.rows import REASONS, parse

_FILE_DAY = "__file_day"
_ANOTHER_DAY = "(row): must be of the day of its file"
_AHEAD = timedelta(days=1)  # what a row tells may be known before the midnight at which its day begins: a flight that leaves early


@dataclass(frozen=True)
class Source:
    """How the use case's raw data are found, read and dated.

    Attributes:
        name: What the user calls it.
        tables: Contracts; the first daily one is the main one.
        files: The files of a table.
        read: The rows of one of them as text.
        day_of: The daily batch of a typed row.
        known_by: The clock; it must work on each daily table beside the tables without days.
        zone: Time zone of the days.
        settled_after: All of a day is known this long after its end.
        version: Version of the contracts; rows that went through another are read again.
    """

    name: str
    tables: Sequence[Table]
    files: Callable[[Table], Sequence[SourceFile]]
    read: Callable[[Table, SourceFile], pl.DataFrame]
    day_of: Callable[[Table], pl.Expr]
    known_by: KnownBy
    zone: str
    settled_after: timedelta
    version: str = ""

    def settled_at(self, day: date) -> datetime:
        """Return the instant from which all of a day is known."""
        return start_of(day + timedelta(days=1), self.zone) + self.settled_after

    def has_begun(self, day: date, as_of: datetime) -> bool:
        """Return whether anything of a day may be known at an instant."""
        return start_of(day, self.zone) <= as_of + _AHEAD

    def has_ended(self, day: date, as_of: datetime) -> bool:
        """Return whether a day is over at an instant."""
        return start_of(day + timedelta(days=1), self.zone) <= as_of

    def known(self, table: Table, rows: pl.LazyFrame, references: Mapping[str, pl.LazyFrame], as_of: datetime) -> pl.DataFrame:
        """Return what was known at an instant of rows of one daily table, with their day.

        Args:
            table: The table's contract.
            rows: Its rows, with `batch_day`.
            references: The tables without days.
            as_of: The instant (UTC).
        """
        empty = {t.name: pl.LazyFrame(schema=types(t.schema)) for t in self.tables if t.is_daily}
        known = self.known_by({**empty, **references, table.name: rows.drop(DAY)}, as_of)
        return known[table.name].with_columns(self.day_of(table).alias(DAY)).collect()


@dataclass(frozen=True)
class Batch:
    """Rows of one table of some days, sorted into good and bad.

    Attributes:
        files: Day to the file that it came from; a table without days has `UNDATED` alone.
        good: Typed rows, with `batch_day` if the table is daily.
        bad: Rows as text, with `batch_day` and `__reasons`; rows without a readable day stand under `UNDATED`.
    """

    files: Mapping[date, SourceFile]
    good: pl.DataFrame
    bad: pl.DataFrame


def read_daily(source: Source, table: Table, files: Sequence[SourceFile]) -> Batch:
    """Read files of one day each; a row of another day than its file's is set aside.

    Raises:
        SourceError: If a file cannot be read.
    """
    texts = [source.read(table, file).select(list(types(table.schema))).with_columns(pl.lit(file.day).alias(_FILE_DAY)) for file in files]
    raw = pl.concat(texts) if texts else pl.DataFrame(schema=dict.fromkeys(types(table.schema), pl.String()) | {_FILE_DAY: pl.Date()})
    parsed = parse(raw, table)
    is_stray = parsed.select(source.day_of(table).alias(DAY)).to_series().ne_missing(raw.get_column(_FILE_DAY))
    if is_stray.any():
        # By themselves: a stray must not make a repetition of the row that stands where it should.
        strays = parse(raw.filter(is_stray), table).with_columns(pl.concat_list(REASONS, pl.lit(_ANOTHER_DAY)).alias(REASONS))
        parsed = pl.concat([parse(raw.filter(~is_stray), table), strays])
        raw = pl.concat([raw.filter(~is_stray), raw.filter(is_stray)])
    parsed = parsed.with_columns(raw.get_column(_FILE_DAY).alias(DAY))
    days = {file.day: file for file in files if file.day is not None}
    return _sorted_out(raw.drop(_FILE_DAY), parsed, days)


def read_whole(source: Source, table: Table, file: SourceFile) -> Batch:
    """Read a file with all days, or a table without days.

    Raises:
        SourceError: If the file cannot be read.
    """
    raw = source.read(table, file)
    parsed = parse(raw, table)
    if not table.is_daily:
        batch = _sorted_out(raw, parsed.with_columns(pl.lit(UNDATED).alias(DAY)), {UNDATED: file})
        return Batch(batch.files, batch.good.drop(DAY), batch.bad)
    parsed = parsed.with_columns(source.day_of(table).alias(DAY))
    is_good = pl.col(REASONS).list.len() == 0
    days = parsed.filter(is_good).get_column(DAY).unique().sort()
    # A wrong date makes no day: a row of a day that has no good row stands with those that have no day at all.
    dated = pl.when(pl.col(DAY).is_in(days.implode())).then(DAY).otherwise(UNDATED)
    batch = _sorted_out(raw, parsed.with_columns(dated.alias(DAY)), dict.fromkeys(days.to_list(), file))
    return batch if UNDATED not in batch.bad.get_column(DAY) else Batch({UNDATED: file, **batch.files}, batch.good, batch.bad)


def _sorted_out(raw: pl.DataFrame, parsed: pl.DataFrame, files: Mapping[date, SourceFile]) -> Batch:
    keeps = parsed.get_column(REASONS).list.len() == 0
    bad = raw.with_columns(parsed.get_column(DAY), parsed.get_column(REASONS)).filter(~keeps)
    return Batch(files, parsed.filter(keeps).drop(REASONS), bad)
