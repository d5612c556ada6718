"""Serving state: what the service makes features of single rows from, as known at an instant."""

from __future__ import annotations

from datetime import datetime

from flytekit import workflow

from tasks.artifacts.serving import State
from tasks.serving.task import publish_state
from workflows.defaults import AS_OF, SOURCE
from workflows.validation import validation


@workflow
def serving_state(as_of: datetime = AS_OF, source: str = SOURCE) -> State:
    """Ingest and validate, then publish to the service what is known; running workers take it within a second.

    Args:
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
    """
    return publish_state(snapshot=validation(as_of=as_of, source=source).snapshot)
