"""LightGBM on growing histories of toy data: its scores fall where older days are like the newest, and not where they mislead."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.artifacts.data_value import HistoryScores
from tasks.artifacts.record import Window
from tasks.artifacts.settings import BaselineConfig
from tasks.artifacts.training import Split
from tasks.model.loss import log_loss
from tasks.training import learning_curve
from tasks.training.candidates import Task
from tasks.usecase import policy

pytestmark = pytest.mark.unit

FIRST, TRAINING_DAYS, TEST_DAYS, ROWS_BY_DAY = date(2013, 1, 1), 32, 8, 120
CONFIG = BaselineConfig(lightgbm_rounds=60, lightgbm_leaves=4, lightgbm_learning_rate=0.2, threads=1)
RULES = policy.DATA_VALUE.model_copy(update={"history_shares": [0.25, 0.5, 1.0]})
NUMERIC, CATEGORICAL = ["a", "b", "c", "d"], ["kind"]


def task(*, misleading_days: int = 0) -> Task:
    """Return a task; in the first days of those that mislead, the labels follow the numbers the other way round."""
    generator = np.random.default_rng(0)
    day = np.repeat(np.arange(TRAINING_DAYS + TEST_DAYS), ROWS_BY_DAY)
    values = generator.normal(size=(len(day), len(NUMERIC)))
    sign = np.where(day < misleading_days, -1, 1)
    label = generator.random(len(day)) < 1 / (1 + np.exp(-1.5 * sign * values.sum(1)))
    known = [datetime.combine(FIRST, datetime.min.time(), UTC) + timedelta(days=int(d), hours=20) for d in day]
    frame = pl.DataFrame(
        {
            "batch_day": [FIRST + timedelta(days=int(d)) for d in day],
            "label_known_at": pl.Series(known, dtype=pl.Datetime("us", "UTC")),
            "label": label.astype(np.int8),
            **{name: values[:, i] for i, name in enumerate(NUMERIC)},
            "kind": [f"k{k}" for k in generator.integers(0, 3, len(day))],
        }
    )
    test = FIRST + timedelta(days=TRAINING_DAYS)
    split = Split(
        training=Window(first_day=FIRST, last_day=test - timedelta(days=1)),
        evaluation=Window(first_day=test, last_day=test + timedelta(days=TEST_DAYS - 1)),
        folds=[],
    )
    return Task(frame.lazy(), "hash", NUMERIC, CATEGORICAL, split, "UTC", 4.0, 1.0)


def mean(scores: HistoryScores) -> list[float]:
    return [float(np.average(history.log_loss_by_day, weights=scores.rows_by_day)) for history in scores.histories]


@pytest.fixture(scope="module")
def alike() -> HistoryScores:
    return learning_curve.score_histories(task(), CONFIG, RULES)


def test_log_loss_falls_where_more_data_helps(alike: HistoryScores) -> None:
    quarter, half, whole = mean(alike)
    assert quarter > half + 0.005
    assert half > whole + 0.005


def test_log_loss_does_not_fall_where_older_days_mislead() -> None:
    scores = learning_curve.score_histories(task(misleading_days=TRAINING_DAYS // 2), CONFIG, RULES)
    _, half, whole = mean(scores)
    assert whole > half


def test_each_history_is_the_newest_share_of_the_days(alike: HistoryScores) -> None:
    end = FIRST + timedelta(days=TRAINING_DAYS)
    assert [(h.share, h.training_days, h.first_day) for h in alike.histories] == [
        (share, days, end - timedelta(days=days)) for share, days in ((0.25, 8), (0.5, 16), (1.0, 32))
    ]
    assert [h.training_rows for h in alike.histories] == [days * ROWS_BY_DAY for days in (8, 16, 32)]
    assert all(1 <= h.rounds <= CONFIG.lightgbm_rounds for h in alike.histories)


def test_all_are_scored_on_the_same_days(alike: HistoryScores) -> None:
    assert alike.days == [FIRST + timedelta(days=TRAINING_DAYS + i) for i in range(TEST_DAYS)]
    assert alike.rows_by_day == [ROWS_BY_DAY] * TEST_DAYS
    assert {len(h.log_loss_by_day) for h in alike.histories} == {TEST_DAYS}


def test_no_label_of_the_evaluation_days_is_learnt(alike: HistoryScores) -> None:
    """Other labels there change the scores and nothing else."""
    made = task()
    late = pl.col("batch_day") >= made.split.evaluation.first_day
    changed = made.features.with_columns(label=pl.when(late).then(1 - pl.col("label")).otherwise("label").cast(pl.Int8))
    other = learning_curve.score_histories(Task(**{**vars(made), "features": changed}), CONFIG, RULES)
    assert [h.rounds for h in other.histories] == [h.rounds for h in alike.histories]
    assert all(m > log_loss([0, 1], [0.5, 0.5]) for m in mean(other))  # worse than knowing nothing, as they are turned round


def test_a_label_that_came_too_late_is_not_learnt(alike: HistoryScores) -> None:
    made = task()
    last = pl.col("batch_day") == made.split.training.last_day
    later = made.features.with_columns(
        label_known_at=pl.when(last).then(pl.col("label_known_at") + timedelta(days=1)).otherwise("label_known_at")
    )
    scores = learning_curve.score_histories(Task(**{**vars(made), "features": later}), CONFIG, RULES)
    assert [a.training_rows - b.training_rows for a, b in zip(alike.histories, scores.histories, strict=True)] == [ROWS_BY_DAY] * 3


def test_the_same_inputs_give_the_same_scores(alike: HistoryScores) -> None:
    assert learning_curve.score_histories(task(), CONFIG, RULES) == alike
