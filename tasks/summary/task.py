"""Summarise: the closing table, the report and `summary.json` of a run."""

from __future__ import annotations

from tasks.artifacts.data import DataSnapshot, ValidationReport
from tasks.artifacts.evaluation import Decision, Evaluation
from tasks.artifacts.registry import PackageCheck, RegisteredModel, RunSummary
from tasks.artifacts.training import TrainedModel
from tasks.execution import LIGHT, publish, stage


@stage(cached=False, resources=LIGHT)
def summarise(
    snapshot: DataSnapshot,
    validation: ValidationReport,
    candidate: TrainedModel,
    baselines: list[TrainedModel],
    evaluation: Evaluation,
    decision: Decision,
    package: PackageCheck,
    registered: RegisteredModel,
) -> RunSummary:
    """Write the run's report and summary, and print its closing table.

    Args:
        snapshot: What was ingested.
        validation: The verdict on it.
        candidate: The trained network.
        baselines: LightGBM and logistic regression.
        evaluation: All models side by side.
        decision: The verdict on the candidate.
        package: The check of the Bento.
        registered: The registered version.
    """
    import time
    from datetime import UTC, datetime

    from rich.console import Console

    from tasks import local
    from tasks.reporting import sections
    from tasks.reporting.summary import closing_table, run_report
    from tasks.summary import runs
    from tasks.usecase import policy

    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{snapshot.content_hash[:6]}"
    folder = local.home() / "runs" / run_id
    stages = runs.stage_costs(local.TRACE.tasks)
    summary = RunSummary(
        run_id=run_id,
        use_case=policy.USE_CASE,
        as_of=snapshot.as_of,
        snapshot=snapshot,
        validation=validation,
        models=[candidate, *baselines],
        evaluation=evaluation,
        decision=decision,
        package=package,
        registered=registered,
        stages=stages,
        seconds=time.time() - local.TRACE.started,
        peak_memory_mb=max((stage.peak_memory_mb for stage in stages), default=0.0),
        report=str(folder / "index.html"),
    )
    runs.write(folder, summary, run_report(summary))
    publish("decision", sections.decision(decision))
    publish("evaluation", sections.evaluation(evaluation))
    Console().print(closing_table(summary))
    return summary
