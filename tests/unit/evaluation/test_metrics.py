"""Models side by side: every number is that of the same rows."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from tasks.artifacts.evaluation import Evaluation, WeakSegments
from tasks.artifacts.record import SuiteCondition, Window
from tasks.artifacts.settings import Costs, SegmentRules
from tasks.errors import EvaluationError
from tasks.evaluation import metrics

pytestmark = pytest.mark.unit

ROWS = 400
COSTS = Costs(missed=4, needless=1)
WINDOW = Window(first_day=date(2013, 11, 1), last_day=date(2013, 11, 28))
THRESHOLDS = {"network": 0.4, "lightgbm": 0.5, "logistic": 0.5, "prior": 0.5, "incumbent": 0.6}
NOTHING_WEAK = WeakSegments(searched=WINDOW, confirmed_on=WINDOW, level=0.05, found=[])


def scored() -> pl.DataFrame:
    generator = np.random.default_rng(3)
    label = generator.integers(0, 2, ROWS)

    noise = generator.normal(0, 0.1, ROWS)  # shared: some rows are hard for every model

    def model(strength: float) -> Any:
        return np.clip(0.5 + strength * (label - 0.5) + noise, 0.01, 0.99)

    days = [WINDOW.first_day + timedelta(days=i % 28) for i in range(ROWS)]
    return pl.DataFrame(
        {
            "batch_day": days,
            "label": label,
            "network": model(0.4),
            "lightgbm": model(0.3),
            "logistic": model(0.1),
            "prior": np.full(ROWS, 0.3),
            "incumbent": model(0.2),
        }
    )


SCORED = scored()
RULES = SegmentRules(
    fewest_rows=30, fewest_days=7, search_rows=100, search_features=2, smallest_share=0.1, least_excess=0, most_found=1, level=0.05
)
EWR = np.arange(ROWS) % 2 == 0


def evaluate(incumbent: int | None = 3, frame: pl.DataFrame = SCORED, **given: Any) -> Evaluation:
    suite = [SuiteCondition(check="drift", condition="below 0.2", passed=True, details="0.1")]
    named = {"origin EWR": EWR}
    return metrics.evaluate(frame, named, THRESHOLDS, COSTS, RULES, WINDOW, "digest", incumbent, suite, NOTHING_WEAK, **given)


@pytest.fixture(scope="module")
def beside() -> Evaluation:
    return evaluate()


@pytest.mark.parametrize("model", ["network", "lightgbm", "logistic", "incumbent"])
def test_values_are_those_of_scikit_learn(beside: Evaluation, model: str) -> None:
    found, labels, scores = beside.of(model), SCORED["label"].to_numpy(), SCORED[model].to_numpy()
    assert found.log_loss.value == pytest.approx(log_loss(labels, scores))
    assert found.auc.value == pytest.approx(roc_auc_score(labels, scores))
    assert found.brier.value == pytest.approx(brier_score_loss(labels, scores))
    flagged = scores >= THRESHOLDS[model]
    assert found.cost.value == pytest.approx((4 * (~flagged & (labels == 1)) + 1 * (flagged & (labels == 0))).mean())
    assert found.threshold == THRESHOLDS[model]


@pytest.mark.parametrize("model", ["network", "lightgbm", "logistic", "incumbent"])
def test_intervals_hold_their_values(beside: Evaluation, model: str) -> None:
    for name, interval in beside.of(model):
        if name not in ("model", "threshold", "calibration_error"):  # the last is biased upwards by resampling
            assert interval.lower < interval.value < interval.upper, name


@pytest.mark.parametrize("model", ["lightgbm", "logistic", "incumbent"])
def test_gains_are_paired_and_positive_for_the_better_network(beside: Evaluation, model: str) -> None:
    gain = beside.gains[model]
    assert gain.value == pytest.approx(beside.of(model).log_loss.value - beside.of("network").log_loss.value)
    assert gain.lower > 0
    # Paired: the interval is narrower than the two apart.
    apart = sum(beside.of(m).log_loss.upper - beside.of(m).log_loss.lower for m in (model, "network"))
    assert gain.upper - gain.lower < apart


def test_without_an_incumbent_its_column_is_not_read(beside: Evaluation) -> None:
    found = evaluate(None, SCORED.with_columns(incumbent=pl.lit(None, dtype=pl.Float64)))
    assert [m.model for m in found.metrics] == ["network", "lightgbm", "logistic", "prior"]
    assert "incumbent" not in found.gains
    assert all(segment.paired is None for segment in found.segments)
    assert found.of("network") == beside.of("network")


def test_the_overall_segment_is_the_whole(beside: Evaluation) -> None:
    assert [(s.segment, s.rows) for s in beside.segments] == [("all", ROWS), ("origin EWR", ROWS // 2)]
    assert beside.segments[0].log_loss == beside.of("network").log_loss
    assert beside.segments[0].cost == beside.of("network").cost
    assert (beside.rows, beside.base_rate) == (ROWS, pytest.approx(SCORED["label"].mean()))


def test_a_threshold_a_row_decides_where_it_is_given(beside: Evaluation) -> None:
    found = evaluate(by_row={"network": np.where(EWR, 0.4, 2.0)})  # elsewhere nothing is flagged
    labels, flagged = SCORED["label"].to_numpy(), (SCORED["network"].to_numpy() >= 0.4) & EWR
    assert found.of("network").cost.value == pytest.approx((4 * (~flagged & (labels == 1)) + 1 * (flagged & (labels == 0))).mean())
    assert found.of("lightgbm") == beside.of("lightgbm")
    assert found.of("network").threshold == 0.4


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        (SCORED.with_columns(label=pl.lit(0)), "400 rows with label 0"),  # nobody was late
        (SCORED.head(0), "got none"),
    ],
    ids=["one class", "no rows"],
)
def test_rows_of_one_label_are_refused(frame: pl.DataFrame, found: str) -> None:
    with pytest.raises(EvaluationError, match=found):
        evaluate(frame=frame)


def test_calibration_and_suite_come_along(beside: Evaluation) -> None:
    assert sum(b.rows for b in beside.calibration) == ROWS
    assert [c.check for c in beside.suite] == ["drift"]
    assert Evaluation.model_validate_json(beside.model_dump_json()) == beside


@pytest.mark.parametrize(
    ("rows", "is_same"),
    [
        (SCORED, True),
        (SCORED.reverse(), False),
        (SCORED.head(10), False),
        (SCORED.with_columns(label=1 - pl.col("label")), False),
    ],
    ids=["same", "another order", "fewer", "other labels"],
)
def test_rows_of_another_order_are_found(rows: pl.DataFrame, is_same: bool) -> None:
    with nullcontext() if is_same else pytest.raises(EvaluationError, match="in their order"):
        metrics.require_aligned(SCORED.with_columns(pl.col("batch_day").cast(pl.Datetime("ns"))), rows)
