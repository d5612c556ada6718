"""Ingest: from the source to the lake, up to an instant."""

from __future__ import annotations

from datetime import datetime

from flytekit import workflow

from tasks.artifacts.data import DataSnapshot
from tasks.ingestion import task as ingestion
from workflows.defaults import AS_OF, SOURCE


@workflow
def ingest(as_of: datetime = AS_OF, source: str = SOURCE) -> DataSnapshot:
    """Bring the lake up to an instant and return what it then holds.

    Args:
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
    """
    return ingestion.ingest(as_of=as_of, source=source)
