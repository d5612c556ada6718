"""What every start's model said of every day, as sums by day: from these any policy of retraining is replayed in a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.artifacts.backtest import BacktestRules, Start
from tasks.artifacts.record import Window
from tasks.artifacts.settings import Costs
from tasks.errors import EvaluationError
from tasks.model.loss import row_cost, row_log_loss

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class History:
    """The matrix of models by the day on which they were trained.

    Attributes:
        starts: The days on which a model may be trained, in order.
        days: Consecutive local days, from the first evaluation day of the first start to the last labelled one.
        served: Position of the first day that is served, by the first start.
        delay: Days from a start to the first that its model serves.
        rows: Labelled rows of each day, shape (days,).
        loss: Sum of the log-loss, shape (starts, days); 0 before a start's evaluation.
        cost: Sum of the costs of decisions by each start's threshold, of the same shape.
        residual: Sum of label - probability, of the same shape.
        variance: Sum of probability * (1 - probability), of the same shape: what a calibrated model lets expect.
        seconds: Seconds of each training, shape (starts,).
        row_day: Day of each labelled row, shape (n,), rising.
        labels: Of these rows, shape (n,).
        probabilities: Of these rows by each start, float32 of shape (starts, n); NaN before a start's evaluation.
    """

    starts: Sequence[Start]
    days: Sequence[date]
    served: int
    delay: int
    rows: Array
    loss: Array
    cost: Array
    residual: Array
    variance: Array
    seconds: Array
    row_day: Numbers
    labels: Array
    probabilities: npt.NDArray[np.float32]

    @property
    def window(self) -> Window:
        """The days that are served."""
        return Window(first_day=self.days[self.served], last_day=self.days[-1])

    def at(self, day: date) -> int:
        """Return the position of a day."""
        return (day - self.days[0]).days

    def evaluation(self, start: int) -> slice:
        """Return the positions of a start's evaluation days."""
        window = self.starts[start].split.evaluation
        return slice(self.at(window.first_day), self.at(window.last_day) + 1)

    def first_served(self, start: int) -> int:
        """Return the position of the first whole day that a start's model can serve."""
        return self.at(self.starts[start].day) + self.delay

    def begun_at(self, start: int) -> History:
        """Return the history as it would be if nothing had been trained before a start."""
        kept = ("starts", "loss", "cost", "residual", "variance", "seconds", "probabilities")
        later = {name: getattr(self, name)[start:] for name in kept}
        return replace(self, served=self.first_served(start), **later)


def gather(features: pl.LazyFrame, scores: Sequence[pl.LazyFrame], starts: Sequence[Start], costs: Costs, rules: BacktestRules) -> History:
    """Put the scores of all starts beside the labels.

    Args:
        features: Rows with `batch_day` and `label`, in the order in which they were scored.
        scores: Of each start, with `start`, `row`, `probability`, `threshold`, `train_seconds`.
        starts: All of them, in order.
        costs: Of wrong decisions.
        rules: Days until a model serves.

    Raises:
        EvaluationError: If a start has no scores, or not of every row from its evaluation on.
    """
    first = starts[0].split.evaluation.first_day
    table = features.select("batch_day", "label").with_row_index("row").filter(pl.col("batch_day") >= first).collect()
    table = table.with_columns(pl.col("row").cast(pl.Int64)).sort("batch_day", "row")
    known = table.filter(pl.col("label").is_not_null())
    last = cast(date, known.get_column("batch_day").max())
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    row_day = (known.get_column("batch_day") - first).dt.total_days().to_numpy().astype(np.int64)
    labels = known.get_column("label").to_numpy().astype(np.float64)
    count = len(days)
    probabilities = np.full((len(starts), len(labels)), np.nan, np.float32)
    sums = np.zeros((4, len(starts), count))
    seconds = np.zeros(len(starts))
    found = {int(frame.get_column("start")[0]): frame for frame in map(pl.LazyFrame.collect, scores) if frame.height}
    position, height = known.get_column("row").to_numpy(), cast(int, table.get_column("row").max()) + 1
    absent = []
    for place, start in enumerate(starts):
        begin = int(np.searchsorted(row_day, (start.split.evaluation.first_day - first).days))
        frame = found.get(start.number)
        p = _of_rows(frame, position[begin:], height)
        if frame is None or np.isnan(p).any():
            absent.append(str(start.day))
            continue
        y, day, wide = labels[begin:], row_day[begin:], p.astype(np.float64)
        probabilities[place, begin:] = p
        seconds[place] = frame.get_column("train_seconds")[0]
        values = (row_log_loss(y, wide), row_cost(y, wide, float(frame.get_column("threshold")[0]), costs), y - wide, wide * (1 - wide))
        for kind, value in enumerate(values):
            sums[kind, place] = np.bincount(day, weights=value, minlength=count)
    if absent:
        shown = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
        raise EvaluationError(
            "every start must have scores of all rows from its evaluation on", f"not those of {shown}", "run the backtest again"
        )
    rows = np.bincount(row_day, minlength=count).astype(np.float64)
    served = (starts[0].day - first).days + rules.serving_delay_days
    loss, cost, residual, variance = sums
    delay = rules.serving_delay_days
    return History(starts, days, served, delay, rows, loss, cost, residual, variance, seconds, row_day, labels, probabilities)


def _of_rows(scores: pl.DataFrame | None, rows: Numbers, height: int) -> npt.NDArray[np.float32]:
    """Return the probability of each of some rows, NaN where there is none."""
    found = np.full(height, np.nan, np.float32)
    if scores is not None:
        found[scores.get_column("row").to_numpy()] = scores.get_column("probability").to_numpy()
    return found[rows]
