"""Who let which batch pass, and why: a small Delta table beside the data, one row an override, never removed.

Validation goes by this table. Each row is in the audit trail as well, and first: no override without one.
"""

from __future__ import annotations

import polars as pl

from tasks.artifacts.audit import Act
from tasks.artifacts.data import Override
from tasks.lake import audit, tables

SCHEMA = pl.Schema({"rule": pl.String(), "day": pl.Date(), "by": pl.String(), "reason": pl.String(), "at": pl.Datetime("us", "UTC")})


def read(lake: str) -> list[Override]:
    """Return all overrides, the oldest first.

    Args:
        lake: Folder or URI of the lake.

    Raises:
        LakeError: If the table is damaged.
    """
    stored = tables.read(_uri(lake))
    return [] if stored is None else [Override(**row) for row in stored.select(SCHEMA.names()).sort("at").iter_rows(named=True)]


def add(lake: str, override: Override) -> None:
    """Record one more, in the audit trail and in the table.

    Raises:
        LakeError: If the table is damaged, or another writer is at it, or the trail is broken.
        StorageError: If it cannot be written.
    """
    subject = f"{override.rule} on {override.day or 'any day'}"
    audit.append(lake, Act.OVERRIDE, override.by, subject, override.reason, override.model_dump_json(), override.at)
    rows = [row.model_dump() for row in (*read(lake), override)]
    tables.overwrite(_uri(lake), pl.DataFrame(rows, schema=SCHEMA))


def _uri(lake: str) -> str:
    return f"{lake}/overrides"
