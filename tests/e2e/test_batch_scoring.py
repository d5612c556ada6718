"""Days scored in batch: through the command, from the cache where nothing changed, and as the service would answer."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.e2e.harness import AS_OF, Project
from tests.e2e.test_monitor import _promote

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),  # mlflow's own, at import
]

DAYS = [date(2013, 4, 7), date(2013, 4, 8)]


@pytest.fixture(scope="module")
def project(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return finished.copied(tmp_path_factory.mktemp("scored") / "home", finished.source)


def score(project: Project, first: object, last: object, *more: str):  # type: ignore[no-untyped-def]  # a Result
    inputs = ["--first_day", str(first), "--last_day", str(last), "--as_of", AS_OF, "--source", project.source, *more]
    return project.ask("batch_scoring", "batch_scoring", *inputs)


def registry(project: Project) -> Any:
    from mlflow import MlflowClient

    uri = f"sqlite:///{project.home / 'mlflow.db'}"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def test_without_a_champion_it_says_what_to_do(project: Project) -> None:
    registry(project).delete_registered_model_alias("nyc-late-flights", "champion")
    result = score(project, *DAYS)
    assert result.status != 0
    assert "must have a champion" in " ".join(result.output.replace("│", " ").split()), result.output
    assert "Traceback" not in result.output


def test_days_are_scored_as_the_service_answers(project: Project) -> None:
    from tasks.model.fetch import fetch
    from tasks.serving.predictor import Predictor, rounded

    _promote(project, 1)
    result = score(project, *DAYS)
    assert result.status == 0, result.output
    again = score(project, *DAYS)
    assert again.status == 0, again.output
    assert again.output.count("serving.score_day: unchanged, from the cache") == len(DAYS)

    stored = pl.read_delta(str(project.home / "lake" / "scores")).sort("predicted_at", "row_id")
    flights = (
        pl.read_delta(str(project.home / "lake" / "features")).filter(pl.col("batch_day").is_in(DAYS)).sort("predicted_at", "flight_id")
    )
    assert stored.get_column("row_id").to_list() == flights.get_column("flight_id").to_list()
    assert flights.get_column("label").null_count() > 0, "cancelled flights are scored, too"

    predictor = Predictor(fetch(registry(project).get_model_version("nyc-late-flights", "1").source))
    assert set(stored.get_column("package")) == {predictor.digest[:12]}
    asked = flights.select(predictor.numeric + predictor.categorical).to_dicts()
    for size in (1, 3, 7, 50, len(asked)):
        parts = [asked[i : i + size] for i in range(0, len(asked), size)]
        found = np.concatenate([rounded(predictor.probabilities(predictor.encode(part))) for part in parts])
        assert np.array_equal(found, stored.get_column("probability").to_numpy()), f"{size} rows at once"
    asked_for_groups = flights.to_dicts()
    assert predictor.flag(asked_for_groups, found).tolist() == stored.get_column("flagged").to_list()


@pytest.mark.parametrize(
    ("first", "last", "more", "words"),
    [
        ("2013-04-08", "2013-04-20", (), "each day must lie within the data, 2013-01-01 to 2013-04-09"),
        ("2013-04-08", "2013-04-08", ("--model_version", "99"), "must have version 99"),
    ],
)
def test_what_cannot_be_scored(project: Project, first: str, last: str, more: tuple[str, ...], words: str) -> None:
    result = score(project, first, last, *more)
    assert result.status != 0
    assert words in " ".join(result.output.replace("│", " ").split()), result.output
    assert "Traceback" not in result.output


def test_the_collection_runs_on_an_empty_log(project: Project) -> None:
    result = project.ask("collect", "collect", "--as_of", AS_OF, "--source", project.source)
    assert result.status == 0, result.output
    assert '"segments":0' in result.output
    assert "there is neither a canary nor a shadow" in result.output
