"""Summarise: the closing table, the report and `summary.json` of a run."""

from __future__ import annotations

from flytekit.types.directory import FlyteDirectory

from tasks.artifacts.behaviour import Behaviour
from tasks.artifacts.data import DataSnapshot, ValidationReport
from tasks.artifacts.evaluation import Decision, Evaluation
from tasks.artifacts.explanation import GlobalExplanation
from tasks.artifacts.fairness import Fairness
from tasks.artifacts.registry import RegisteredModel, RunSummary
from tasks.artifacts.serving import ServiceCheck
from tasks.artifacts.training import TrainedModel
from tasks.edges import local_path
from tasks.execution import LIGHT, SIZING, lake_uri, publish, stage


@stage(cached=False, resources=LIGHT)
def summarise(
    snapshot: DataSnapshot,
    validation: ValidationReport,
    candidate: TrainedModel,
    baselines: list[TrainedModel],
    evaluation: Evaluation,
    fairness: Fairness,
    behaviour: Behaviour,
    explanation: GlobalExplanation,
    decision: Decision,
    service: ServiceCheck,
    dossier: FlyteDirectory,
    registered: RegisteredModel,
) -> RunSummary:
    """Write the run's report and summary, and print its closing table.

    Args:
        snapshot: What was ingested.
        validation: The verdict on it.
        candidate: The trained network.
        baselines: LightGBM, logistic regression and the prior.
        evaluation: All models side by side.
        fairness: How the candidate's decisions treat groups.
        behaviour: What it does under odd inputs.
        explanation: Which features matter to it.
        decision: The verdict on the candidate.
        service: What the Bento did as a server.
        dossier: The folder with the dossier and the model card, which the report links.
        registered: The registered version.
    """
    from datetime import UTC, datetime

    from rich.console import Console

    from tasks import accounts, local
    from tasks.reporting import judgement
    from tasks.reporting.summary import closing_table, run_report
    from tasks.summary import runs
    from tasks.usecase import policy

    now = datetime.now(UTC)
    run_id = f"{now:%Y%m%dT%H%M%S}-{snapshot.content_hash[:6]}"
    folder = local.home() / "runs" / run_id
    used, history = accounts.of_run(lake_uri(), SIZING)
    stages, advice, listed = runs.stage_costs(used), runs.advice(used, history, SIZING), accounts.prices()
    summary = RunSummary(
        run_id=run_id,
        use_case=policy.USE_CASE,
        as_of=snapshot.as_of,
        snapshot=snapshot,
        validation=validation,
        models=[candidate, *baselines],
        evaluation=evaluation,
        fairness=fairness,
        behaviour=behaviour,
        explanation=explanation,
        decision=decision,
        service=service,
        registered=registered,
        stages=stages,
        seconds=now.timestamp() - min([local.TRACE.started, *(u.started.timestamp() for u in used)]),
        peak_memory_mb=max((stage.peak_memory_mb for stage in stages), default=0.0),
        report=str(folder / "index.html"),
        cpu_seconds=sum(u.cpu_seconds for u in used),
        device_seconds=sum(u.device_seconds for u in used),
        peak_device_mb=max((u.peak_device_mb for u in used if u.peak_device_mb is not None), default=None),
        energy_joules=runs.total_energy(used),
        cost=sum(u.cost for u in used),
        cost_as_suggested=runs.cost_as_suggested(used, advice, listed),
        prices=listed,
        tasks=used,
        advice=advice,
    )
    documents = {name: (local_path(dossier) / name).read_text() for name in ("dossier.html", "model_card.html")}
    runs.write(folder, summary, run_report(summary, policy.FAIRNESS) | documents)
    publish("decision", judgement.verdict(decision, evaluation, fairness))
    Console().print(closing_table(summary))
    return summary
