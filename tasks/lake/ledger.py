"""The ledger: one row a table and day, what the lake holds of it and where it came from.

It tells the next night which days there is nothing to do for, so that a night costs what a day costs, however long
the history is. It is written after the rows that it tells of: a run that is killed between the two does that day again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import date, datetime

import polars as pl

from tasks.lake import tables

LEDGER = "ledger"

UNDATED = date(1, 1, 1)
"""The day under which stand tables without days, and rows whose day cannot be read."""

_SCHEMA = pl.Schema(
    {
        "table": pl.String(),
        tables.DAY: pl.Date(),
        "source": pl.String(),
        "file": pl.String(),
        "fingerprint": pl.String(),
        "made_by": pl.String(),
        "known_at": pl.Datetime("us", "UTC"),
        "rows_read": pl.Int64(),
        "rows": pl.Int64(),
        "quarantined": pl.Int64(),
        "reasons": pl.List(pl.Struct({"reason": pl.String(), "rows": pl.Int64()})),
        "content_hash": pl.String(),
    }
)


@dataclass(frozen=True)
class Entry:
    """What the lake holds of one day of one table.

    Attributes:
        table: Name of the table.
        batch_day: The day, or `UNDATED`.
        source: The source that it came from.
        file: The file of that source.
        fingerprint: That file's, when it was read.
        made_by: Version of the contract, or of the code, that the rows went through.
        known_at: The clock at which it was written: later knowledge is not in it.
        rows_read: Rows that the file has of the day.
        rows: Rows that keep the contract and were known.
        quarantined: Rows that break it.
        reasons: Why, with the rows of each reason.
        content_hash: Of the known rows; their order does not matter.
    """

    table: str
    batch_day: date
    source: str
    file: str
    fingerprint: str
    made_by: str
    known_at: datetime
    rows_read: int
    rows: int
    quarantined: int
    content_hash: str
    reasons: Sequence[dict[str, object]] = field(default=())

    @property
    def not_yet_known(self) -> int:
        """Rows that the file has and the clock did not show."""
        return self.rows_read - self.rows - self.quarantined


Ledger = dict[tuple[str, date], Entry]


def read(lake: str, table: str | None = None) -> Ledger:
    """Read the ledger of a lake, of one table or of all; entries of tables that are gone are left out, so that those are filled again."""
    rows = tables.read(f"{lake}/{LEDGER}")
    if rows is None:
        return {}
    names = [table] if table else rows.get_column("table").unique().to_list()
    present = [name for name in names if tables.exists(f"{lake}/{name}")]
    columns = [f.name for f in fields(Entry)]
    entries = (Entry(**row) for row in rows.filter(pl.col("table").is_in(present)).select(columns).iter_rows(named=True))
    return {(entry.table, entry.batch_day): entry for entry in entries}


def write(lake: str, table: str, entries: Iterable[Entry], gone: Iterable[date] = ()) -> None:
    """Put the entries of one table in the place of those of the same days, and remove those of days that are gone."""
    rows = pl.DataFrame([asdict(entry) for entry in entries], schema=_SCHEMA)
    days = sorted({*rows.get_column(tables.DAY).to_list(), *gone})
    if days:
        tables.replace(f"{lake}/{LEDGER}", rows, tables.where(days, table))
