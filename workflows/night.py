"""Night: what a new day costs. Ingest, validate and features for the days that are new, and nothing else."""

from __future__ import annotations

from datetime import datetime

from flytekit import workflow

from tasks.artifacts.data import TableVersion
from tasks.features.task import add_features
from tasks.validation import task as validating
from workflows.defaults import AS_OF, SOURCE
from workflows.ingest import ingest


@workflow
def night(as_of: datetime = AS_OF, source: str = SOURCE) -> TableVersion:
    """Ingest and validate the days that are new or changed, and add their features to the lake; trains nothing.

    Args:
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
    """
    snapshot = ingest(as_of=as_of, source=source)
    # The deepchecks suite looks at a sample of all days and decides nothing: it runs before a training, not every night.
    report = validating.validate(snapshot=snapshot, overrides=validating.find_overrides(snapshot=snapshot), integrity=[])
    return add_features(snapshot=validating.admit(snapshot=snapshot, report=report))
