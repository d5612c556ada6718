"""Histories whose best schedule is known: models that differ by what they lose on a day."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from tasks.artifacts.backtest import BacktestRules, Start
from tasks.artifacts.record import Window
from tasks.artifacts.training import Split
from tasks.backtest.history import Array, History

FIRST = date(2013, 1, 1)
EVALUATION = 14
RULES = BacktestRules(
    learner="lightgbm",
    start_every_days=7,
    serving_delay_days=1,
    cadences=[1, 2, 4],
    psi=0.2,
    naive_days=7,
    residual_days=7,
    residual_z=3.0,
    cool_down_days=7,
    gate_margin=0.0,
    phases=3,
    random_schedules=500,
    least_gain_share=0.9,
    most_promotions_share=1 / 3,
    most_beaten_share=0.05,
)


def starts(count: int) -> list[Start]:
    """Return starts seven days apart, the first after its evaluation days."""
    found = []
    for number in range(count):
        day = FIRST + timedelta(days=EVALUATION + 7 * number)
        window = Window(first_day=day - timedelta(days=EVALUATION), last_day=day - timedelta(days=1))
        found.append(Start(number=number, day=day, learner="lightgbm", split=Split(training=window, evaluation=window, folds=[])))
    return found


def history(log_loss: Array, *, rows_by_day: int = 40, delay: int = 1, seed: int = 0) -> History:
    """Return a history from the mean log-loss of each start on each day, shape (starts, days); rows are drawn to go with it."""
    count, days = log_loss.shape
    generator = np.random.default_rng(seed)
    rows = np.full(days, float(rows_by_day))
    row_day = np.repeat(np.arange(days), rows_by_day)
    labels = (generator.random(len(row_day)) < 0.3).astype(np.float64)
    probabilities = np.clip(0.3 + 0.2 * (labels - 0.3)[None, :] * np.linspace(0.2, 1, count)[:, None], 0.01, 0.99).astype(np.float32)
    wide = probabilities.astype(np.float64)
    residual, variance = (
        np.stack([np.bincount(row_day, weights=value, minlength=days) for value in values]).astype(np.float64)
        for values in (labels - wide, wide * (1 - wide))
    )
    return History(
        starts=starts(count),
        days=[FIRST + timedelta(days=day) for day in range(days)],
        served=EVALUATION + delay,
        delay=delay,
        rows=rows,
        loss=log_loss * rows,
        cost=np.tile(rows, (count, 1)),
        residual=residual,
        variance=variance,
        seconds=np.full(count, 10.0),
        row_day=row_day,
        labels=labels,
        probabilities=probabilities,
    )


def improving(count: int = 9, *, better_from: int = 4, gain: float = 0.05, seed: int = 0) -> History:
    """Return a history in which models are alike until one start, from which on they are better, on days that differ for all alike."""
    days = EVALUATION + 7 * count
    generator = np.random.default_rng(seed)
    weather = 0.5 + generator.normal(0, 0.05, days)
    noise = generator.normal(0, 0.001, (count, days))
    return history(weather + noise - gain * (np.arange(count) >= better_from)[:, None])
