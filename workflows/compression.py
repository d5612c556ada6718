"""Compression: smaller forms of the candidate, each with what it saves and gives up, and the packages of those accepted."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from flytekit import workflow
from flytekit.types.directory import FlyteDirectory

from tasks.artifacts.compression import Compression
from tasks.artifacts.settings import TrainingConfig
from tasks.evaluation.task import judge_compression
from tasks.features.task import build_features
from tasks.packaging.task import hand_on, package_forms
from tasks.training.task import DEFAULT_CONFIG, distil_network, plan_split, train_network
from workflows.defaults import AS_OF, SOURCE
from workflows.validation import validation


class Smaller(NamedTuple):
    """The verdict on each smaller form, and the packages of those that were accepted, in that order."""

    compression: Compression
    packages: list[FlyteDirectory]


@workflow
def compress(as_of: datetime = AS_OF, source: str = SOURCE, config: TrainingConfig = DEFAULT_CONFIG) -> Smaller:
    """Train the network, put it into int8 and into a small network, and hand on what gives up next to nothing.

    Args:
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
        config: Sizes and schedule of training, as JSON or a JSON file; what it leaves out keeps its default.
    """
    validated = validation(as_of=as_of, source=source)
    features = build_features(snapshot=validated.snapshot)
    split = plan_split(features=features, snapshot=validated.snapshot, config=config)
    network = train_network(features=features, split=split, config=config)
    small = distil_network(features=features, split=split, network=network.bundle, model=network.model)
    forms = package_forms(
        features=features,
        split=split,
        network=network.bundle,
        model=network.model,
        distilled=small.bundle,
        distilled_model=small.model,
    )
    judged = judge_compression(
        features=features, split=split, model=network.model, original=forms.original, int8=forms.int8, distilled=forms.distilled
    )
    return Smaller(judged, hand_on(compression=judged, int8=forms.int8, distilled=forms.distilled))
