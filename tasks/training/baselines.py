"""The baselines that every network is shown beside: logistic regression and LightGBM, on the same inputs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tasks.artifacts.settings import BaselineConfig, Outcome
from tasks.model.loss import log_loss
from tasks.model.preprocessing import Codes, Floats, Preprocessing
from tasks.model.trained import LightgbmModel, LogisticModel, Probabilities, import_lightgbm
from tasks.training.reweighing import WEIGHT

log = logging.getLogger(__name__)

_ROW = "__row"


@dataclass(frozen=True)
class Encoded:
    """Encoded rows with what came of them.

    Attributes:
        numbers: Shape (n, width).
        codes: Shape (n, categories).
        labels: Shape (n,).
        outcomes: Whether further thresholds were reached, shape (n, outcomes), NaN where that is not known; None for none.
        weights: What each row's label counts, shape (n,); None where all count alike.
    """

    numbers: Floats
    codes: Codes
    labels: Floats
    outcomes: Floats | None = None
    weights: Floats | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)

    @classmethod
    def of(cls, rows: pl.DataFrame, encoding: Preprocessing, outcomes: Sequence[Outcome] = ()) -> Encoded:
        """Encode rows that have the columns of the encoding and of the outcomes, and a `label` of 0 or 1; with weights if they have any."""
        numbers, codes = encoding.encode(rows)
        labels = rows.get_column("label").to_numpy().astype(np.float32)
        reached = thresholds(outcomes)
        known = np.require(rows.select(reached).to_numpy(), np.float32, ["C", "W"]) if reached else None
        weights = rows.get_column(WEIGHT).to_numpy().astype(np.float32) if WEIGHT in rows.columns else None
        return cls(numbers, codes, labels, known, weights)

    @property
    def targets(self) -> Floats:
        """Labels and outcomes side by side, and the weights behind them if there are any: shape (n, 1 + outcomes (+ 1))."""
        labels = self.labels[:, None]
        beside = [part for part in (self.outcomes, None if self.weights is None else self.weights[:, None]) if part is not None]
        return np.hstack([labels, *beside]) if beside else labels


def thresholds(outcomes: Sequence[Outcome]) -> list[pl.Expr]:
    """Return whether each threshold of each outcome is reached, as 0 or 1; NaN where the outcome is not known."""
    return [
        (pl.col(outcome.column).fill_nan(None) >= threshold).cast(pl.Float32).fill_null(np.nan).alias(f"{outcome.column} {threshold:g}")
        for outcome in outcomes
        for threshold in outcome.thresholds
    ]


def evenly(rows: pl.LazyFrame, count: int, most: int) -> pl.LazyFrame:
    """Keep `most` rows of `count`, evenly spread, in their order: what does not learn in parts learns from these."""
    number = pl.col(_ROW).cast(pl.Int64)
    return rows.with_row_index(_ROW).filter((number + 1) * most // count > number * most // count).drop(_ROW)


def fit_logistic(rows: Encoded, preprocessing: Preprocessing, config: BaselineConfig) -> LogisticModel:
    """Fit logistic regression with an L2 penalty on the standardised numbers and one-hot codes.

    By Newton's method: rows are many and columns few, so that a handful of steps reach the optimum, where quasi-Newton ones
    take three times as long and stop before it.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OneHotEncoder

    encoder = OneHotEncoder(categories=[np.arange(n) for n in preprocessing.cardinalities], sparse_output=False)
    inputs = np.hstack([rows.numbers, encoder.fit_transform(rows.codes)])  # of doubles, which the line search needs
    model = LogisticRegression(C=config.logistic_c, solver="newton-cholesky", tol=1e-6).fit(inputs, rows.labels)
    weights = model.coef_[0]
    ends = np.cumsum([preprocessing.width, *preprocessing.cardinalities])
    parts = np.split(weights, ends[:-1])
    return LogisticModel(preprocessing, float(model.intercept_[0]), parts[0].tolist(), [part.tolist() for part in parts[1:]])


def lightgbm_parameters(config: BaselineConfig) -> dict[str, Any]:
    """Return LightGBM's own parameters for a config."""
    return {
        "objective": "binary",
        "num_leaves": config.lightgbm_leaves,
        "learning_rate": config.lightgbm_learning_rate,
        "min_data_in_leaf": 200,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 10.0,
        "cat_smooth": 50.0,
        "num_threads": config.threads,
        "seed": config.seed,
        "deterministic": True,
        "force_col_wise": True,
        "verbose": -1,
    }


def boost(rows: Encoded, config: BaselineConfig, rounds: int) -> Any:
    """Return LightGBM after a number of rounds on encoded rows."""
    lightgbm = import_lightgbm()
    inputs = np.hstack([rows.numbers, rows.codes])
    categorical = list(range(rows.numbers.shape[1], inputs.shape[1]))
    data = lightgbm.Dataset(inputs, rows.labels, weight=rows.weights, categorical_feature=categorical, free_raw_data=True)
    return lightgbm.train(lightgbm_parameters(config), data, num_boost_round=rounds)


def fit_lightgbm(
    rows: Encoded, preprocessing: Preprocessing, config: BaselineConfig, folds: Sequence[tuple[Encoded, Encoded]]
) -> tuple[LightgbmModel, list[Probabilities]]:
    """Fit LightGBM with the number of rounds that is best over the folds together.

    Args:
        rows: Rows of the final fit.
        preprocessing: Their encoding.
        config: Learning rate, leaves, most rounds.
        folds: Training and test rows of each fold.

    Returns:
        The model, and the out-of-time probabilities on each fold's test rows with that number of rounds.
    """
    steps = sorted({*range(50, config.lightgbm_rounds, 50), config.lightgbm_rounds})
    boosters = [boost(train, config, config.lightgbm_rounds) for train, _ in folds]
    curves = [
        {n: booster.predict(np.hstack([test.numbers, test.codes]), num_iteration=n) for n in steps}
        for booster, (_, test) in zip(boosters, folds, strict=True)
    ]
    losses = {n: float(np.mean([log_loss(test.labels, curve[n]) for curve, (_, test) in zip(curves, folds, strict=True)])) for n in steps}
    best = min(losses, key=lambda n: (losses[n], n))
    log.info("lightgbm: %d rounds are best on the folds, log-loss %.4f", best, losses[best])
    return LightgbmModel(preprocessing, boost(rows, config, best)), [curve[best] for curve in curves]
