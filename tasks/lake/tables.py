"""Delta tables: atomic writes of whole days, reads of a version. The only module that speaks to the lake's Delta.

A table is a folder or an object-store prefix, partitioned by `batch_day` where it comes in daily batches. What a
table means, and which days to write, is decided elsewhere.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlparse
from uuid import uuid4

import polars as pl
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from tasks.errors import LakeError, StorageError

_T = TypeVar("_T")

DAY = "batch_day"
_ATTEMPTS = 8
_MANY_FILES = 32
_SMALL_BYTES = 100 * 2**20  # Delta merges files up to that size
_MARK = "evergreen.compaction"

SETTINGS = {
    # Delta forgets versions after 30 days by default; a snapshot has to be read for as long as a model names it.
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
    # Opening a table reads each commit since the last checkpoint: the default of 100 makes that the dearest part of a night.
    "delta.checkpointInterval": "10",
}


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


def exists(uri: str) -> bool:
    """Return whether there is a table, without opening it."""
    return bool(DeltaTable.is_deltatable(uri))


def _there(uri: str, table: DeltaTable | None) -> DeltaTable:
    if table is None:
        raise LakeError(f"{uri} must be a Delta table", "none there", "run the ingest workflow")
    return table


def damaged(uri: str, error: Exception) -> LakeError:
    """Return the error for a table that cannot be read."""
    return LakeError(
        f"{uri} must be a readable Delta table",
        str(error).strip().split("\n")[0][:300],
        "restore the folder from a backup, or remove it: the next ingest writes it again from the source",
    )


def scan(uri: str, version: int | None = None, days: Iterable[date] | None = None) -> pl.LazyFrame:
    """Return the rows of a version, lazily.

    Args:
        uri: The table.
        version: Its version, or None for the newest.
        days: Only these days: the files of others are not looked at. A table without days is read whole.

    Raises:
        LakeError: If the table or its version is missing or damaged.
    """
    table, files = _listed(_there(uri, open_table(uri))) if version is None else _opened(uri, version)
    wanted = sorted(days) if days is not None and DAY in files.columns else None
    try:
        _require_files(table, files, wanted)
    except LakeError:
        if version is None:
            raise
        _opened.cache_clear()  # the folder may have been replaced since
        table, files = _opened(uri, version)
        _require_files(table, files, wanted)
    rows = _lazy(table)
    return rows if wanted is None else rows.filter(pl.col(DAY).is_in(wanted))


@functools.lru_cache(maxsize=16)
def _opened(uri: str, version: int) -> tuple[DeltaTable, pl.DataFrame]:
    """Open a version once: it never changes, and opening reads its whole list of files."""
    return _listed(_there(uri, open_table(uri, version)))


def _listed(table: DeltaTable) -> tuple[DeltaTable, pl.DataFrame]:
    """Return a table with its data files: `path`, `size_bytes`, and `batch_day` if it has days."""
    named = pl.DataFrame(table.get_add_actions(flatten=True)).rename({f"partition.{DAY}": DAY}, strict=False)
    return table, named.select("path", "size_bytes", *([DAY] if DAY in table.metadata().partition_columns else []))


def schema(uri: str) -> pl.Schema | None:
    """Return the columns and types of a table, or None if there is none.

    Raises:
        LakeError: If it is damaged.
    """
    table = open_table(uri)
    return None if table is None else pl.scan_delta(table).collect_schema()


def require_whole(uri: str) -> int:
    """Return the newest version of a table of which every file is there, whole.

    Raises:
        LakeError: If the table is missing or damaged.
    """
    table = _there(uri, open_table(uri))
    _require_files(*_listed(table))
    return table.version()


def _require_files(table: DeltaTable, files: pl.DataFrame, days: Sequence[date] | None = None) -> None:
    broken = _broken_files(table, files if days is None else files.filter(pl.col(DAY).is_in(days)))
    if not broken:
        return
    found = f"{len(broken)} data files gone or cut off, such as {broken[0]}"
    if table.version() < _there(table.table_uri, open_table(table.table_uri)).version():
        raise LakeError(
            f"{table.table_uri} must have version {table.version()} whole",
            found,
            "upkeep removes what no registered version names: take a new snapshot; or restore the folder from a backup",
        )
    raise damaged(table.table_uri, FileNotFoundError(found))


def _lazy(table: DeltaTable) -> pl.LazyFrame:
    # polars does not find files below a local folder that a URI quotes, such as one with a space; pyarrow does.
    is_quoted = table.table_uri.startswith("file:") and "%" in table.table_uri
    return pl.scan_delta(table, use_pyarrow=is_quoted)


def _broken_files(table: DeltaTable, files: pl.DataFrame) -> list[str]:
    """Return the local files that the disk lacks or has in another size than the log; object stores report them on reading."""
    root = urlparse(table.table_uri)
    if root.scheme not in ("", "file"):
        return []
    folder = Path(unquote(root.path))  # a folder with a space is `%20` in the URI
    paths = ((folder / name, size) for name, size in files.select("path", "size_bytes").iter_rows())
    return [str(path) for path, size in paths if not path.is_file() or path.stat().st_size != size]


def read(uri: str) -> pl.DataFrame | None:
    """Return the newest rows of a table, or None if there is no table.

    Raises:
        LakeError: If it is damaged.
    """
    table = open_table(uri)
    if table is None:
        return None
    try:
        _require_files(*_listed(table))
        return _lazy(table).collect()
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:  # pyarrow's are ValueErrors
        raise damaged(uri, error) from error


def version_of(uri: str) -> int:
    """Return the newest version of a table."""
    return _there(uri, open_table(uri)).version()


def where(days: Iterable[date], table: str | None = None) -> str:
    """Return the predicate of some days, of one table where several share a Delta table.

    It begins with the range that they span: of a list of more than 20 values Delta cannot tell that another writer's days are not in
    it, and calls writers of other days a conflict.
    """
    wanted = sorted({*days})
    if not wanted:
        return "false"
    told = f"{DAY} >= '{wanted[0].isoformat()}' AND {DAY} <= '{wanted[-1].isoformat()}'"
    if (wanted[-1] - wanted[0]).days >= len(wanted):
        told += f" AND {DAY} IN ({', '.join(repr(day.isoformat()) for day in wanted)})"
    return told + (f" AND table = '{table}'" if table else "")


def overwrite_days(uri: str, rows: pl.DataFrame, days: Iterable[date], only: str = "") -> int:
    """Replace whole days in one commit: afterwards the table holds for these days exactly `rows`.

    Args:
        uri: The table; made if there is none.
        rows: The new rows, with a Date column `batch_day` of which every value is in `days`.
        days: The days to replace; a day without rows is emptied.
        only: Predicate of the rows to replace, where other rows of these days shall stay.

    Returns:
        The version that holds them.

    Raises:
        LakeError: If the table has another schema, or stays in conflict with another writer.
        StorageError: If the disk is full or not writable.
    """
    wanted = sorted(days)
    predicate = " AND ".join(filter(None, [where(wanted), only])) if wanted else None
    return _write(uri, rows, predicate, partition_by=[DAY]).version()


def replace(uri: str, rows: pl.DataFrame, predicate: str) -> int:
    """Replace the rows of a small table that meet a predicate, in one commit; as `overwrite_days`.

    Each commit leaves a file; when there are many, another commit makes one of them, so that reading stays cheap.
    """
    table = _write(uri, rows, predicate, partition_by=None)
    if len(table.file_uris()) > _MANY_FILES:
        compact_if_free(uri)
        return version_of(uri)
    return table.version()


def overwrite(uri: str, rows: pl.DataFrame) -> None:
    """Replace a whole table in one commit. Raises as `overwrite_days` does."""
    _write(uri, rows, "true", partition_by=None)


def renew(uri: str, rows: pl.DataFrame) -> None:
    """Empty a table and give it the columns of `rows`, in one commit; versions before keep theirs. Raises as `overwrite_days` does."""
    form = rows.head(0).to_arrow()

    def work(table: DeltaTable | None) -> None:
        write_deltalake(_there(uri, table), form, mode="overwrite", schema_mode="overwrite")

    commit(uri, work)


def _write(uri: str, rows: pl.DataFrame, predicate: str | None, partition_by: Sequence[str] | None) -> DeltaTable:
    """Replace what meets a predicate; None only makes the table. Return the table as it then is.

    The table is made first, empty, so that of two writers that find none, neither takes the other's rows for old ones.
    """

    def work(table: DeltaTable | None) -> DeltaTable:
        if table is None:
            schema = rows.head(0).to_arrow().schema
            table = DeltaTable.create(uri, schema, mode="ignore", partition_by=list(partition_by or []), configuration=SETTINGS)
        else:
            _require_same_schema(uri, table, rows)
        if predicate is not None:
            write_deltalake(table, rows.to_arrow(), mode="overwrite", predicate=predicate)
        return table

    return commit(uri, work)


def commit(uri: str, work: Callable[[DeltaTable | None], _T]) -> _T:
    """Do something to a table, if there is one; again on its newest version if another writer was faster.

    Raises:
        LakeError: If it stays in conflict with other writers, or the table is damaged.
        StorageError: If it cannot be written.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        table = open_table(uri)
        try:
            return work(table)
        except CommitFailedError as error:
            if attempt == _ATTEMPTS:
                raise LakeError(
                    f"one writer at a time must change {uri}", f"{attempt} conflicts in a row", "wait for the other run, then run again"
                ) from error
            time.sleep(0.1 * 2**attempt * random.uniform(0.75, 1.25))  # two that wait equally long would meet again
        except (DeltaError, OSError) as error:
            raise StorageError(
                f"{uri} must be writable", str(error).strip().split("\n")[0][:300], "free space or mend permissions, then run again"
            ) from error
    raise AssertionError("unreachable")


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


def compact(uri: str) -> int:
    """Merge the small files of each partition in one commit; rows and versions stay, and a version more may be there.

    Two at once would leave every row twice: delta-rs 1.6 sees no conflict between them. So each first writes its mark into the table's
    settings, which counts only on the version that was read, and which any other that was begun before is in conflict with.

    Returns:
        How many files were merged into fewer.

    Raises:
        LakeError: If the table is missing or damaged, or stays in conflict with another writer.
        StorageError: If the disk is full or not writable.
    """
    return commit(uri, lambda table: _merge(uri, _there(uri, table)))


def compact_if_free(uri: str) -> None:
    """As `compact`; but if another writer comes between, it is left to the next one that sees as many files."""

    def work(table: DeltaTable | None) -> None:
        with suppress(CommitFailedError):
            _merge(uri, _there(uri, table))

    commit(uri, work)


def _merge(uri: str, table: DeltaTable) -> int:
    small = _listed(table)[1].filter(pl.col("size_bytes") < _SMALL_BYTES)
    if small.height <= (small.get_column(DAY).n_unique() if DAY in small.columns else 1):
        return 0
    once = CommitProperties(max_commit_retries=0)
    table.alter.set_table_properties({_MARK: uuid4().hex}, raise_if_not_exists=False, commit_properties=once)
    return int(table.optimize.compact()["numFilesRemoved"])


def vacuum(uri: str, versions: Sequence[int], keep: timedelta) -> int:
    """Remove the files that neither the newest version has, nor a version to keep, nor any that was newest within a time.

    Files of writes that were killed before their commit go too, once they are older than that. Whether a file is old is
    told by the machine's clock against that of the commit that took it out.

    Args:
        uri: The table.
        versions: Versions that must stay whole.
        keep: How long a file stays after the newest version lost it; to the hour, and rather longer.

    Returns:
        How many files were removed.

    Raises:
        LakeError: If the table is missing or damaged.
        StorageError: If files cannot be removed.
    """
    import fsspec

    hours = -(-keep // timedelta(hours=1))
    filesystem, path = fsspec.core.url_to_fs(uri)
    there = {name.rpartition("/")[2] for name in filesystem.find(path)}

    def work(table: DeltaTable | None) -> int:
        removed = _there(uri, table).vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True, keep_versions=list(versions))
        # Delta lists again what an earlier vacuum removed; a data file's name is unique.
        return len(there.intersection(name.rpartition("/")[2] for name in removed))

    return commit(uri, work)
