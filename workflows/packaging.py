"""Packaging: the candidate as a package and a Bento, tried as a service, and the decision on it."""

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
from tasks.artifacts.serving import ServiceCheck
from tasks.artifacts.settings import TrainingConfig
from tasks.artifacts.training import TrainedModel
from tasks.governance.task import decide
from tasks.packaging.task import build_package
from tasks.serving.task import validate_service
from tasks.training.task import DEFAULT_CONFIG
from workflows.defaults import AS_OF, SOURCE
from workflows.evaluation import evaluation


class Packaged(NamedTuple):
    """A package ready to be registered, with the decision on it, and all that this rests on."""

    snapshot: DataSnapshot
    report: ValidationReport
    candidate: TrainedModel
    baseline_models: list[TrainedModel]
    evaluation: Evaluation
    fairness: Fairness
    behaviour: Behaviour
    explanation: GlobalExplanation
    package: FlyteDirectory
    bento: FlyteDirectory
    service: ServiceCheck
    decision: Decision


@workflow
def packaging(as_of: datetime = AS_OF, source: str = SOURCE, config: TrainingConfig = DEFAULT_CONFIG) -> Packaged:
    """Train and evaluate a candidate, package it, try its Bento as a service, and decide.

    Args:
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
        config: Sizes and schedule of training, as JSON or a JSON file; what it leaves out keeps its default.
    """
    known = evaluation(as_of=as_of, source=source, config=config)
    packaged = build_package(network=known.network, model=known.candidate)
    service = validate_service(
        bento=packaged.bento,
        tag=packaged.tag,
        network=known.network,
        model=known.candidate,
        features=known.features,
        split=known.split,
    )
    decision = decide(
        evaluation=known.evaluation,
        fairness=known.fairness,
        behaviour=known.behaviour,
        service=service,
        incumbent=known.incumbent,
        snapshot=known.snapshot,
    )
    return Packaged(
        snapshot=known.snapshot,
        report=known.report,
        candidate=known.candidate,
        baseline_models=known.baseline_models,
        evaluation=known.evaluation,
        fairness=known.fairness,
        behaviour=known.behaviour,
        explanation=known.explanation,
        package=packaged.package,
        bento=packaged.bento,
        service=service,
        decision=decision,
    )
