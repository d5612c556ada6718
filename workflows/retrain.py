"""Retrain: from the data known at an instant to a decided, packaged, registered model, and the champion if the decision says so."""

from __future__ import annotations

from datetime import datetime

from flytekit import workflow

from tasks.artifacts.registry import RunSummary
from tasks.artifacts.settings import TrainingConfig
from tasks.governance.task import compile_dossier
from tasks.registry.task import register
from tasks.summary.task import summarise
from tasks.training.task import DEFAULT_CONFIG
from workflows.defaults import AS_OF, SOURCE
from workflows.packaging import packaging
from workflows.promote import settle


@workflow
def retrain(as_of: datetime = AS_OF, source: str = SOURCE, config: TrainingConfig = DEFAULT_CONFIG) -> RunSummary:
    """Ingest, validate, train, evaluate, package, try, decide, register and promote, with what was known at an instant.

    Args:
        as_of: The clock, an instant in UTC (such as 2024-06-01): only what was known by then exists.
        source: Folder or s3:// URI with the raw data, or another name that tasks/usecase/source.py knows.
        config: Sizes and schedule of training, as JSON or a JSON file; what it leaves out keeps its default.
    """
    made = packaging(as_of=as_of, source=source, config=config)
    dossier = compile_dossier(
        decision=made.decision,
        evaluation=made.evaluation,
        fairness=made.fairness,
        behaviour=made.behaviour,
        explanation=made.explanation,
        candidate=made.candidate,
        baselines=made.baseline_models,
        snapshot=made.snapshot,
        validation=made.report,
        package=made.package,
        service=made.service,
    )
    registered = register(
        package=made.package,
        bento=made.bento,
        dossier=dossier,
        model=made.candidate,
        baselines=made.baseline_models,
        snapshot=made.snapshot,
        evaluation=made.evaluation,
        decision=made.decision,
    )
    return summarise(
        snapshot=made.snapshot,
        validation=made.report,
        candidate=made.candidate,
        baselines=made.baseline_models,
        evaluation=made.evaluation,
        fairness=made.fairness,
        behaviour=made.behaviour,
        explanation=made.explanation,
        decision=made.decision,
        service=made.service,
        dossier=dossier,
        registered=settle(registered=registered, decision=made.decision),
    )
