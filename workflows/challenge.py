"""Challenge: retraining as the monitor calls it, one at a time, ending in one line that its conditional can return."""

from __future__ import annotations

from datetime import datetime

from flytekit import ConcurrencyPolicy, LaunchPlan, workflow

from tasks.artifacts.settings import TrainingConfig
from tasks.retraining.task import begin, challenged, failed
from workflows.retrain import retrain


@workflow(on_failure=failed)
def challenge(as_of: datetime, source: str, config: TrainingConfig, lease: str = "") -> str:
    """Train, judge and register a challenger with what was known at an instant, unless another retraining is under way.

    Args:
        as_of: The clock, an instant in UTC: only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
        config: Sizes and schedule of training, as JSON or a JSON file.
        lease: The name of the claim that the caller has taken for it; empty to take one.
    """
    begun = begin(as_of=as_of, lease=lease)
    return challenged(summary=retrain(as_of=begun.as_of, source=source, config=config), lease=begun.lease)


retrain_on_trigger = LaunchPlan.get_or_create(
    challenge, name="evergreen-retrain-on-trigger", concurrency=ConcurrencyPolicy(max_concurrency=1)
)
"""Retraining as an execution of its own. Stands here, as the conditionals of workflows need it; who calls it is told of a failure."""
