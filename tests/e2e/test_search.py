"""A search, killed and begun again: what was trained is not trained again, and MLflow has each trial once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.harness import SMALL, Project

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("finished")]

RULES = {
    "trials": 3,
    "at_once": 2,
    "fewest_before_pruning": 1,
    "space": [
        {"setting": "width", "low": 16, "high": 48, "step": 16},
        {"setting": "learning_rate", "low": 0.001, "high": 0.01, "is_log": True},
    ],
    "seed": 1,
}


def test_a_search_that_was_killed_goes_on(finished: Project, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    project = Project(tmp_path / "home", finished.source)
    shutil.copytree(finished.home / "cache", project.home / "cache")  # up to the features
    project.options = ["--rules", json.dumps(RULES)]
    project.kill_when("training.score_fold: done", "search")
    result = project.run("search")
    assert result.status == 0, result.output
    assert result.output.count("training.score_fold: unchanged") == 1
    assert result.output.count("training.score_fold: done") == RULES["trials"] - 1
    (record,) = (project.home / "searches").glob("*.json")
    search = json.loads(record.read_text())
    losses = {trial["number"]: trial["folds"][0]["result"]["log_loss"] for trial in search["trials"]}
    assert losses.keys() == {0, 1, 2}
    assert search["best"] == min(losses, key=lambda number: losses[number])
    assert search["trials"][0]["config"]["network"] | SMALL["network"] == search["trials"][0]["config"]["network"]
    client = MlflowClient(f"sqlite:///{project.home / 'mlflow.db'}")
    (experiment,) = [found for found in client.search_experiments() if found.name != "Default"]
    runs = client.search_runs([experiment.experiment_id])
    trials = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert len(runs) == 1 + len(trials) == 4
    assert {run.data.metrics["mean_log_loss"] for run in trials} == set(losses.values())
