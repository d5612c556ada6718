"""Small tables that are read, thought about and written in one step: no other writer can come between.

The commit counts only if the table is still in the version that was looked at; else all of it is done again on the newest one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import polars as pl
from deltalake import CommitProperties, DeltaTable, write_deltalake

from tasks.errors import LakeError
from tasks.lake import tables

T = TypeVar("T")

_MEND = "see that the lake is in reach; bring the folder back from a backup, or move it away: what it told is then forgotten"
_MANY_FILES = 32  # a commit leaves a file: more of them cost more to open than to merge


@dataclass(frozen=True)
class Change(Generic[T]):
    """What is to be written after a look at a table, and what to tell.

    Attributes:
        told: What `change` returns.
        rows: The rows to write, or None for none.
        instead_of: Predicate of the rows whose place they take.
    """

    told: T
    rows: pl.DataFrame | None = None
    instead_of: str = "true"


def change(uri: str, schema: pl.Schema, draft: Callable[[pl.LazyFrame], Change[T]]) -> T:
    """Look at a table and write what follows, so that of two that do so at once the second sees what the first wrote.

    Args:
        uri: The table; made if there is none.
        schema: Its columns.
        draft: From its rows to the change. It may be called again; what it raises ends the attempt, and nothing is written.

    Raises:
        LakeError: If the table is damaged or of other columns, or stays in conflict with other writers.
        StorageError: If it cannot be written.
    """

    def work(table: DeltaTable | None) -> tuple[T, bool]:
        if table is None:
            form = pl.DataFrame(schema=schema).to_arrow().schema
            table = DeltaTable.create(uri, form, mode="ignore", configuration=tables.SETTINGS)
        # These rows may be newer than the table that was opened: the commit then fails.
        wanted = draft(rows(uri, schema))
        if wanted.rows is not None:
            form_of = wanted.rows.select(pl.col(name).cast(dtype) for name, dtype in schema.items()).to_arrow()
            once = CommitProperties(max_commit_retries=0)
            write_deltalake(table, form_of, mode="overwrite", predicate=wanted.instead_of, commit_properties=once)
        return wanted.told, len(table.file_uris()) > _MANY_FILES

    told, has_many = tables.commit(uri, work)
    if has_many:
        tables.compact_if_free(uri)
    return told


def rows(uri: str, schema: pl.Schema) -> pl.LazyFrame:
    """Return the newest rows of a table, none while there is no table.

    Raises:
        LakeError: If it is damaged, or has other columns.
    """
    try:
        if tables.open_table(uri) is None:
            return pl.LazyFrame(schema=schema)
        found = tables.scan(uri)
    except LakeError as error:  # of other tables the advice is that the source has them too
        raise LakeError(error.expected, error.found, _MEND) from error
    stored = found.collect_schema()
    if dict(stored) != dict(schema):
        differ = sorted(set(stored.items()) ^ set(schema.items()), key=str)
        raise LakeError(
            f"{uri} must have its columns",
            "a difference in " + ", ".join(f"{name} {dtype}" for name, dtype in differ[:6]),
            _MEND,
        )
    return found
