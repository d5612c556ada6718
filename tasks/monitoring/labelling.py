"""Which predictions are worth a label: a budget a night, of which a part is drawn at random.

Labels that were chosen tell a model more, and an average over them tells nothing of the others. So a share of the budget is drawn from
all candidates alike, before anything is chosen, with a known chance: weighed by its inverse (Horvitz and Thompson, "A generalization of
sampling without replacement", JASA 47, 1952) these labels stay unbiased where decisions influence which labels come.

The rest goes to predictions near the decision threshold (uncertainty sampling: Settles, "Active learning literature survey", 2009,
section 3.1, with the distance in logits to the threshold in the place of 1/2) and to inputs unlike those that the champion was judged on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.artifacts.monitoring import LabellingRules, LabelQueue, QueuedLabel
from tasks.evidence.bootstrap import Array

UNCERTAIN, UNUSUAL, RANDOM = "uncertain", "unusual", "random"

_TAIL = 0.005  # of a feature's values on either side, and of its categories: one row in a hundred is unusual by chance
_CLIP = 1e-7  # as of the log-loss


def queue(
    predictions: pl.DataFrame,
    reference: pl.DataFrame,
    numeric: Sequence[str],
    categorical: Sequence[str],
    threshold: float,
    rules: LabellingRules,
    night: date,
    key: str | None = None,
) -> LabelQueue:
    """Choose predictions to be labelled; the same of the same, in whatever order they come.

    Args:
        predictions: The candidates: a row a prediction, with `prediction_id`, `probability` and features, that has no outcome and was
            never queued. Each should be a candidate on one night only, else its chance to be drawn is of several.
        reference: Rows of features that are usual, such as those of the champion's evaluation days.
        numeric: Numeric features; those that either frame lacks are left out.
        categorical: The others.
        threshold: Of the champion's decisions, above 0 and below 1.
        rules: The budget, and what of it goes where.
        night: The night, which with the seed draws the random ones.
        key: A column that names what was asked about: of several predictions of one, the first by id is a candidate.

    Returns:
        The queue: first the random ones, then the unusual and the uncertain, each with the highest score first.
    """
    rows = predictions.sort("prediction_id")
    if key is not None and key in rows.columns:
        rows = rows.filter(pl.col(key).is_null() | pl.col(key).is_first_distinct())
    near, odd = _nearness(rows, threshold), _oddness(rows, reference, numeric, categorical)
    count = rows.height
    budget = min(rules.budget, count)
    explored = min(budget, max(1, round(rules.budget * rules.exploration_share))) if budget else 0
    generator = np.random.default_rng([rules.seed, night.toordinal()])
    drawn = np.sort(generator.choice(count, explored, replace=False)) if explored else np.array([], dtype=np.int64)
    free = np.ones(count, dtype=np.bool_)
    free[drawn] = False
    unusual = _highest(np.where(free & (odd > 0), odd, -np.inf), round((budget - explored) * rules.unusual_share))
    free[unusual] = False
    uncertain = _highest(np.where(free, near, -np.inf), budget - explored - len(unusual))
    ids = rows.get_column("prediction_id").to_list()
    chosen = [
        *((row, RANDOM, near[row], explored / count) for row in drawn),
        *((row, UNUSUAL, odd[row], 1.0) for row in unusual),
        *((row, UNCERTAIN, near[row], 1.0) for row in uncertain),
    ]
    queued = [QueuedLabel(prediction_id=ids[row], reason=why, score=float(score), propensity=chance) for row, why, score, chance in chosen]
    return LabelQueue(night=night, candidates=count, queued=queued)


def _highest(scores: Array, most: int) -> npt.NDArray[np.int64]:
    """Return the positions of the highest finite scores, the highest first, of equal ones the first."""
    order = np.argsort(-scores, kind="stable")[:most]
    return order[np.isfinite(scores[order])]


def _nearness(rows: pl.DataFrame, threshold: float) -> Array:
    """Return how near each probability is to the threshold: 1 at it, less by a factor e for each unit of logit; shape (n,)."""
    p = np.clip(rows.get_column("probability").to_numpy().astype(np.float64), _CLIP, 1 - _CLIP)
    found: Array = np.exp(-np.abs(np.log(p / (1 - p)) - np.log(threshold / (1 - threshold))))
    return found


def _oddness(rows: pl.DataFrame, reference: pl.DataFrame, numeric: Sequence[str], categorical: Sequence[str]) -> Array:
    """Return the share of each row's features whose value hardly any row of the reference has; shape (n,)."""
    numbers, texts = ([n for n in names if n in rows.columns and n in reference.columns] for names in (numeric, categorical))
    if not reference.height or not (numbers or texts):
        return np.zeros(rows.height)
    odd = [_beyond(name, reference.get_column(name).cast(pl.Float64).fill_nan(None)) for name in numbers]
    for name in texts:
        shares = reference.select(pl.col(name).cast(pl.String).value_counts(normalize=True).struct.unnest())
        usual = shares.filter(pl.col("proportion") >= _TAIL).get_column(name).to_list()
        odd.append(~pl.col(name).cast(pl.String).is_in(usual, nulls_equal=True))
    return rows.select(pl.mean_horizontal(one.cast(pl.Float64) for one in odd)).to_series().to_numpy()


def _beyond(name: str, usual: pl.Series) -> pl.Expr:
    """Return whether a number is beyond the tails of the usual ones, or is none where hardly any of them is."""
    value = pl.col(name).cast(pl.Float64).fill_nan(None)
    low, high = (usual.quantile(share, "nearest") for share in (_TAIL, 1 - _TAIL))
    outside = pl.lit(True) if low is None else (value < low) | (value > high)
    return pl.when(value.is_null()).then(pl.lit(usual.null_count() < _TAIL * usual.len())).otherwise(outside)
