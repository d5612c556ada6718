"""The matrix of models by start: sums by day are those of the rows, and a start without all its scores is told."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.artifacts.settings import Costs
from tasks.backtest import history
from tasks.errors import EvaluationError
from tasks.model.loss import row_cost, row_log_loss
from tests.unit.backtest.toy import EVALUATION, FIRST, RULES, starts

pytestmark = pytest.mark.unit

COSTS = Costs(missed=4.0, needless=1.0)
DAYS, COUNT = 35, 3


def made(seed: int, *, shuffled: bool = False) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Return features, some without a label, and the scores of three starts."""
    generator = np.random.default_rng(seed)
    day = np.repeat(np.arange(DAYS), generator.integers(1, 9, DAYS))
    if shuffled:
        generator.shuffle(day)
    label = pl.Series(generator.integers(0, 2, len(day)), dtype=pl.Int8)
    is_null = pl.Series((generator.random(len(day)) < 0.2) & (day < DAYS - 1))  # the last day has labels: it ends the history
    features = pl.DataFrame({"batch_day": [FIRST + timedelta(days=int(d)) for d in day], "label": label.set(is_null, None)})
    scores = []
    for start in starts(COUNT):
        rows = features.with_row_index("row").filter(pl.col("batch_day") >= start.split.evaluation.first_day)
        scores.append(
            rows.select(
                start=pl.lit(start.number, pl.Int64),
                row=pl.col("row").cast(pl.Int64),
                probability=pl.Series(generator.random(rows.height).astype(np.float32)),
                threshold=pl.lit(0.1 + 0.2 * start.number),
                train_seconds=pl.lit(float(start.number)),
                training_rows=pl.lit(1, pl.Int64),
            )
        )
    return features, scores


def gathered(features: pl.DataFrame, scores: list[pl.DataFrame]) -> history.History:
    return history.gather(features.lazy(), [one.lazy() for one in scores], starts(COUNT), COSTS, RULES)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), shuffled=st.booleans(), order=st.permutations(range(COUNT)))
def test_sums_by_day_are_those_of_the_rows(seed: int, shuffled: bool, order: list[int]) -> None:
    features, scores = made(seed, shuffled=shuffled)
    found = gathered(features, [scores[n] for n in order])
    for start, one in enumerate(scores):
        joined = features.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64)).join(one, on="row", how="inner")
        known = joined.filter(pl.col("label").is_not_null())
        y, p = known.get_column("label").to_numpy().astype(float), known.get_column("probability").to_numpy()
        day = (known.get_column("batch_day") - FIRST).dt.total_days().to_numpy()
        expected = np.bincount(day, weights=row_log_loss(y, p), minlength=DAYS)
        assert found.loss[start] == pytest.approx(expected)
        cost = row_cost(y, p.astype(float), 0.1 + 0.2 * start, COSTS)
        assert found.cost[start] == pytest.approx(np.bincount(day, weights=cost, minlength=DAYS))
    assert found.rows.sum() == features.get_column("label").drop_nulls().len()
    assert (np.diff(found.row_day) >= 0).all()
    assert found.seconds.tolist() == [0.0, 1.0, 2.0]


def test_places_of_days() -> None:
    found = gathered(*made(1))
    assert found.evaluation(1) == slice(7, 7 + EVALUATION)
    assert found.first_served(0) == found.served == EVALUATION + 1
    assert found.window.last_day == FIRST + timedelta(days=DAYS - 1)


def test_a_history_that_begins_later_has_the_same_days() -> None:
    found = gathered(*made(1))
    later = found.begun_at(1)
    assert [start.number for start in later.starts] == [1, 2]
    assert later.served == found.first_served(1) == later.first_served(0)
    assert later.evaluation(0) == found.evaluation(1)
    assert (later.loss[0] == found.loss[1]).all()


def test_missing_scores_are_told_all_at_once() -> None:
    features, scores = made(1)
    with pytest.raises(EvaluationError, match=r"not those of 2013-01-15, 2013-01-29"):
        gathered(features, [scores[0][:-3], scores[1]])
