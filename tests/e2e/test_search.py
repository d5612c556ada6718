"""A search, killed and begun again: what was trained is not trained again, and MLflow has each trial once."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.harness import SMALL, Project

pytestmark = pytest.mark.e2e

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
    project = Project(tmp_path / "home", finished.source)
    shutil.copytree(finished.home / "cache", project.home / "cache")  # up to the features
    project.options = ["--rules", json.dumps(RULES)]
    project.kill_when("training.score_fold: started", "search", times=2)  # with one behind it
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
    with closing(sqlite3.connect(project.home / "mlflow.db")) as tracked:
        names = [name for (name,) in tracked.execute("SELECT name FROM runs ORDER BY name")]
        means = {mean for (mean,) in tracked.execute("SELECT value FROM latest_metrics WHERE key = 'mean_log_loss'")}
    assert [name.split(",")[0] for name in names] == ["search", "trial 00", "trial 01", "trial 02"]
    assert means == set(losses.values())
