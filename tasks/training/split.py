"""The split by time: training days, rolling-origin folds, evaluation days. A row is never trained on before its label.

A model that is asked about a window is trained on the labels that were known at the window's start, which is what it
would have had in operation.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from tasks.artifacts.record import Window
from tasks.artifacts.settings import TrainingConfig
from tasks.artifacts.training import Split
from tasks.clock import labelled_before, labelled_in
from tasks.errors import SplitError

_MEND = "choose a later --as_of, or fewer days or folds in TRAINING of tasks/usecase/policy.py"


def plan(frame: pl.LazyFrame, last_day: date, config: TrainingConfig, zone: str) -> Split:
    """Plan the split that ends with the last labelled day.

    Args:
        frame: Features, with `batch_day`, `label` and `label_known_at`.
        last_day: The last local day whose labels are complete.
        config: Lengths of the windows, and the fewest rows of each.
        zone: Zone of the local days.

    Raises:
        SplitError: If the days do not suffice, or a window has too few rows or one class only.
    """
    first_day = frame.select(pl.col("batch_day").min()).collect().item()
    needed = config.training_days + config.folds * config.fold_days + config.evaluation_days
    have = (last_day - first_day).days + 1 if first_day else 0
    if have < needed:
        raise SplitError(
            f"training needs {needed} labelled days ({config.training_days} before {config.folds} folds of "
            f"{config.fold_days}, and {config.evaluation_days} for evaluation)",
            f"{have}",
            _MEND,
        )
    evaluation = _window(last_day, config.evaluation_days)
    folds: list[Window] = []
    end = evaluation.first_day - timedelta(days=1)
    for _ in range(config.folds):
        folds.insert(0, _window(end, config.fold_days))
        end = folds[0].first_day - timedelta(days=1)
    split = Split(
        training=Window(first_day=first_day, last_day=evaluation.first_day - timedelta(days=1)), evaluation=evaluation, folds=folds
    )
    for window in (*split.folds, split.evaluation):
        _require_classes(labelled_before(frame, window.first_day, zone), f"training rows before {window.first_day}", config)
        _require_classes(labelled_in(frame, window.first_day, window.last_day), f"rows of {window}", config)
    return split


def _window(last_day: date, days: int) -> Window:
    return Window(first_day=last_day - timedelta(days=days - 1), last_day=last_day)


def _require_classes(rows: pl.LazyFrame, what: str, config: TrainingConfig) -> None:
    total, positive = rows.select(pl.len().alias("n"), pl.col("label").cast(pl.Int64).sum().alias("p")).collect().row(0)
    if total < config.evaluation_rows:
        raise SplitError(f"the {what} must be at least {config.evaluation_rows}", f"{total}", _MEND)
    if positive in (0, total):
        raise SplitError(
            f"the {what} must have labels of both classes", f"{positive} positive of {total}", "look at the labels of the source"
        )
