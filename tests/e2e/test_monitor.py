"""The monitor: drift put into the source after the champion's training is told, and a challenger is trained, once."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.e2e.harness import SMALL, Project, Result

pytestmark = pytest.mark.e2e

EARLY, WATCHED = "2013-04-13T18:00:00", "2013-04-15T18:00:00"
"""Four and six days after the champion's last: after the cool-down, and before the next candidate is due by the calendar."""

DRIFTED = date(2013, 3, 30)
"""With a sixth of the flights a day, it takes two weeks to be sure."""

OF, TO = ["UA", "EV", "B6", "DL", "AA", "MQ"], ["EV", "B6", "DL", "AA", "MQ", "UA"]
"""Carriers, and what they are called once a mapping of codes has slipped by one."""

quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # mlflow's own, at import


def _promote(project: Project, version: int) -> None:
    """Make a version the champion, as a person does in MLflow."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{project.home / 'mlflow.db'}", registry_uri=f"sqlite:///{project.home / 'mlflow.db'}")
    client.set_registered_model_alias("nyc-late-flights", "champion", str(version))


def test_without_a_champion_it_says_what_to_do(tmp_path: Path, small_source: str) -> None:
    result = Project(tmp_path / "home", small_source).run("monitor", as_of=WATCHED)
    assert result.status != 0
    assert "must have a champion" in " ".join(result.output.replace("│", " ").split()), result.output
    assert "Traceback" not in result.output


def _decision(project: Project, night: str) -> dict[str, Any]:
    """Return the row of a night in the lake."""
    row = pl.read_delta(str(project.home / "lake" / "nights")).filter(pl.col("night").cast(pl.String) == night)
    return dict(json.loads(row.item(0, "decision")))


@pytest.fixture(scope="module")
def watched(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Result, Result]:
    """Two monitored nights, of which the second asks for a challenger: from a day on, carriers have each other's codes."""
    folder = tmp_path_factory.mktemp("drifted") / "source"
    shutil.copytree(finished.source, folder)
    project = finished.copied(tmp_path_factory.mktemp("watched") / "home", str(folder))
    project.config.write_text(json.dumps(SMALL | {"lightgbm_share": 0.5}))  # a blend is judged beside a champion that is none
    _promote(project, 1)
    flights = pl.read_csv(folder / "flights.csv", infer_schema=False, null_values="NA")
    day = pl.date(pl.col("year").cast(pl.Int32), pl.col("month").cast(pl.Int32), pl.col("day").cast(pl.Int32))
    slipped = pl.when(day >= DRIFTED).then(pl.col("carrier").replace(dict(zip(OF, TO, strict=True))))
    flights.with_columns(slipped.otherwise("carrier").alias("carrier")).write_csv(folder / "flights.csv", null_value="NA")
    first = project.run("monitor", as_of=EARLY)
    assert first.status == 0, first.output
    return project, first, project.run("monitor", as_of=WATCHED)


@quiet
def test_one_nights_drift_is_told_with_its_page(watched: tuple[Project, Result, Result]) -> None:
    project, first, _ = watched
    decision = _decision(project, "2013-04-12")
    assert decision["action"] == "ALERT"
    (drift,) = [evidence for evidence in decision["evidence"] if evidence["told"].startswith("drift: schedule (carrier")]
    assert drift["runbook"] == "operations/runbook.md#drift"
    assert "nothing done" in first.output
    assert "docs/operations/runbook.md#drift" in first.output


@quiet
def test_drift_that_lasts_trains_a_challenger_once(watched: tuple[Project, Result, Result]) -> None:
    """Missed nights are caught up; only tonight acts, by drift alone; the same night asked again acts no more."""
    project, _, second = watched
    assert second.status == 0, second.output
    nights = pl.read_delta(str(project.home / "lake" / "nights")).sort("night")
    assert nights.get_column("night").dt.day().to_list() == [12, 13, 14]
    assert [json.loads(report)["is_late"] for report in nights.get_column("report")] == [False, True, False]
    assert nights.get_column("action").to_list() == ["ALERT", "ALERT", "CHALLENGE"]
    asked = {evidence["rule"] for evidence in _decision(project, "2013-04-14")["evidence"] if evidence["action"] == "CHALLENGE"}
    assert asked == {"drift"}
    assert project.summary()["registered"]["version"] == 2
    assert project.summary()["evaluation"]["incumbent_version"] == 1
    assert "candidate  network with 50% LightGBM" in second.output
    assert project.summary()["service"]["largest_difference"] < 1e-5
    (lease,) = pl.read_delta(str(project.home / "lake" / "leases")).to_dicts()
    assert lease["ended_at"] is not None
    assert lease["outcome"].startswith("challenger: version 2")

    again = project.run("monitor", as_of=WATCHED)
    assert again.status == 0, again.output
    assert "nothing done: ALERT" in again.output
    assert project.summary()["registered"]["version"] == 2


@quiet
def test_the_nights_are_files_too(watched: tuple[Project, Result, Result]) -> None:
    project, _, _ = watched
    folder = project.home / "monitoring"
    report = json.loads((folder / "2013-04-14.json").read_text())
    assert report["champion_version"] == 1
    assert "2013-04-14.html" in (folder / "index.html").read_text()
    assert "carrier" in (folder / "2013-04-13.html").read_text()


@quiet
def test_a_clock_that_goes_backwards_is_refused(watched: tuple[Project, Result, Result]) -> None:
    project, _, _ = watched
    result = project.run("monitor", as_of="2013-04-11")
    assert result.status != 0
    assert "must not be before the newest that was watched" in " ".join(result.output.replace("│", " ").split()), result.output
    assert "Traceback" not in result.output
