"""Monitor: a night. Watch the champion and its service, decide, and act: call the retraining, step back, or stand by."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from flytekit import conditional, workflow

from tasks.artifacts.monitoring import LabelQueue, NightReport
from tasks.artifacts.retraining import TriggerDecision
from tasks.artifacts.settings import TrainingConfig
from tasks.features.task import add_features
from tasks.monitoring.task import look_at_dependencies, look_at_service, plan_nights, queue_labels, show, watch
from tasks.registry.task import find_champion
from tasks.retraining.task import abandoned, asks_for, stand_by, trigger
from tasks.training.task import DEFAULT_CONFIG
from tasks.validation import task as validating
from workflows.challenge import retrain_on_trigger
from workflows.defaults import NIGHT, SOURCE
from workflows.ingest import ingest
from workflows.step_back import step_back


class Monitored(NamedTuple):
    """What the nights found, what is worth a label, what tonight asked for, and what came of it."""

    reports: list[NightReport]
    labels: LabelQueue
    decision: TriggerDecision
    outcome: str


@workflow(on_failure=abandoned)
def monitor(as_of: datetime = NIGHT, source: str = SOURCE, config: TrainingConfig = DEFAULT_CONFIG) -> Monitored:
    """Ingest and validate, watch the champion on tonight and on nights that were missed, and act once if the evidence asks for it.

    Args:
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
        config: Sizes and schedule of a challenger's training, as JSON or a JSON file.
    """
    snapshot = ingest(as_of=as_of, source=source)
    # As in `night`: the deepchecks suite looks at all days, so that it would cost more with each of them.
    report = validating.validate(snapshot=snapshot, overrides=validating.find_overrides(snapshot=snapshot), integrity=[])
    admitted = validating.admit(snapshot=snapshot, report=report)
    features = add_features(snapshot=admitted)
    champion = find_champion(snapshot=admitted)
    nights = plan_nights(snapshot=admitted, champion=champion)
    watched = watch(features=features, nights=nights, champion=champion)
    served = look_at_service(features=features, reports=watched)
    reports = look_at_dependencies(snapshot=admitted, reports=served, champion=champion)
    labels = queue_labels(features=features, reports=reports, champion=champion)
    decision = show(reports=reports, decision=trigger(reports=reports))
    wanted = asks_for(decision=decision)
    outcome = (
        conditional("act")
        .if_(wanted.challenge.is_true())  # type: ignore[attr-defined]  # a promise while the workflow is compiled
        .then(retrain_on_trigger(as_of=as_of, source=source, config=config, lease=wanted.lease))
        .elif_(wanted.roll_back.is_true())  # type: ignore[attr-defined]
        .then(step_back(to=wanted.to, reason=wanted.reason))
        .else_()
        .then(stand_by(decision=decision))
    )
    return Monitored(reports=reports, labels=labels, decision=decision, outcome=outcome)
