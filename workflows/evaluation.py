"""Evaluation: the candidate beside its baselines and the champion, by group and under odd inputs. It ends with the evidence.

The decision is made in `packaging.py`: the package of the candidate, and how it serves, are part of it.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from flytekit import workflow
from flytekit.types.directory import FlyteDirectory

from tasks.artifacts.behaviour import Behaviour
from tasks.artifacts.data import DataSnapshot, ValidationReport
from tasks.artifacts.evaluation import Evaluation
from tasks.artifacts.explanation import GlobalExplanation
from tasks.artifacts.fairness import Fairness
from tasks.artifacts.registry import Incumbent
from tasks.artifacts.settings import TrainingConfig
from tasks.artifacts.training import Split, TrainedModel
from tasks.evaluation import task as evaluating
from tasks.frames import LazyFrame
from tasks.registry.task import find_incumbent
from tasks.training.task import DEFAULT_CONFIG
from tasks.usecase.features import Features
from workflows.defaults import AS_OF, SOURCE
from workflows.training import training


class Evidence(NamedTuple):
    """A candidate, with all that is known of its quality."""

    snapshot: DataSnapshot
    report: ValidationReport
    features: LazyFrame[Features]
    split: Split
    network: FlyteDirectory
    candidate: TrainedModel
    baseline_models: list[TrainedModel]
    evaluation: Evaluation
    fairness: Fairness
    behaviour: Behaviour
    explanation: GlobalExplanation
    incumbent: Incumbent


@workflow
def evaluation(as_of: datetime = AS_OF, source: str = SOURCE, config: TrainingConfig = DEFAULT_CONFIG) -> Evidence:
    """Train a candidate, and evaluate it on the last labelled days beside its baselines and the champion.

    Args:
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
        config: Sizes and schedule of training, as JSON or a JSON file; what it leaves out keeps its default.
    """
    trained = training(as_of=as_of, source=source, config=config)
    incumbent = find_incumbent(candidate=trained.candidate)
    scored = evaluating.score(
        features=trained.features, split=trained.split, network=trained.network, baselines=trained.baselines, incumbent=incumbent
    )
    explanation = evaluating.explain_model(
        features=trained.features, split=trained.split, network=trained.network, candidate=trained.candidate
    )
    evaluated = evaluating.evaluate(
        scored=scored,
        features=trained.features,
        split=trained.split,
        candidate=trained.candidate,
        baselines=trained.baseline_models,
        incumbent=incumbent,
        explanation=explanation,
    )
    fairness = evaluating.assess_fairness(scored=scored, features=trained.features, split=trained.split, candidate=trained.candidate)
    behaviour = evaluating.examine_behaviour(
        features=trained.features, snapshot=trained.snapshot, split=trained.split, network=trained.network, candidate=trained.candidate
    )
    return Evidence(
        snapshot=trained.snapshot,
        report=trained.report,
        features=trained.features,
        split=trained.split,
        network=trained.network,
        candidate=trained.candidate,
        baseline_models=trained.baseline_models,
        evaluation=evaluated,
        fairness=fairness,
        behaviour=behaviour,
        explanation=explanation,
        incumbent=incumbent,
    )
