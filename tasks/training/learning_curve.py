"""LightGBM trained on growing shares of the newest history, scored on the same evaluation days.

LightGBM, as it is as good as the network on these data and trains in seconds. What the scores mean for more data is
evaluation's to say.
"""

from __future__ import annotations

import logging
from datetime import date, timedelta

import polars as pl

from tasks.artifacts.data_value import DataValueRules, HistoryScore, HistoryScores
from tasks.artifacts.settings import BaselineConfig
from tasks.clock import labelled_before, labelled_in
from tasks.model import preprocessing
from tasks.model.loss import row_log_loss
from tasks.model.trained import LightgbmModel
from tasks.training import baselines
from tasks.training.baselines import Encoded
from tasks.training.candidates import Task

log = logging.getLogger(__name__)


def score_histories(task: Task, config: BaselineConfig, rules: DataValueRules) -> HistoryScores:
    """Train on each share of the training days, the newest ones, and score each model on the evaluation days.

    The encoding is fitted on each share alone, and so is the number of boosting rounds, on the newest of its own days:
    rounds that suit a long history would let a short one overfit and more data seem dear.

    Args:
        task: What to learn, and the split by time.
        config: How LightGBM is trained.
        rules: Shares of the history.
    """
    window = task.split.evaluation
    needed = ["batch_day", *task.numeric, *task.categorical, "label"]
    test = labelled_in(task.features, window.first_day, window.last_day).select(needed).collect().sort("batch_day", maintain_order=True)
    days = test.get_column("batch_day")
    counted = test.group_by("batch_day", maintain_order=True).len()
    total = (window.first_day - task.split.training.first_day).days
    histories = []
    for share in sorted(rules.history_shares):
        length = max(2, round(total * share))  # a day to choose the rounds on, and one before it
        first = window.first_day - timedelta(days=length)
        rows = _known(task, window.first_day, first).select(needed).collect()
        held = rows.get_column("batch_day").unique().sort().to_list()  # not the calendar's: a day may have no rows
        inner = held[-max(1, round(len(held) * rules.inner_share))]
        before = _known(task, inner, first).select(needed).collect()
        model = _fit(rows, before, rows.filter(pl.col("batch_day") >= inner), task, config)
        losses = pl.Series(row_log_loss(test.get_column("label").to_numpy(), model.predict(test)))
        by_day = pl.DataFrame({"day": days, "loss": losses}).group_by("day", maintain_order=True).mean()
        log.info("learning curve: %d days, %s rows, log-loss %.4f", length, f"{rows.height:,}", losses.mean())
        histories.append(
            HistoryScore(
                share=share,
                first_day=first,
                training_days=length,
                training_rows=rows.height,
                rounds=model.booster.num_trees(),
                log_loss_by_day=by_day.get_column("loss").to_list(),
            )
        )
    return HistoryScores(
        model="lightgbm",
        window=window,
        days=counted.get_column("batch_day").to_list(),
        rows_by_day=counted.get_column("len").to_list(),
        histories=histories,
    )


def _known(task: Task, before: date, first: date) -> pl.LazyFrame:
    return labelled_before(task.features, before, task.zone).filter(pl.col("batch_day") >= first)


def _fit(rows: pl.DataFrame, before: pl.DataFrame, newest: pl.DataFrame, task: Task, config: BaselineConfig) -> LightgbmModel:
    inner, final = (preprocessing.fit(frame, task.numeric, task.categorical) for frame in (before, rows))
    fold = (Encoded.of(before, inner), Encoded.of(newest, inner))
    return baselines.fit_lightgbm(Encoded.of(rows, final), final, config, [fold])[0]
