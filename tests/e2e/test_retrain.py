"""`retrain` as a user runs it: what it leaves, what it re-runs, and what a kill costs."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.e2e.harness import Project

pytestmark = pytest.mark.e2e

CACHEABLE = {"validation": (4, 2), "features": (1, 1), "training": (3, 3), "evaluation": (5, 5), "packaging": (1, 1), "serving": (1, 1)}
"""Stage to (tasks, tasks that can come from the cache)."""


def test_leaves_a_summary_a_report_and_a_registered_version(finished: Project) -> None:
    summary = finished.summary()
    assert summary["registered"]["version"] == 1
    assert summary["decision"]["verdict"] in ("PROMOTE", "HOLD")
    assert {model["name"] for model in summary["models"]} == {"network", "lightgbm", "logistic", "prior"}
    assert summary["service"]["largest_difference"] <= summary["service"]["tolerance"]
    assert all(bad["status"] == bad["expected_status"] for bad in summary["service"]["refusals"])
    folder = finished.home / "runs" / "latest"
    pages = sorted(folder.glob("*.html"))
    assert {"index.html", "ingest.html", "evaluate.html", "decide.html", "register.html"} <= {page.name for page in pages}
    for page in pages:
        text = page.read_text()
        assert len(text) < 500_000, page.name
        assert not re.search(r"""(src|href)=["']?https?:""", text), page.name


def test_everything_local_lies_below_home(finished: Project) -> None:
    assert {path.name for path in finished.home.iterdir()} >= {"lake", "mlflow.db", "outputs", "cache", "runs"}
    from diskcache import Cache

    with Cache(str(finished.home / "cache")) as cache:
        kept = b" ".join(cache[key] for key in cache)
    assert str(finished.home / "outputs").encode() in kept
    assert b"user_space" not in kept, "a cached output lies in a temporary directory"


@pytest.fixture
def again(finished: Project, copy_of_code: Path) -> Project:
    """The finished home with a copy of the code that a test may edit."""
    return Project(finished.home, finished.source, root=copy_of_code)


def test_nothing_changed_hits_everything(finished: Project) -> None:
    result = finished.run("retrain")
    assert result.status == 0, result.output
    assert {stage: finished.cached()[stage] for stage in CACHEABLE} == CACHEABLE
    assert finished.outcome() == finished.first


def test_a_changed_comment_hits_everything(again: Project) -> None:
    for path in (again.root / "tasks").rglob("*.py"):
        if path.read_text():
            path.write_text(path.read_text() + "\n# A comment more.\n")
    result = again.run("retrain")
    assert result.status == 0, result.output
    assert {stage: again.cached()[stage] for stage in CACHEABLE} == CACHEABLE


def test_a_changed_helper_of_evaluation_runs_evaluation_alone(again: Project) -> None:
    helper = again.root / "tasks" / "evidence" / "bootstrap.py"
    text = helper.read_text()
    assert "_CALIBRATION_BINS = 10" in text
    helper.write_text(text.replace("_CALIBRATION_BINS = 10", "_CALIBRATION_BINS = 11"))
    result = again.run("retrain")
    assert result.status == 0, result.output
    cached = again.cached()
    assert {stage: cached[stage] for stage in ("validation", "features", "training", "packaging", "serving")} == {
        stage: CACHEABLE[stage] for stage in ("validation", "features", "training", "packaging", "serving")
    }
    assert cached["evaluation"] == (5, 0)


def test_vanished_outputs_are_a_miss(finished: Project, tmp_path: Path) -> None:
    project = Project(tmp_path / "home", finished.source)
    shutil.copytree(finished.home / "cache", project.home / "cache")
    # The finished home's outputs, moved out of reach for as long as this run takes.
    hidden = finished.home.with_name("hidden")
    os.rename(finished.home / "outputs", hidden)
    try:
        result = project.run("training")
    finally:
        shutil.rmtree(finished.home / "outputs", ignore_errors=True)
        os.rename(hidden, finished.home / "outputs")
    assert result.status == 0, result.output
    assert "is gone" in result.output
    assert "training.train_network: done" in result.output


KILLS = (
    "ingestion.ingest: started",  # before or within the writes to the lake
    "features.build_features: started",
    "epoch 1 of 2",  # while the network trains
    "fold 1: epoch 2 of 2",  # with a fold behind it
    "packaging.build_package: started",  # while the Bento is built
    "serving.validate_service: started",  # while it serves
    "registry.register: started",  # while the version is made
)


def test_kills_cost_nothing_but_time(finished: Project, tmp_path: Path) -> None:
    """One run after another is killed, each further on than the one before, with what that one left."""
    project = Project(tmp_path / "home", finished.source)
    goes_on = {line: project.kill_when(line) for line in KILLS}
    result = project.run("retrain")
    assert result.status == 0, result.output
    assert project.outcome() == finished.first
    goes_on["end"] = result.output
    found = {line for line, output in goes_on.items() if re.search("checkpoint [0-9]+ found: .*fold 1", output)}
    assert found == {"packaging.build_package: started"}, "the run after the one that was killed with a fold behind it"
