"""The monitor: drift put into the source after the champion's training is told, and a challenger is trained, once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.e2e.harness import AS_OF, SMALL, Project, Result

pytestmark = pytest.mark.e2e

EARLY, WATCHED = "2013-04-15T18:00:00", "2013-04-20T18:00:00"
"""Five and ten days after the champion's last: within the cool-down, and after it."""

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
    """Two monitored nights, of which the second asks for a challenger: the wind is in another unit from the champion's last day on."""
    folder = tmp_path_factory.mktemp("drifted") / "source"
    shutil.copytree(finished.source, folder)
    project = finished.copied(tmp_path_factory.mktemp("watched") / "home", str(folder))
    project.config.write_text(json.dumps(SMALL | {"lightgbm_share": 0.5}))  # a blend is judged beside a champion that is none
    _promote(project, 1)
    weather = pl.read_csv(folder / "weather.csv", infer_schema=False, null_values="NA")
    turned = [(pl.col(c).cast(pl.Float64) * 1.8).cast(pl.String).alias(c) for c in ("wind_speed", "wind_gust")]
    late = pl.col("time_hour") >= AS_OF
    weather.with_columns(pl.when(late).then(new).otherwise(pl.col(new.meta.output_name())) for new in turned).write_csv(
        folder / "weather.csv", null_value="NA"
    )
    first = project.run("monitor", as_of=EARLY)
    assert first.status == 0, first.output
    return project, first, project.run("monitor", as_of=WATCHED)


@quiet
def test_drift_within_the_cool_down_only_alerts(watched: tuple[Project, Result, Result]) -> None:
    project, first, _ = watched
    decision = _decision(project, "2013-04-14")
    assert decision["action"] == "ALERT"
    assert any(e["told"].startswith("drift: weather (wind") for e in decision["evidence"]), decision
    assert "nothing done" in first.output
    assert "docs/operations/runbook.md#drift" in first.output, "an alert names its page"


@quiet
def test_later_it_trains_a_challenger_once(watched: tuple[Project, Result, Result]) -> None:
    """Missed nights are caught up in order; only tonight acts; the same night asked again acts no more."""
    project, _, second = watched
    assert second.status == 0, second.output
    nights = pl.read_delta(str(project.home / "lake" / "nights")).sort("night")
    assert nights.get_column("night").dt.day().to_list() == [14, 15, 16, 17, 18, 19]
    assert [json.loads(report)["is_late"] for report in nights.get_column("report")] == [False, True, True, True, True, False]
    assert nights.get_column("action").to_list()[1:] == ["ALERT"] * 4 + ["CHALLENGE"]
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
    report = json.loads((folder / "2013-04-19.json").read_text())
    assert report["champion_version"] == 1
    assert "2013-04-19.html" in (folder / "index.html").read_text()
    assert "wind" in (folder / "2013-04-14.html").read_text()


@quiet
def test_a_clock_that_goes_backwards_is_refused(watched: tuple[Project, Result, Result]) -> None:
    project, _, _ = watched
    result = project.run("monitor", as_of="2013-04-12")
    assert result.status != 0
    assert "must not be before the newest that was watched" in " ".join(result.output.replace("│", " ").split()), result.output
    assert "Traceback" not in result.output
