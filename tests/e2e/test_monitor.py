"""The monitor: drift put into the source after the champion's training makes a challenger."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from tests.e2e.harness import AS_OF, SMALL, Project

pytestmark = pytest.mark.e2e

WATCHED = "2013-04-20"
"""Ten days after the champion's last."""


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


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # mlflow's own, at import
def test_injected_drift_is_found_and_retrained(finished: Project, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    shutil.copytree(finished.source, folder)
    project = finished.copied(tmp_path / "home", str(folder))
    project.config.write_text(json.dumps(SMALL | {"lightgbm_share": 0.5}))  # a blend is judged beside a champion that is none
    _promote(project, 1)

    # From the day after the champion's on the wind is reported in another unit, 1.8 times the number.
    weather = pl.read_csv(folder / "weather.csv", infer_schema=False, null_values="NA")
    turned = [(pl.col(c).cast(pl.Float64) * 1.8).cast(pl.String).alias(c) for c in ("wind_speed", "wind_gust")]
    late = pl.col("time_hour") >= AS_OF
    weather.with_columns(pl.when(late).then(new).otherwise(pl.col(new.meta.output_name())) for new in turned).write_csv(
        folder / "weather.csv", null_value="NA"
    )

    watched = project.run("monitor", as_of=WATCHED)
    assert watched.status == 0, watched.output
    assert "CHALLENGE of champion 1" in watched.output
    assert "drift: weather (wind" in watched.output
    assert project.summary()["registered"]["version"] == 2
    assert project.summary()["evaluation"]["incumbent_version"] == 1
    assert "candidate  network with 50% LightGBM" in watched.output
    assert project.summary()["service"]["largest_difference"] < 1e-5
