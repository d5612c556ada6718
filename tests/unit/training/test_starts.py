"""Starts of a backtest: which days they are, that each learns from what was known by then, and that it scores every later row."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.artifacts.backtest import Start
from tasks.artifacts.settings import BaselineConfig, TrainingConfig
from tasks.errors import SplitError
from tasks.training import candidates, starts
from tasks.training.candidates import Task
from tasks.training.split import plan
from tests.unit.backtest.toy import RULES

pytestmark = pytest.mark.unit

FIRST, DAYS, ROWS_BY_DAY = date(2013, 1, 1), 70, 40
CONFIG = TrainingConfig(
    baselines=BaselineConfig(lightgbm_rounds=60, lightgbm_leaves=4, lightgbm_learning_rate=0.2, threads=1),
    evaluation_days=14,
    folds=1,
    fold_days=14,
    training_days=14,
)


def frame(days: int = DAYS, first: date = FIRST) -> pl.LazyFrame:
    """Return rows whose labels follow a number; the last row of each day has no label, as if it was cancelled."""
    generator = np.random.default_rng(0)
    day = np.repeat(np.arange(days), ROWS_BY_DAY)
    values = generator.normal(size=len(day))
    label = pl.Series((generator.random(len(day)) < 1 / (1 + np.exp(-2 * values))).astype(np.int8))
    known = [datetime.combine(first, datetime.min.time(), UTC) + timedelta(days=int(d), hours=20) for d in day]
    is_cancelled = pl.Series(np.arange(len(day)) % ROWS_BY_DAY == ROWS_BY_DAY - 1)
    return pl.DataFrame(
        {
            "batch_day": [first + timedelta(days=int(d)) for d in day],
            "label_known_at": pl.Series(known, dtype=pl.Datetime("us", "UTC")),
            "label": label.set(is_cancelled, None),
            "a": values,
            "kind": [f"k{k}" for k in generator.integers(0, 3, len(day))],
        }
    ).lazy()


def task(features: pl.LazyFrame, start: Start) -> Task:
    return Task(features, "hash", ["a"], ["kind"], start.split, "UTC", 4.0, 1.0)


def test_starts_are_all_days_with_enough_before_and_one_after_them() -> None:
    found = starts.plan_starts(frame(), CONFIG, RULES, "UTC")
    assert [start.day for start in found] == [FIRST + timedelta(days=day) for day in (42, 49, 56, 63)]
    assert [start.number for start in found] == [0, 1, 2, 3]
    assert found[2].split == plan(frame(), found[2].day - timedelta(days=1), CONFIG, "UTC"), "as the pipeline splits on that day"
    assert found[-1].day + timedelta(days=RULES.serving_delay_days) <= FIRST + timedelta(days=DAYS - 1)


@pytest.mark.parametrize("days", [1, 30, 44, 49])  # of 49 the first start alone has a day after it
def test_too_short_a_history_is_told(days: int) -> None:
    with pytest.raises(SplitError, match="a backtest needs two starts"):
        starts.plan_starts(frame(days), CONFIG, RULES, "UTC")


def test_nothing_without_labels_is_a_history() -> None:
    with pytest.raises(SplitError, match="a backtest needs two starts"):
        starts.plan_starts(frame().with_columns(label=pl.lit(None, pl.Int8)), CONFIG, RULES, "UTC")


def test_a_start_is_the_lightgbm_that_the_pipeline_trains(tmp_path: Path) -> None:
    features = frame()
    start = starts.plan_starts(features, CONFIG, RULES, "UTC")[1]
    scores = starts.score_start(task(features, start), start, CONFIG, tmp_path)
    first = (start.split.evaluation.first_day - FIRST).days * ROWS_BY_DAY
    assert scores.get_column("row").to_list() == list(range(first, DAYS * ROWS_BY_DAY)), "labelled or not"
    pipeline = candidates.train_baselines(task(features, start), CONFIG, tmp_path / "bundle")[0]
    assert scores.get_column("threshold").unique().to_list() == [pipeline.threshold]
    assert scores.get_column("training_rows").unique().to_list() == [pipeline.training_rows]
    assert scores.get_column("start").unique().to_list() == [1]
    late = features.collect()[first:]
    p = scores.get_column("probability").to_numpy()
    assert np.corrcoef(p, late.get_column("a").to_numpy())[0, 1] > 0.8


def test_what_comes_later_changes_no_model(tmp_path: Path) -> None:
    features = frame()
    start = starts.plan_starts(features, CONFIG, RULES, "UTC")[0]
    turned = pl.when(pl.col("batch_day") >= start.split.evaluation.first_day).then(1 - pl.col("label")).otherwise(pl.col("label"))
    later = features.with_columns(label=turned.cast(pl.Int8))
    ours, theirs = (starts.score_start(task(rows, start), start, CONFIG, tmp_path) for rows in (features, later))
    kept = ["row", "probability", "threshold"]
    assert ours.select(kept).equals(theirs.select(kept))


def test_the_network_is_trained_as_the_pipeline_trains_it(tmp_path: Path) -> None:
    features = frame()
    small = CONFIG.network.model_copy(
        update={"k": 1, "width": 8, "blocks": 1, "bins": 4, "epochs": 1, "embedding_width": 2, "outcome_weight": 0.0}
    )
    config = CONFIG.model_copy(update={"network": small, "device": "cpu"})
    rules = RULES.model_copy(update={"learner": "network"})
    start = starts.plan_starts(features, config, rules, "UTC")[0]
    assert start.learner == "network"
    scores = starts.score_start(task(features, start), start, config, tmp_path)
    assert scores.get_column("probability").is_between(0, 1).all()
    assert scores.height == features.filter(pl.col("batch_day") >= start.split.evaluation.first_day).collect().height
