"""Whether more history would help, from scores of which the answer is known."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.data_value import HistoryScore, HistoryScores, LearningCurve
from tasks.artifacts.record import Window
from tasks.evaluation import learning_curve
from tasks.usecase import policy

pytestmark = pytest.mark.unit

FIRST, DAYS = date(2013, 9, 2), 20
SHARES = (0.125, 0.25, 0.5, 1.0)
RULES = policy.DATA_VALUE.model_copy(update={"least_gain_log_loss": 0.001})


def scores(losses: Any, spread: float = 0.0, shares: tuple[float, ...] = SHARES) -> HistoryScores:
    """Return scores of which all days share their swings, and differ in each model by the spread as well."""
    generator = np.random.default_rng(3)
    swings = generator.normal(0, 0.1, DAYS)
    return HistoryScores(
        model="lightgbm",
        window=Window(first_day=FIRST, last_day=FIRST + timedelta(days=DAYS - 1)),
        days=[FIRST + timedelta(days=i) for i in range(DAYS)],
        rows_by_day=[50 + i for i in range(DAYS)],
        histories=[
            HistoryScore(
                share=share,
                first_day=FIRST - timedelta(days=int(100 * share)),
                training_days=int(100 * share),
                training_rows=int(9000 * share),
                rounds=100,
                log_loss_by_day=list(loss + swings + generator.normal(0, spread, DAYS)),
            )
            for share, loss in zip(shares, losses, strict=True)
        ],
    )


def judge(losses: Any, spread: float = 0.0, shares: tuple[float, ...] = SHARES) -> LearningCurve:
    return learning_curve.judge(scores(losses, spread, shares), RULES)


@pytest.mark.parametrize(
    ("losses", "spread", "would_help"),
    [
        ((0.50, 0.46, 0.43, 0.41), 0.0, True),  # each step gains, days swing together
        ((0.50, 0.46, 0.43, 0.41), 0.005, True),
        ((0.50, 0.46, 0.43, 0.4295), 0.0, False),  # it gains, but less than what counts
        ((0.50, 0.46, 0.43, 0.43), 0.005, False),  # flat at the end, however steep before
        ((0.50, 0.46, 0.43, 0.45), 0.0, False),  # older days do harm
        ((0.50, 0.46, 0.43, 0.41), 0.2, False),  # the days disagree too much to tell
    ],
)
def test_more_data_would_help_where_the_last_step_certainly_gained(losses: Any, spread: float, would_help: bool) -> None:
    assert judge(losses, spread).would_help is would_help


def test_gains_are_paired() -> None:
    curve = judge((0.50, 0.46, 0.43, 0.41))
    assert [p.gain_log_loss and round(p.gain_log_loss.value, 6) for p in curve.points] == [None, 0.04, 0.03, 0.02]
    last = curve.points[-1]
    assert last.gain_log_loss == curve.last_gain_log_loss
    assert curve.last_gain_log_loss.upper - curve.last_gain_log_loss.lower < 1e-9  # all days swing together
    assert last.log_loss.upper - last.log_loss.lower > 0.05


def test_days_count_by_their_rows() -> None:
    found = scores((0.5, 0.4, 0.3, 0.2), 0.01)
    weights = np.asarray(found.rows_by_day)
    curve = learning_curve.judge(found, RULES)
    assert (curve.rows, curve.days) == (weights.sum(), DAYS)
    for point, history in zip(curve.points, found.histories, strict=True):
        assert point.log_loss.value == pytest.approx(np.average(history.log_loss_by_day, weights=weights))
        assert (point.training_days, point.training_rows, point.rounds) == (history.training_days, history.training_rows, 100)


def test_a_power_law_is_carried_on() -> None:
    n = np.array([1, 2, 4, 8, 16]) * 1000
    losses = 0.35 + 3 * n**-0.6
    curve = judge(losses[:4])
    assert curve.next_gain_log_loss == pytest.approx(losses[3] - losses[4], rel=1e-6)


@pytest.mark.parametrize(
    ("shares", "gains", "expected"),
    [
        ((0.25, 0.5, 1.0), (0.02, 0.01), 0.005),
        ((0.25, 0.5, 1.0), (0.01, 0.02), 0.02),  # steeper: no more than the last step
        ((0.25, 0.5, 1.0), (0.02, -0.01), None),  # a loss has no power law
        ((0.25, 0.5, 1.0), (0.02, 0.0), None),
        ((0.5, 1.0), (0.02,), None),  # one step gives no slope
        ((0.2, 0.5, 1.0), (0.02, 0.01), None),  # steps that do not double are not alike
    ],
)
def test_the_next_gain(shares: tuple[float, ...], gains: tuple[float, ...], expected: float | None) -> None:
    assert learning_curve.next_gain(shares, gains) == (expected if expected is None else pytest.approx(expected))


def test_two_points_are_a_curve() -> None:
    curve = judge((0.5, 0.4), shares=(0.5, 1.0))
    assert curve.would_help
    assert curve.next_gain_log_loss is None
    assert LearningCurve.model_validate_json(curve.model_dump_json()) == curve
