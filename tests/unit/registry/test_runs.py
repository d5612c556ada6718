"""What is tracked of candidates and searches, in a real MLflow on sqlite."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts.evaluation import Decision, Evaluation, Verdict
from tasks.artifacts.record import Window
from tasks.artifacts.search import FoldScore, Range, Search, SearchConfig, Trial, TrialState
from tasks.artifacts.settings import BaselineConfig, NetworkConfig, TrainingConfig
from tasks.artifacts.training import FoldResult, Split
from tasks.registry import runs
from tasks.registry.runs import Judged
from tasks.registry.tracking import Tracker
from tests.unit.reporting import factory

pytestmark = [
    pytest.mark.unit,
    # mlflow's own, at import and on use
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

LOSSES = [0.4711, 0.4420, 0.4339]


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('runs') / 'mlflow.db'}"


@pytest.fixture
def tracker(uri: str, request: pytest.FixtureRequest) -> Tracker:
    """An experiment of the test's own."""
    return Tracker(uri, request.node.name)


def judged(folder: Path, digest: str = "a", incumbent: int | None = 2, **network: Any) -> Judged:
    (folder / digest).mkdir(exist_ok=True)
    (folder / digest / "file").write_text(digest)
    model = factory.model("network", losses=LOSSES)
    config = TrainingConfig(network=NetworkConfig(**network))
    return Judged(
        model=model.model_copy(update={"bundle_digest": digest, "config": config}),
        baselines=[factory.model("lightgbm", 0.4381), factory.model("logistic", 0.4502), factory.model("prior", 0.6105)],
        evaluation=factory.evaluation(incumbent),
        decision=factory.decision(champion=incumbent),
        package=folder / digest,
        bento=folder / digest,
        dossier=folder / digest,
        package_digest=f"p-{digest}",
        dossier_digest=f"d-{digest}",
        lineage={"owner": "team", "code_commit": "c0ffee", "snapshot": "long"},
    )


def nested(tracker: Tracker, parent: str) -> dict[str, Any]:
    """Return the runs nested in one, by their purpose or, of trials, by their name."""
    experiment = tracker.client.get_experiment_by_name(tracker.experiment).experiment_id
    found = tracker.client.search_runs([experiment], filter_string=f"tags.`mlflow.parentRunId` = '{parent}'")
    return {run.info.run_name if run.data.tags["purpose"] == "trial" else run.data.tags["purpose"]: run for run in found}


def curve(tracker: Tracker, run: Any, name: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in tracker.client.get_metric_history(run.info.run_id, name)]


@pytest.mark.parametrize(
    ("model", "belongs", "foreign"),
    [
        ("network", {"lightgbm_share", *(f"network.{key}" for key in NetworkConfig.model_fields)}, "baselines."),
        ("lightgbm", {f"baselines.{key}" for key in BaselineConfig.model_fields if not key.startswith("logistic")}, "network."),
        ("logistic", {"baselines.logistic_c"}, "network."),
    ],
)
def test_a_model_has_its_own_settings_and_everyones(model: str, belongs: set[str], foreign: str) -> None:
    everyones = TrainingConfig.model_fields.keys() - {"network", "baselines", "device", "lightgbm_share"}  # the device is told as it was
    found = runs.settings(TrainingConfig(), model)
    assert found.keys() == belongs | everyones
    assert not any(key.startswith(foreign) for key in found)


def test_a_blend_has_the_settings_of_its_lightgbm() -> None:
    found = runs.settings(TrainingConfig(lightgbm_share=0.5), "network")
    assert {"lightgbm_share", "baselines.lightgbm_rounds", "baselines.seed", "network.k"} <= found.keys()
    assert "baselines.logistic_c" not in found


def test_no_setting_is_left_out() -> None:
    every = set().union(*(runs.settings(TrainingConfig(), model) for model in ("network", "lightgbm", "logistic")))
    leaves = {key for part in (NetworkConfig, BaselineConfig) for key in part.model_fields}
    assert {key.rpartition(".")[2] for key in every} == leaves | (TrainingConfig.model_fields.keys() - {"network", "baselines", "device"})


def test_two_candidates_line_up(tracker: Tracker, tmp_path: Path) -> None:
    """MLflow's comparison sets keys side by side: both must have each."""
    first = runs.log_candidate(tracker, "flights", judged(tmp_path, "a", None, k=8))
    second = runs.log_candidate(tracker, "flights", judged(tmp_path, "b", 1, k=16))
    assert first.data.params.keys() == second.data.params.keys()
    assert first.data.metrics.keys() == second.data.metrics.keys()
    assert (first.data.params["network.k"], second.data.params["network.k"]) == ("8", "16")
    assert {key for key in first.data.params if first.data.params[key] != second.data.params[key]} == {"network.k"}
    assert first.info.run_name == "candidate, 2013-06-03 to 2013-06-30, flights"
    chosen = runs.settings(TrainingConfig(network=NetworkConfig(k=8)), "network")
    assert {key: first.data.params[key] for key in chosen} == {
        key: "none" if value is None else str(value) for key, value in chosen.items()
    }
    assert first.data.params["evaluated_rows"] == "26123"


def test_a_candidate_stands_beside_what_it_was_judged_with(tracker: Tracker, tmp_path: Path) -> None:
    given = judged(tmp_path)
    candidate = runs.log_candidate(tracker, "flights", given)
    beside = nested(tracker, candidate.info.run_id)
    assert beside.keys() == {"baseline lightgbm", "baseline logistic", "baseline prior", "incumbent 2"}
    for name, run in {"network": candidate, **{key.split(" ")[-1]: run for key, run in beside.items() if "baseline" in key}}.items():
        assert {key: run.data.metrics[key] for key in runs.METRICS} == {
            key: getattr(given.evaluation.of(name), key).value for key in runs.METRICS
        }
        assert run.data.params["evaluation_window"] == "2013-06-03 to 2013-06-30"
        assert run.data.metrics["train_seconds"] > 0
    assert beside["incumbent 2"].data.metrics["log_loss"] == given.evaluation.of("incumbent").log_loss.value
    assert beside["baseline lightgbm"].info.run_name == "baseline lightgbm, 2013-06-03 to 2013-06-30, flights"
    assert beside["baseline lightgbm"].data.params.keys() & {"baselines.lightgbm_leaves", "network.k"} == {"baselines.lightgbm_leaves"}
    assert candidate.data.metrics.keys() - beside["baseline lightgbm"].data.metrics.keys() == {"train_log_loss"}
    assert candidate.data.tags["code_commit"] == "c0ffee"


def test_a_candidate_has_its_curves_and_documents(tracker: Tracker, tmp_path: Path) -> None:
    given = judged(tmp_path)
    candidate = runs.log_candidate(tracker, "flights", given)
    assert curve(tracker, candidate, "train_log_loss") == list(enumerate(LOSSES, start=1))
    assert curve(tracker, candidate, "fold_log_loss") == [(1, given.model.folds[0].log_loss), (2, given.model.folds[1].log_loss)]
    folder = Path(candidate.info.artifact_uri)
    for kind, record in (("config", given.model.config), ("split", given.model.split), ("evaluation", given.evaluation)):
        assert type(record).model_validate_json((folder / f"{kind}.json").read_text()) == record
    assert Decision.model_validate_json((folder / "decision.json").read_text()).verdict == Verdict.PROMOTE
    assert json.loads((folder / "features.json").read_text())["categorical"] == factory.CATEGORICAL
    assert {(folder / name / "file").read_text() for name in ("package", "bento", "dossier")} == {"a"}
    assert candidate.data.tags["dossier_digest"] == "d-a"


def test_a_candidate_logged_again_is_the_same_runs(tracker: Tracker, tmp_path: Path) -> None:
    first = runs.log_candidate(tracker, "flights", judged(tmp_path))
    before = {run.info.run_id for run in nested(tracker, first.info.run_id).values()}
    assert runs.log_candidate(tracker, "flights", judged(tmp_path)).info.run_id == first.info.run_id
    assert {run.info.run_id for run in nested(tracker, first.info.run_id).values()} == before
    # Judged anew, by other rules: what was said at first stays as it was.
    other: Evaluation = factory.evaluation().model_copy(update={"rows": 7})
    anew = runs.log_candidate(tracker, "flights", replace(judged(tmp_path), evaluation=other))
    assert anew.info.run_id != first.info.run_id


# --- searches ---------------------------------------------------------------------------------------------------------

FOLDS = [Window(first_day=date(2013, month, 1), last_day=date(2013, month, 28)) for month in (3, 4, 5)]
SPLIT = Split(
    training=Window(first_day=date(2013, 1, 1), last_day=date(2013, 5, 31)),
    evaluation=Window(first_day=date(2013, 6, 1), last_day=date(2013, 6, 28)),
    folds=FOLDS,
)
RULES = SearchConfig(trials=3, at_once=2, fewest_before_pruning=1, seed=1, space=[Range(setting="k", low=4, high=32, step=4)])


def trial(number: int, state: TrialState, losses: Sequence[float]) -> Trial:
    scores = [
        FoldScore(result=FoldResult(window=window, rows=100, log_loss=loss), losses=[0.6, 0.5], device="cpu", seconds=2.0)
        for window, loss in zip(FOLDS, losses, strict=False)
    ]
    return Trial(number=number, config=TrainingConfig(network=NetworkConfig(k=4 + 4 * number)), state=state, folds=scores)


def search(best: int | None, *trials: Trial) -> Search:
    return Search(identity="5ea", features_hash="f", split=SPLIT, base=TrainingConfig(), rules=RULES, trials=list(trials), best=best)


GOOD = trial(0, TrialState.COMPLETE, [0.5, 0.4, 0.6])
BETTER = trial(2, TrialState.COMPLETE, [0.4, 0.4, 0.4])


def test_a_search_is_a_run_with_its_trials_nested(tracker: Tracker) -> None:
    found = search(0, GOOD, trial(1, TrialState.PRUNED, [0.7]))
    tracked = runs.log_search(tracker, "flights", found)
    assert (tracked.experiment, tracked.tracking_uri, tracked.trials) == (tracker.experiment, tracker.uri, 2)
    parent = tracker.client.get_run(tracked.run_id)
    assert parent.info.run_name == "search, 2013-03-01 to 2013-05-28, flights"
    assert parent.info.status == "RUNNING"  # a trial is to come
    assert (parent.data.tags["best_trial"], parent.data.metrics["mean_log_loss"]) == ("00", pytest.approx(0.5))
    assert parent.data.params["search.space.k"] == "4 to 32"
    assert Search.model_validate_json((Path(parent.info.artifact_uri) / "search.json").read_text()) == found
    trials = nested(tracker, tracked.run_id)
    assert {name: (run.data.tags["state"], run.data.tags["best"], run.info.status) for name, run in trials.items()} == {
        "trial 00": ("complete", "true", "FINISHED"),
        "trial 01": ("pruned", "false", "FINISHED"),
    }
    assert trials["trial 01"].data.params["network.k"] == "8"
    assert curve(tracker, trials["trial 00"], "fold_log_loss") == [(1, 0.5), (2, 0.4), (3, 0.6)]
    assert trials["trial 00"].data.metrics["mean_log_loss"] == pytest.approx(0.5)


def test_a_search_tracked_again_adds_what_has_come_since(tracker: Tracker) -> None:
    early = runs.log_search(tracker, "flights", search(0, GOOD, trial(1, TrialState.RUNNING, [0.5])))
    before = nested(tracker, early.run_id)
    assert before["trial 01"].info.status == "RUNNING"
    late = runs.log_search(tracker, "flights", search(2, GOOD, trial(1, TrialState.COMPLETE, [0.5, 0.6, 0.7]), BETTER))
    assert late.run_id == early.run_id
    parent = tracker.client.get_run(late.run_id)
    assert (parent.info.status, parent.data.tags["best_trial"]) == ("FINISHED", "02")
    assert parent.data.metrics["mean_log_loss"] == pytest.approx(0.4)
    assert [value for _, value in curve(tracker, parent, "mean_log_loss")] == [pytest.approx(0.5), pytest.approx(0.4)]
    after = nested(tracker, late.run_id)
    assert after.keys() == {"trial 00", "trial 01", "trial 02"}
    assert {name: after[name].info.run_id for name in before} == {name: run.info.run_id for name, run in before.items()}
    assert [name for name, run in after.items() if run.data.tags["best"] == "true"] == ["trial 02"]
    assert (after["trial 01"].info.status, after["trial 01"].data.tags["state"]) == ("FINISHED", "complete")
    assert curve(tracker, after["trial 01"], "fold_log_loss") == [(1, 0.5), (2, 0.6), (3, 0.7)]
    assert after["trial 01"].data.metrics["mean_log_loss"] == pytest.approx(0.6)
    runs.log_search(tracker, "flights", search(2, GOOD, trial(1, TrialState.COMPLETE, [0.5, 0.6, 0.7]), BETTER))
    assert nested(tracker, late.run_id)["trial 02"].info.end_time == after["trial 02"].info.end_time
    back = runs.log_search(tracker, "flights", search(0, GOOD, trial(1, TrialState.RUNNING, [0.5])))
    parent = tracker.client.get_run(back.run_id)
    assert (parent.info.status, parent.data.tags["best_trial"]) == ("FINISHED", "02"), "what is behind changes nothing"


def test_a_pruned_trial_that_is_taken_up_again_is_brought_up_to_date(tracker: Tracker) -> None:
    runs.log_search(tracker, "flights", search(0, GOOD, trial(1, TrialState.PRUNED, [0.5])))
    tracked = runs.log_search(tracker, "flights", search(1, GOOD, trial(1, TrialState.COMPLETE, [0.5, 0.3, 0.3])))
    found = nested(tracker, tracked.run_id)["trial 01"]
    assert (found.data.tags["state"], found.data.tags["best"]) == ("complete", "true")
    assert curve(tracker, found, "fold_log_loss") == [(1, 0.5), (2, 0.3), (3, 0.3)]


def test_a_search_without_a_complete_trial_is_tracked(tracker: Tracker) -> None:
    tracked = runs.log_search(tracker, "flights", search(None, trial(0, TrialState.RUNNING, [])))
    assert tracker.client.get_run(tracked.run_id).data.tags["best_trial"] == "none"
    assert nested(tracker, tracked.run_id)["trial 00"].data.params["network.k"] == "4"
