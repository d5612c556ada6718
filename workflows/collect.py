"""Collect: the prediction log into the lake, with what came of the predictions, and what that says of a canary."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from flytekit import workflow

from tasks.artifacts.serving import CanaryReport, Collected
from tasks.features.task import build_features
from tasks.serving import task as serving
from workflows.defaults import AS_OF, SOURCE
from workflows.validation import validation


class Gathered(NamedTuple):
    """What was collected, and what the outcomes say of the models that serve."""

    collected: Collected
    rollout: CanaryReport


@workflow
def collect(as_of: datetime = AS_OF, source: str = SOURCE) -> Gathered:
    """Bring the prediction log and the outcomes into the lake, and send a canary back that is worse by them.

    Args:
        as_of: The clock, an instant in UTC (such as 2024-06-01): outcomes that the source has by then count.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
    """
    validated = validation(as_of=as_of, source=source)
    collected = serving.collect(features=build_features(snapshot=validated.snapshot))
    return Gathered(collected=collected, rollout=serving.judge_rollout(collected=collected))
