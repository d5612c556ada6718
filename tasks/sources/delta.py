"""Delta tables as a source: a table that is partitioned by its day column has a file a day.

What a day holds is told by the data files of its partition, so that a night looks at the table's log and reads only the
days whose files changed. The lake's own tables are another matter: `tasks/lake/tables.py`.
"""

from __future__ import annotations

import hashlib
from datetime import date

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from tasks.contracts import SourceFile, Table, types
from tasks.errors import SourceError
from tasks.sources.days import day_named
from tasks.sources.forms import Form

PREFIX = "delta:"
"""Begins the name of what is read from a Delta table; a day follows as `/batch_day=2013-10-01`."""

_MEND = "restore the table, or write it again"


def files(uri: str, name: str, table: Table, form: Form) -> list[SourceFile]:
    """List a Delta table: a file a day if it is partitioned by its day column alone or among others, else one with all rows.

    Args:
        uri: Of the table.
        name: What it is called in the source.
        table: The contract.
        form: What the use case says of it.

    Raises:
        SourceError: If the table cannot be opened, or a partition has no day.
    """
    opened = _open(uri)
    actions = pl.DataFrame(opened.get_add_actions(flatten=True)).sort("path")
    is_divided = table.is_daily and form.day in opened.metadata().partition_columns
    if not is_divided:
        return [SourceFile(f"{PREFIX}{name}", _fingerprint(actions))]
    by_day = actions.with_columns(pl.col(f"partition.{form.day}").cast(pl.String).alias(form.day)).partition_by(form.day, as_dict=True)
    dated = {day_named(str(day), f"{uri}, column {form.day}"): rows for (day,), rows in by_day.items()}
    return [SourceFile(f"{PREFIX}{name}/{form.day}={day}", _fingerprint(dated[day]), day) for day in sorted(dated)]


def read(uri: str, table: Table, form: Form, day: date | None) -> pl.DataFrame:
    """Return the rows of a table, of one day or all, with their types.

    Raises:
        SourceError: If the table or one of its data files cannot be read.
    """
    try:
        opened = _open(uri)
        # polars does not find files below a local folder that a URI quotes, such as one with a space; pyarrow does.
        rows = pl.scan_delta(opened, use_pyarrow=opened.table_uri.startswith("file:") and "%" in opened.table_uri)
        schema = rows.collect_schema()
        if day is not None:
            rows = rows.filter(pl.col(form.day) == (day if schema[form.day] == pl.Date else day.isoformat()))
        return rows.select(name for name in schema if name in types(table.schema)).collect()
    except (pl.exceptions.PolarsError, DeltaError, OSError, ValueError) as error:
        raise _unreadable(uri, error) from error


def _open(uri: str) -> DeltaTable:
    try:
        return DeltaTable(uri)
    except (DeltaError, OSError, ValueError) as error:
        raise _unreadable(uri, error) from error


def _unreadable(uri: str, error: Exception) -> SourceError:
    return SourceError(f"{uri} must be a readable Delta table", str(error).strip().split("\n")[0][:300], _MEND)


def _fingerprint(actions: pl.DataFrame) -> str:
    """Return what changes when a set of data files does."""
    said = actions.select("path", "size_bytes", pl.col("modification_time").cast(pl.Int64)).rows()
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]
