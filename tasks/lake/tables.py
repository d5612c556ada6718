"""Delta tables: atomic writes of whole days, reads of a version. The only module that speaks to Delta.

A table is a folder or an object-store prefix, partitioned by `batch_day` where it comes in daily batches. What a
table means, and which days to write, is decided elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import polars as pl
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from tasks.errors import LakeError, StorageError

DAY = "batch_day"
_ATTEMPTS = 5


def open_table(uri: str, version: int | None = None) -> DeltaTable | None:
    """Open a table, or return None if there is none.

    Raises:
        LakeError: If the table is damaged, or lacks the version.
    """
    try:
        return DeltaTable(uri, version=version)
    except TableNotFoundError:
        return None
    except (DeltaError, OSError, ValueError) as error:
        raise damaged(uri, error) from error


def damaged(uri: str, error: Exception) -> LakeError:
    """Return the error for a table that cannot be read."""
    return LakeError(
        f"{uri} must be a readable Delta table",
        str(error).strip().split("\n")[0][:300],
        "restore the folder from a backup, or remove it: the next ingest writes it again from the source",
    )


def scan(uri: str, version: int) -> pl.LazyFrame:
    """Return the rows of a version, lazily.

    Raises:
        LakeError: If the table or its version is missing or damaged.
    """
    table = open_table(uri, version)
    if table is None:
        raise LakeError(f"{uri} must be a Delta table", "none there", "run the ingest workflow")
    return _scan(table)


def _scan(table: DeltaTable) -> pl.LazyFrame:
    missing = _missing_files(table)
    if missing:
        raise damaged(table.table_uri, FileNotFoundError(f"{len(missing)} data files gone, such as {missing[0]}"))
    return pl.scan_delta(table)


def _missing_files(table: DeltaTable) -> list[str]:
    """Return the local data files that the log names and the disk lacks; object stores report them on reading."""
    from pathlib import Path
    from urllib.parse import unquote, urlparse

    uris = table.file_uris()
    local = [unquote(urlparse(u).path) if u.startswith("file:") else u for u in uris if "://" not in u or u.startswith("file:")]
    return [path for path in local if not Path(path).is_file()]


def read(uri: str) -> pl.DataFrame | None:
    """Return the newest rows of a table, or None if there is no table.

    Raises:
        LakeError: If it is damaged.
    """
    table = open_table(uri)
    if table is None:
        return None
    try:
        return _scan(table).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged(uri, error) from error


def version_of(uri: str) -> int:
    """Return the newest version of a table."""
    table = open_table(uri)
    if table is None:
        raise LakeError(f"{uri} must be a Delta table", "none there", "run the ingest workflow")
    return table.version()


def overwrite_days(uri: str, rows: pl.DataFrame, days: Iterable[date]) -> None:
    """Replace whole days in one commit: afterwards the table holds for these days exactly `rows`.

    Args:
        uri: The table; made if there is none.
        rows: The new rows, with a Date column `batch_day` of which every value is in `days`.
        days: The days to replace; a day without rows is emptied.

    Raises:
        LakeError: If the table has another schema, or stays in conflict with another writer.
        StorageError: If the disk is full or not writable.
    """
    wanted = sorted(days)
    listed = ", ".join(f"'{day}'" for day in wanted)
    _write(uri, rows, predicate=f"{DAY} IN ({listed})", partition_by=[DAY])


def overwrite(uri: str, rows: pl.DataFrame) -> None:
    """Replace a whole table in one commit. Raises as `overwrite_days` does."""
    _write(uri, rows, predicate=None, partition_by=None)


def _write(uri: str, rows: pl.DataFrame, predicate: str | None, partition_by: Sequence[str] | None) -> None:
    table = open_table(uri)
    if table is not None:
        _require_same_schema(uri, table, rows)
    options: dict[str, Any] = {"mode": "overwrite", "partition_by": list(partition_by) if partition_by else None}
    if table is not None and predicate:
        options["predicate"] = predicate
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            write_deltalake(uri, rows.to_arrow(), **options)
            return
        except CommitFailedError as error:
            if attempt == _ATTEMPTS:
                raise LakeError(
                    f"one writer at a time must change {uri}", f"{attempt} conflicts in a row", "wait for the other run, then run again"
                ) from error
            time.sleep(0.1 * 2**attempt)
        except (DeltaError, OSError) as error:
            raise StorageError(
                f"{uri} must be writable", str(error).strip().split("\n")[0][:300], "free space or mend permissions, then run again"
            ) from error


def _require_same_schema(uri: str, table: DeltaTable, rows: pl.DataFrame) -> None:
    """Delta casts silently on a write ('2.5' becomes 2.5), so compare first."""
    stored = pl.scan_delta(table).collect_schema()
    if dict(stored) != dict(rows.schema):
        differ = sorted(set(stored.items()) ^ set(rows.schema.items()), key=str)
        raise LakeError(
            f"{uri} must keep its schema",
            "a difference in " + ", ".join(f"{name} {dtype}" for name, dtype in differ[:6]),
            "a changed contract needs a new lake: move the folder away, the next ingest fills it from the source",
        )
