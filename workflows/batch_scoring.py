"""Batch scoring: whole days, by the package that serves."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from flytekit import map_task, workflow

from tasks.artifacts.serving import BatchScores
from tasks.features.task import pick_days
from tasks.ingestion.task import LOAD
from tasks.registry.task import find_version
from tasks.serving.task import conclude_scores, score_day, write_day
from workflows.defaults import AS_OF, SOURCE
from workflows.validation import validation


@workflow
def batch_scoring(
    first_day: str, last_day: str, as_of: datetime = AS_OF, source: str = SOURCE, model_version: int = 0
) -> list[BatchScores]:
    """Score all rows of some days, a pod a day, each cached, and each written to the lake by a pod of its own.

    Args:
        first_day: The first day, local to the use case, such as 2024-05-27.
        last_day: The last day, included.
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
        model_version: The registered version; 0 for the champion.
    """
    validated = validation(as_of=as_of, source=source)
    days = pick_days(snapshot=validated.snapshot, first_day=first_day, last_day=last_day)
    version = find_version(snapshot=validated.snapshot, model_version=model_version)
    scores = map_task(partial(score_day, version=version), concurrency=LOAD.at_once)(day=days)
    written = map_task(partial(write_day, version=version), concurrency=LOAD.at_once)(scores=scores)
    return conclude_scores(written=written)
