"""Data value: which features the candidate could lose, and whether more history would make it better."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from flytekit import workflow

from tasks.artifacts.data_value import FeatureValue, LearningCurve
from tasks.artifacts.settings import TrainingConfig
from tasks.evaluation.task import judge_history, value_features
from tasks.training.task import DEFAULT_CONFIG, score_histories
from workflows.defaults import AS_OF, SOURCE
from workflows.training import training


class DataValue(NamedTuple):
    """What the features are worth to the candidate, and what more history would bring."""

    features: FeatureValue
    history: LearningCurve


@workflow
def data_value(as_of: datetime = AS_OF, source: str = SOURCE, config: TrainingConfig = DEFAULT_CONFIG) -> DataValue:
    """Train a candidate, name the features of no value to it, and say what more data would bring.

    Args:
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
        config: Sizes and schedule of training, as JSON or a JSON file; what it leaves out keeps its default.
    """
    trained = training(as_of=as_of, source=source, config=config)
    features = value_features(features=trained.features, split=trained.split, network=trained.network, candidate=trained.candidate)
    scores = score_histories(features=trained.features, split=trained.split, config=config)
    return DataValue(features=features, history=judge_history(scores=scores))
