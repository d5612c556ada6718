"""Ingest: from the source to the lake, up to an instant."""

from __future__ import annotations

from datetime import UTC, datetime

from tasks.artifacts.data import FilledBlock
from tasks.artifacts.lineage import NamedData, UpkeepReport
from tasks.artifacts.record import Window
from tasks.edges import Snapshot
from tasks.execution import lake_uri, publish, stage
from tasks.usecase import policy

LOAD = policy.LOAD


@stage(cached=False)
def ingest(as_of: datetime, source: str) -> Snapshot:
    """Bring the lake up to an instant: whole days into Delta tables, bad rows into quarantine with their reasons.

    Not cached, as it writes what may have been removed since; days that the lake already holds are not written again.

    Args:
        as_of: The clock (UTC): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
    """
    from tasks.ingestion import days
    from tasks.reporting import sections

    snapshot = days.ingest(_bound(source), lake_uri(), as_of.astimezone(UTC))
    publish("snapshot", sections.snapshot(snapshot))
    return snapshot


@stage(cached=False)
def plan_ingest(as_of: datetime, source: str, block_days: int) -> list[Window]:
    """Return the blocks of days that are new or differ; none for a source of one file with all days, which is read whole.

    Args:
        as_of: The clock (UTC): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
        block_days: The most days of a block.
    """
    from tasks.ingestion import blocks

    return blocks.plan(_bound(source), lake_uri(), as_of.astimezone(UTC), block_days)


@stage(cached=False)
def ingest_block(block: Window, as_of: datetime, source: str) -> FilledBlock:
    """Bring one block of days to the lake, beside others who bring other blocks.

    Args:
        block: The days.
        as_of: The clock (UTC): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
    """
    from tasks.ingestion import blocks

    return blocks.fill(_bound(source), lake_uri(), as_of.astimezone(UTC), block)


@stage(cached=False)
def tidy(named: NamedData, keep_days: int) -> UpkeepReport:
    """Compact the lake's tables and remove what is out of use: not named by a registered model, and old.

    Args:
        named: The data that registered versions name.
        keep_days: How long what is out of use stays, at least one day so that runs under way are safe.
    """
    from datetime import timedelta

    from tasks.contracts import retention
    from tasks.errors import LakeError
    from tasks.lake import upkeep
    from tasks.reporting import lineage as section
    from tasks.usecase import contract

    if keep_days < 1:
        raise LakeError("keep_days must be at least 1", f"{keep_days}", "choose more: a run under way reads what it began with")
    now = datetime.now(UTC)
    report = upkeep.tidy(lake_uri(), named, timedelta(days=keep_days), now)
    limits = {(table.name, name): days for table in contract.TABLES for name, days in retention(table.schema).items()}
    report = report.model_copy(update={"overdue": upkeep.overdue(lake_uri(), limits, now.date())})
    publish("upkeep", section.upkeep(report))
    return report


def _bound(source: str):  # type: ignore[no-untyped-def]  # a plain module's record, imported when a task runs
    from tasks.caching import version_of
    from tasks.ingestion.feed import Source
    from tasks.usecase import contract
    from tasks.usecase import source as raw

    return Source(
        name=source,
        tables=contract.TABLES,
        files=lambda table: raw.files(source, table),
        read=lambda table, file: raw.read(source, table, file),
        day_of=raw.day_of,
        known_by=raw.known_by,
        zone=raw.LOCAL_ZONE,
        settled_after=raw.SETTLED_AFTER,
        version=" ".join(map(version_of, (contract.__name__, raw.__name__))),
    )
