"""Batch scoring: whole days, by the package that serves."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from flytekit import map_task, workflow

from tasks.artifacts.serving import BatchScores
from tasks.features.task import build_features
from tasks.registry.task import find_version
from tasks.serving.task import pick_days, score_day, write_scores
from workflows.defaults import AS_OF, SOURCE
from workflows.validation import validation


@workflow
def batch_scoring(
    first_day: str, last_day: str, as_of: datetime = AS_OF, source: str = SOURCE, model_version: int = 0
) -> list[BatchScores]:
    """Score all rows of some days, day by day and each cached, and write them to the lake's table of scores.

    Args:
        first_day: The first day, local to the use case, such as 2024-05-27.
        last_day: The last day, included.
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
        model_version: The registered version; 0 for the champion.
    """
    validated = validation(as_of=as_of, source=source)
    features = build_features(snapshot=validated.snapshot)
    version = find_version(snapshot=validated.snapshot, model_version=model_version)
    days = pick_days(features=features, first_day=first_day, last_day=last_day)
    scores = map_task(partial(score_day, version=version))(rows=days)
    return write_scores(scores=scores, version=version)
