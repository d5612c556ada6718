"""Models by the day on which they were trained, each scored on all days from its evaluation on: what a backtest replays.

A start is what the pipeline would have done on that day: the same split by time, folds and threshold, with nothing that was
not known by then. Every policy of retraining chooses among these models, so that a history of any number of policies costs
one training a start.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.artifacts.backtest import BacktestRules, Start
from tasks.artifacts.settings import TrainingConfig
from tasks.clock import labelled_before, labelled_in
from tasks.errors import SplitError
from tasks.model import preprocessing
from tasks.model.trained import Predictor
from tasks.training import baselines, threshold
from tasks.training.baselines import Encoded
from tasks.training.candidates import Task
from tasks.training.split import plan

log = logging.getLogger(__name__)


def plan_starts(frame: pl.LazyFrame, config: TrainingConfig, rules: BacktestRules, zone: str) -> list[Start]:
    """Return all days on which a model may be trained: from the first that has enough before it to the last that has a day after it.

    Args:
        frame: Features, with `batch_day`, `label` and `label_known_at`.
        config: Lengths of the windows, and the fewest rows of each.
        rules: Days between starts, and until a model serves.
        zone: Zone of the local days.

    Raises:
        SplitError: If fewer than two starts fit, or a window has too few rows or one class only.
    """
    labelled = frame.filter(pl.col("label").is_not_null()).select(pl.col("batch_day").max()).collect().item()
    first = frame.select(pl.col("batch_day").min()).collect().item()
    needed = config.training_days + config.folds * config.fold_days + config.evaluation_days
    days = []
    if labelled is not None:
        day, last = first + timedelta(days=needed), labelled - timedelta(days=rules.serving_delay_days)
        while day <= last:
            days.append(day)
            day += timedelta(days=rules.start_every_days)
    if len(days) < 2:
        raise SplitError(
            f"a backtest needs two starts, {rules.start_every_days} days apart, with {needed} days before the first",
            f"{len(days)}, in the days from {first} to {labelled}",
            "choose a later --as_of, or fewer days or folds in --config",
        )
    return [
        Start(number=n, day=day, learner=rules.learner, split=plan(frame, day - timedelta(days=1), config, zone))
        for n, day in enumerate(days)
    ]


def score_start(task: Task, start: Start, config: TrainingConfig, folder: Path) -> pl.DataFrame:
    """Train the model of one start and score it on every row from its evaluation days on.

    Args:
        task: What to learn; its split is the start's.
        start: The start.
        config: How.
        folder: Where the network's bundle and checkpoints may stand.

    Returns:
        A row for each row of the features from the first evaluation day on, labelled or not: `start`, `row` (its position in the
        features), `probability` (float32), and the same in all rows: `threshold`, `train_seconds`, `training_rows`.
    """
    began = time.perf_counter()
    model, decision, training_rows = _network(task, config, folder) if start.learner == "network" else _lightgbm(task, config)
    seconds = time.perf_counter() - began
    columns = [*task.numeric, *task.categorical]
    numbered = task.features.with_row_index("row").filter(pl.col("batch_day") >= start.split.evaluation.first_day)
    rows = numbered.select("row", *columns).collect()
    log.info("start %d, %s: %s rows in %.1f s, threshold %.3f", start.number, start.day, f"{training_rows:,}", seconds, decision)
    return pl.DataFrame({"row": rows.get_column("row").cast(pl.Int64), "probability": model.predict(rows).astype(np.float32)}).select(
        pl.lit(start.number, pl.Int64).alias("start"),
        "row",
        "probability",
        threshold=pl.lit(decision, pl.Float64),
        train_seconds=pl.lit(seconds, pl.Float64),
        training_rows=pl.lit(training_rows, pl.Int64),
    )


def _lightgbm(task: Task, config: TrainingConfig) -> tuple[Predictor, float, int]:
    """Return LightGBM with its threshold and number of training rows, as the pipeline's baseline is made."""
    (known, encoding), *folds = [_known(task, window.first_day) for window in (task.split.evaluation, *task.split.folds)]
    tested = []
    for window, (train, encoded_by) in zip(task.split.folds, folds, strict=True):
        held_out = labelled_in(task.features, window.first_day, window.last_day).select(*encoded_by.columns, "label").collect()
        tested.append((Encoded.of(train, encoded_by), Encoded.of(held_out, encoded_by)))
    model, predicted = baselines.fit_lightgbm(Encoded.of(known, encoding), encoding, config.baselines, tested)
    labels = np.concatenate([test.labels for _, test in tested])
    return model, threshold.cheapest(labels, np.concatenate(predicted), task.missed_cost, task.needless_cost), known.height


def _known(task: Task, day: Any) -> tuple[pl.DataFrame, preprocessing.Preprocessing]:
    rows = labelled_before(task.features, day, task.zone).select(*task.numeric, *task.categorical, "label").collect()
    return rows, preprocessing.fit(rows, task.numeric, task.categorical)


def _network(task: Task, config: TrainingConfig, folder: Path) -> tuple[Predictor, float, int]:
    """Return the network that the pipeline would have served, with its threshold and number of training rows."""
    from tasks.model.trained import load_network
    from tasks.training import candidates, network
    from tasks.training.checkpoints import Checkpoints

    place = Checkpoints(folder / "checkpoints", "start", arithmetic=network.arithmetic(config.device))
    trained = candidates.train_network(task, config, folder / "network", place)
    return load_network(folder / "network", trained.bundle_digest), trained.threshold, trained.training_rows
