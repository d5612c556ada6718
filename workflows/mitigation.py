"""Mitigation: ways to less difference between the groups of a sensitive attribute, side by side with what each costs."""

from __future__ import annotations

from datetime import datetime

from flytekit import workflow

from tasks.artifacts.fairness import Mitigation
from tasks.artifacts.settings import TrainingConfig
from tasks.evaluation.task import compare_mitigations
from tasks.features.task import build_features
from tasks.training.task import DEFAULT_CONFIG, mitigated, plan_split, train_network
from workflows.defaults import AS_OF, SOURCE
from workflows.validation import validation


@workflow
def mitigation(
    as_of: datetime = AS_OF, source: str = SOURCE, config: TrainingConfig = DEFAULT_CONFIG, attribute: str = "air service"
) -> Mitigation:
    """Train the network as it is and on reweighed rows, and decide with the first by one threshold and by one for each group.

    Args:
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
        config: Sizes and schedule of training, as JSON or a JSON file; what it leaves out keeps its default.
        attribute: A sensitive attribute of tasks/usecase/segments.py.
    """
    validated = validation(as_of=as_of, source=source)
    features = build_features(snapshot=validated.snapshot)
    ways = mitigated(config=config, attribute=attribute)
    split = plan_split(features=features, snapshot=validated.snapshot, config=ways.group_thresholds)
    network = train_network(features=features, split=split, config=ways.group_thresholds)
    reweighed = train_network(features=features, split=split, config=ways.reweighing)
    return compare_mitigations(
        features=features,
        split=split,
        attribute=attribute,
        network=network.bundle,
        model=network.model,
        reweighed=reweighed.bundle,
        reweighed_model=reweighed.model,
    )
