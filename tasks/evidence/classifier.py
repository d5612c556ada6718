"""How well a classifier tells the newest days from those before: its AUC on days that it has not seen.

With rows split at random it would learn each day's weather and always win; so whole days are held out, in folds, and the interval
resamples whole days (Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", ICLR 2017, for rows that are independent).
It decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.artifacts.monitoring import Classifier, DriftRules
from tasks.evidence import bootstrap
from tasks.evidence.bootstrap import Days

_FOLDS = 4
_TREES, _LEAVES, _LEAST_ROWS = 60, 15, 50
"""Small trees: the question is whether there is a difference, not how large it can be made."""


def _inputs(rows: pl.DataFrame, columns: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return numbers as they are and names by how frequent they are, NaN for nulls, shape (n, columns)."""
    found = []
    for name in columns:
        column = rows.get_column(name)
        if column.dtype.is_numeric():
            numbers = column.cast(pl.Float32).fill_null(float("nan")).to_numpy()
        else:
            order = (
                column.cast(pl.String).value_counts(sort=True, parallel=False).drop_nulls().sort(["count", name], descending=[True, False])
            )
            codes = {value: float(place) for place, value in enumerate(order.get_column(name).to_list())}
            numbers = column.cast(pl.String).replace_strict(codes, default=None, return_dtype=pl.Float32).fill_null(float("nan")).to_numpy()
        found.append(np.where(np.isfinite(numbers), numbers, np.nan))
    return np.column_stack(found).astype(np.float32)


def _folds(days: npt.NDArray[np.int64], is_new: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the fold of each row; the days of either kind go to the folds in turn, so that each fold has both."""
    fold = np.zeros(len(days), dtype=np.int64)
    for kind in (True, False):
        own = np.unique(days[is_new == kind])
        for place, day in enumerate(own):
            fold[days == day] = place % _FOLDS
    return fold


def tell(rows: pl.DataFrame, columns: Sequence[str], last_day: date, rules: DriftRules) -> Classifier | None:
    """Return how well the newest days are told from those before.

    Args:
        rows: Rows with `batch_day` and the columns.
        columns: Features; those that the rows lack are left out.
        last_day: Newest day that is looked at.
        rules: Days, rows of a sample, and the reference.

    Returns:
        The AUC on days that were held out, with its interval; None with fewer than four days of either kind, or no column.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    start = last_day - timedelta(days=rules.classifier_days)
    rows = rows.filter(pl.col("batch_day").is_between(start - timedelta(days=rules.reference_days - 1), last_day))
    there = [name for name in columns if name in rows.columns and rows.get_column(name).null_count() < rows.height]
    if rows.height > rules.classifier_rows:
        rows = rows.sample(rules.classifier_rows, seed=rules.seed)
    is_new = (rows.get_column("batch_day") > start).to_numpy()
    days = rows.get_column("batch_day").to_physical().to_numpy().astype(np.int64)
    new_days, old_days = (len(np.unique(days[is_new == kind])) for kind in (True, False))
    if not there or min(new_days, old_days) < _FOLDS:
        return None
    inputs, fold = _inputs(rows, there), _folds(days, is_new)
    scores = np.empty(len(days))
    for held in range(_FOLDS):
        learn = fold != held
        # Both kinds weigh the same, or so few new rows are never told.
        weights = np.where(is_new, 0.5 / is_new[learn].mean(), 0.5 / (~is_new[learn]).mean())[learn]
        trees = HistGradientBoostingClassifier(
            max_iter=_TREES, max_leaf_nodes=_LEAVES, min_samples_leaf=_LEAST_ROWS, early_stopping=False, random_state=rules.seed
        )
        trees.fit(inputs[learn], is_new[learn], sample_weight=weights)
        scores[~learn] = trees.predict_proba(inputs[~learn])[:, 1]
    auc = bootstrap.auc(is_new.astype(np.float64), scores, Days.draw(days, seed=rules.seed))
    return Classifier(auc=auc, days=new_days, reference_days=old_days)
