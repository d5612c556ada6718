"""What is tracked of models and searches: names, parameters, metrics, curves and documents, the same for the same kind.

A candidate's run is the parent, with its baselines and the incumbent nested in it. So the list of runs has one line a
registered version, with its metrics, and those that were judged beside it unfold below it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tasks.artifacts.evaluation import Decision, Evaluation, ModelMetrics
from tasks.artifacts.record import Record, Window
from tasks.artifacts.search import Search, Tracked, Trial, TrialState
from tasks.artifacts.settings import TrainingConfig
from tasks.artifacts.training import Split, TrainedModel
from tasks.registry.tracking import Entry, Point, Tracker

METRICS = ("log_loss", "auc", "pr_auc", "brier", "calibration_error", "cost")
_SPENT = {"train_seconds", "rows_per_second", "device_seconds", "peak_device_mb"}
_LINEAGE = ("owner", "as_of", "source", "snapshot_hash", "code_commit", "lock_hash")
_SCORED = "scored_folds"
_NOTE = "mlflow.note.content"  # the text above a run's page


@dataclass(frozen=True)
class Judged:
    """A candidate with all that it was judged by and that is kept of it."""

    model: TrainedModel
    baselines: Sequence[TrainedModel]
    evaluation: Evaluation
    decision: Decision
    package: Path
    bento: Path
    dossier: Path
    package_digest: str
    dossier_digest: str
    lineage: Mapping[str, str]


def log_candidate(tracker: Tracker, use_case: str, judged: Judged) -> Any:
    """Log a candidate's run, and nested in it one of each model that it was judged beside; return the candidate's.

    Raises:
        RegistryError: If MLflow is out of reach.
    """
    run = tracker.log(_candidate(use_case, judged))
    for metrics in judged.evaluation.metrics:
        if metrics.model != judged.model.name:
            tracker.log(_beside(use_case, judged, metrics), parent=run.info.run_id)
    return run


def log_search(tracker: Tracker, use_case: str, search: Search) -> Tracked:
    """Log a search's run, and nested in it one of each trial; done again it adds what has come since.

    What is tracked further than this stays: a search that goes on begins with the steps that it has behind it.

    Raises:
        RegistryError: If MLflow is out of reach.
    """
    run = tracker.find(search.identity)
    if run is None or int(run.data.tags.get(_SCORED, -1)) <= _scored(search):
        run = tracker.log(_search(use_case, search))
        for trial in search.trials:
            tracker.log(_trial(use_case, search, trial), parent=run.info.run_id)
    return Tracked(experiment=tracker.experiment, run_id=run.info.run_id, tracking_uri=tracker.uri, trials=len(search.trials))


def settings(config: TrainingConfig, model: str) -> dict[str, object]:
    """Return the settings that a model's training depends on, by their place: `network.k`, `folds`; the device is told as it was."""
    owners = {"", model} | ({"lightgbm"} if model == "network" and config.lightgbm_share else set())
    return {place: value for place, value in _flat(config.model_dump(mode="json")) if _owner(place) in owners and place != "device"}


def _flat(held: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, object]]:
    for key, value in held.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _owner(place: str) -> str:
    """Return the model whose setting it is, empty if it is every model's; a baseline's without a name is LightGBM's."""
    if place == "lightgbm_share":
        return "network"
    part, _, key = place.partition(".")
    if part == "baselines":
        return "logistic" if key.startswith("logistic_") else "lightgbm"
    return part if key else ""


def _candidate(use_case: str, judged: Judged) -> Entry:
    evaluation, decision = judged.evaluation, judged.decision
    entry = _model(use_case, "candidate", judged, judged.model, evaluation.of(judged.model.name))
    tags = {
        "candidate_digest": judged.model.bundle_digest,
        "package_digest": judged.package_digest,
        "dossier_digest": judged.dossier_digest,
        "verdict": decision.verdict.value,
        "incumbent_version": "none" if evaluation.incumbent_version is None else str(evaluation.incumbent_version),
        _NOTE: "\n".join([f"**{decision.verdict.value}**", "", *(f"- {reason}" for reason in decision.reasons)]),
    }
    records: dict[str, Record] = {
        "config.json": judged.model.config,
        "split.json": judged.model.split,
        "evaluation.json": evaluation,
        "decision.json": decision,
    }
    return replace(
        entry,
        tags={**entry.tags, **tags},
        documents={**entry.documents, **{file: record.model_dump_json(indent=1) for file, record in records.items()}},
        folders={"package": judged.package, "bento": judged.bento, "dossier": judged.dossier},
    )


def _beside(use_case: str, judged: Judged, metrics: ModelMetrics) -> Entry:
    model = next((model for model in judged.baselines if model.name == metrics.model), None)
    if model is not None:
        return _model(use_case, f"baseline {model.name}", judged, model, metrics)
    # Its own run says how it was trained.
    purpose = f"{metrics.model} {judged.evaluation.incumbent_version or ''}".strip()
    return Entry(
        identity=f"{judged.package_digest} {purpose}",
        name=f"{purpose}, {judged.evaluation.window}, {use_case}",
        tags=_tags(use_case, purpose, judged.evaluation.window, judged.lineage),
        parameters=_judged_on(judged.evaluation),
        points=_scores(metrics),
    )


def _model(use_case: str, purpose: str, judged: Judged, model: TrainedModel, metrics: ModelMetrics) -> Entry:
    window = judged.evaluation.window
    parameters = {
        **settings(model.config, model.name),
        **_windows(model.split),
        **_judged_on(judged.evaluation),
        "training_rows": model.training_rows,
        "sampled_from": model.sampled_from,
        "numeric_features": len(model.numeric_features),
        "categorical_features": len(model.categorical_features),
        "features_hash": model.features_hash,
        "device": model.device,
        "precision": model.precision,
    }
    spent = {key: value for key, value in model.model_dump(include=_SPENT).items() if value}  # 0 where it was not measured
    points = [
        *_scores(metrics),
        Point("temperature", model.temperature),
        *(Point(key, float(value)) for key, value in spent.items()),
        *(Point("fold_log_loss", fold.log_loss, step) for step, fold in enumerate(model.folds, start=1)),
        *(Point("train_log_loss", loss, step) for step, loss in enumerate(model.losses, start=1)),
    ]
    features = {"numeric": model.numeric_features, "categorical": model.categorical_features}
    return Entry(
        identity=f"{judged.package_digest} {purpose}",
        name=f"{purpose}, {window}, {use_case}",
        tags=_tags(use_case, purpose, window, judged.lineage),
        parameters=parameters,
        points=points,
        documents={"features.json": json.dumps(features, indent=1)},
        seconds=model.train_seconds,
    )


def _search(use_case: str, search: Search) -> Entry:
    window = _folds(search.split)
    counts = {state: sum(trial.state is state for trial in search.trials) for state in TrialState}
    # By the number of folds that were scored: what is tracked later stands further to the right.
    step = _scored(search)
    best = _best(search)
    best_trial = "none" if best is None else f"{best.number:02d}"
    found = "No trial is complete." if best is None else f"Trial {best_trial} is best, with a mean log-loss of {best.log_loss:.4f}."
    rules = search.rules.model_dump(mode="json", exclude={"space"})
    return Entry(
        identity=search.identity,
        name=f"search, {window}, {use_case}",
        tags=_tags(use_case, "search", window) | {"best_trial": best_trial, _SCORED: str(step), _NOTE: found},
        parameters={
            **settings(search.base, "network"),
            **{f"search.{key}": value for key, value in rules.items()},
            **{f"search.space.{r.setting}": f"{r.low:g} to {r.high:g}" for r in search.rules.space},
            **_windows(search.split),
            "features_hash": search.features_hash,
        },
        points=[
            *([] if best is None else [Point("mean_log_loss", best.log_loss, step)]),
            *(Point(f"trials_{state}", count, step) for state, count in counts.items()),
        ],
        documents={"search.json": search.model_dump_json(indent=1)},
        grows=True,
        is_over=not counts[TrialState.RUNNING] and len(search.trials) >= search.rules.trials,
    )


def _trial(use_case: str, search: Search, trial: Trial) -> Entry:
    points = [Point("mean_log_loss", trial.log_loss, len(trial.folds))] if trial.folds else []
    parameters = settings(trial.config, "network") | _windows(search.split) | {"features_hash": search.features_hash}
    for step, fold in enumerate(trial.folds, start=1):
        points.append(Point("fold_log_loss", fold.result.log_loss, step))
        points.append(Point("train_seconds", sum(f.seconds for f in trial.folds[:step]), step))
        points += [Point(f"train_log_loss/fold {step}", loss, epoch) for epoch, loss in enumerate(fold.losses, start=1)]
    is_best = str(trial.number == search.best).lower()
    return Entry(
        identity=f"{search.identity} trial {trial.number}",
        name=f"trial {trial.number:02d}",
        tags=_tags(use_case, "trial", _folds(search.split)) | {"state": trial.state.value, "best": is_best},
        parameters=parameters | ({"device": trial.folds[0].device} if trial.folds else {}),
        points=points,
        seconds=sum(fold.seconds for fold in trial.folds),
        grows=True,
        is_over=trial.state is not TrialState.RUNNING,
    )


def _scored(search: Search) -> int:
    """Return how far a search is: the number of its scores."""
    return sum(len(trial.folds) for trial in search.trials)


def _best(search: Search) -> Trial | None:
    return next((trial for trial in search.trials if trial.number == search.best), None)


def _tags(use_case: str, purpose: str, window: Window, lineage: Mapping[str, str] | None = None) -> dict[str, str]:
    of_data = {key: value for key, value in (lineage or {}).items() if key in _LINEAGE}
    return {"use_case": use_case, "purpose": purpose, "window": str(window), **of_data}


def _folds(split: Split) -> Window:
    """Return the days from the first fold to the last."""
    return Window(first_day=split.folds[0].first_day, last_day=split.folds[-1].last_day)


def _windows(split: Split) -> dict[str, object]:
    return {"training_window": split.training, "fold_window": _folds(split)}


def _judged_on(evaluation: Evaluation) -> dict[str, object]:
    return {"evaluation_window": evaluation.window, "evaluated_rows": evaluation.rows}


def _scores(metrics: ModelMetrics) -> list[Point]:
    return [*(Point(key, getattr(metrics, key).value) for key in METRICS), Point("threshold", metrics.threshold)]
