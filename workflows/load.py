"""Load: years of history into the lake by many pods side by side; a night stays in one."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from flytekit import map_task, workflow

from tasks.artifacts.data import TableVersion
from tasks.features.task import add_features, build_block, plan_features
from tasks.ingestion import task as ingesting
from tasks.ingestion.task import LOAD
from tasks.validation import task as validating
from workflows.defaults import AS_OF, SOURCE
from workflows.ingest import ingest


@workflow
def load(as_of: datetime = AS_OF, source: str = SOURCE) -> TableVersion:
    """Fill the lake up to an instant as `night` does, with the days that are new or differ cut into blocks, a pod each.

    A block that failed costs itself: run again, and what is there is not done again. Rows and snapshot are those of `night`, to the bit.
    A source of one file with all days is read whole, by one pod; its profiles and features are cut into blocks.

    Args:
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
    """
    due = ingesting.plan_ingest(as_of=as_of, source=source, block_days=LOAD.ingest_days)
    brought = map_task(partial(ingesting.ingest_block, as_of=as_of, source=source), concurrency=LOAD.at_once)(block=due)
    snapshot = ingest(as_of=as_of, source=source)
    brought >> snapshot  # type: ignore[operator]  # promises while the workflow is compiled
    unseen = validating.plan_profiles(snapshot=snapshot, block_days=LOAD.ingest_days)
    profiled = map_task(partial(validating.profile_block, snapshot=snapshot), concurrency=LOAD.at_once)(block=unseen)
    report = validating.validate(snapshot=snapshot, overrides=validating.find_overrides(snapshot=snapshot), integrity=[])
    profiled >> report  # type: ignore[operator]
    admitted = validating.admit(snapshot=snapshot, report=report)
    stale = plan_features(snapshot=admitted, block_days=LOAD.feature_days)
    built = map_task(partial(build_block, snapshot=admitted), concurrency=LOAD.at_once)(block=stale)
    features = add_features(snapshot=admitted)
    built >> features  # type: ignore[operator]
    return features
