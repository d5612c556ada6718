"""Reproduce: the same lineage, the same model. A registered version trained again, from what it recorded."""

from __future__ import annotations

from flytekit import workflow

from tasks.artifacts.lineage import Reproduction
from tasks.features.task import build_features
from tasks.registry import task as registry
from tasks.training.task import plan_split, train_network_again


@workflow
def reproduce(model_version: int) -> Reproduction:
    """Train a registered version again and compare: the same weights to the bit, or what differs.

    Args:
        model_version: The registered version.
    """
    recalled = registry.recall(model_version=model_version)
    features = build_features(snapshot=recalled.snapshot)
    split = plan_split(features=features, snapshot=recalled.snapshot, config=recalled.config)
    again = train_network_again(features=features, split=split, config=recalled.config)
    return registry.compare(recipe=recalled.recipe, split=split, again=again.model)
