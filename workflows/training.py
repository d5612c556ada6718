"""Training: features, the split by time, the baselines and the network."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from flytekit import workflow
from flytekit.types.directory import FlyteDirectory

from tasks.artifacts.data import DataSnapshot, ValidationReport
from tasks.artifacts.settings import TrainingConfig
from tasks.artifacts.training import Split, TrainedModel
from tasks.features.task import build_features
from tasks.frames import LazyFrame
from tasks.training.task import DEFAULT_CONFIG, plan_split, train_baselines, train_network
from tasks.usecase.features import Features
from workflows.defaults import AS_OF, SOURCE
from workflows.validation import validation


class Trained(NamedTuple):
    """The candidate and its baselines, with all that they were trained on."""

    snapshot: DataSnapshot
    report: ValidationReport
    features: LazyFrame[Features]
    split: Split
    network: FlyteDirectory
    candidate: TrainedModel
    baselines: FlyteDirectory
    baseline_models: list[TrainedModel]


@workflow
def training(as_of: datetime = AS_OF, source: str = SOURCE, config: TrainingConfig = DEFAULT_CONFIG) -> Trained:
    """Ingest, validate, build features, and train the network beside its baselines.

    Args:
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
        config: Sizes and schedule of training, as JSON or a JSON file; what it leaves out keeps its default.
    """
    validated = validation(as_of=as_of, source=source)
    features = build_features(snapshot=validated.snapshot)
    split = plan_split(features=features, snapshot=validated.snapshot, config=config)
    baselines = train_baselines(features=features, split=split, config=config)
    network = train_network(features=features, split=split, config=config)
    return Trained(
        snapshot=validated.snapshot,
        report=validated.report,
        features=features,
        split=split,
        network=network.bundle,
        candidate=network.model,
        baselines=baselines.bundle,
        baseline_models=baselines.models,
    )
