"""Weekly: a challenger by the calendar, unless a retraining is under way or the night has had one."""

from __future__ import annotations

from datetime import datetime

from flytekit import conditional, workflow

from tasks.artifacts.settings import TrainingConfig
from tasks.retraining.task import abandoned, claim, stand_aside
from tasks.training.task import DEFAULT_CONFIG
from workflows.challenge import retrain_on_trigger
from workflows.defaults import NIGHT, SOURCE


@workflow(on_failure=abandoned)
def weekly(as_of: datetime = NIGHT, source: str = SOURCE, config: TrainingConfig = DEFAULT_CONFIG) -> str:
    """Train, judge and register a challenger if none is under way, and say what came of it.

    Args:
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
        config: Sizes and schedule of training, as JSON or a JSON file; what it leaves out keeps its default.
    """
    due = claim(as_of=as_of)
    outcome: str = (
        conditional("challenge")
        .if_(due.is_free.is_true())  # type: ignore[attr-defined]  # a promise while the workflow is compiled
        .then(retrain_on_trigger(as_of=as_of, source=source, config=config, lease=due.lease))
        .else_()
        .then(stand_aside(told=due.told))
    )
    return outcome
