"""What more history would bring, from a model's scores after training on growing shares of it.

Each step is paired: both models on the same rows of the same days. Log-loss falls with the number of rows n as
a + b n^-c (Viering and Loog, "The shape of learning curves: a review", TPAMI 2023, section 4): then each doubling brings
2^-c times what the one before brought, and the steps so far tell the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tasks.artifacts.data_value import DataValueRules, HistoryScores, LearningCurve, LearningPoint
from tasks.evidence import bootstrap
from tasks.evidence.bootstrap import Days


def judge(scores: HistoryScores, rules: DataValueRules) -> LearningCurve:
    """Judge whether more history would help: by the last step's paired gain, with its interval over days.

    Args:
        scores: Mean log-loss of each evaluation day, for each share of the history, shares rising.
        rules: The least gain that counts.
    """
    rows = np.asarray(scores.rows_by_day)
    days = Days.draw(np.repeat(np.arange(len(rows)), rows))
    # All sums are over days, so that each row may stand for its day's mean.
    losses = [np.repeat(np.asarray(history.log_loss_by_day, np.float64), rows) for history in scores.histories]
    gains = [bootstrap.mean(before - after, days) for before, after in pairwise(losses)]
    points = [
        LearningPoint(
            **history.model_dump(exclude={"log_loss_by_day"}),
            log_loss=bootstrap.mean(loss, days),
            gain_log_loss=gain,
        )
        for history, loss, gain in zip(scores.histories, losses, [None, *gains], strict=True)
    ]
    return LearningCurve(
        model=scores.model,
        window=scores.window,
        rows=int(rows.sum()),
        days=days.count,
        least_gain_log_loss=rules.least_gain_log_loss,
        points=points,
        last_gain_log_loss=gains[-1],
        next_gain_log_loss=next_gain([h.share for h in scores.histories], [gain.value for gain in gains]),
        would_help=gains[-1].lower > rules.least_gain_log_loss,
    )


def next_gain(shares: Sequence[float], gains: Sequence[float]) -> float | None:
    """Return what the next doubling would bring, by a power law through the gains of all doublings so far.

    Args:
        shares: Shares of the history, n of them, rising.
        gains: Gain of each over the one before, n - 1 of them.

    Returns:
        The gain, at most the last fitted one: a curve that grows steeper has not begun to be a power law. None unless
        there are two doublings or more and all gained.
    """
    doubles = np.allclose(np.divide(shares[1:], shares[:-1]), 2)
    if len(gains) < 2 or not doubles or min(gains) <= 0:
        return None
    slope, start = np.polyfit(np.arange(len(gains)), np.log(gains), 1)
    return float(np.exp(start + slope * (len(gains) - 1) + min(slope, 0.0)))
