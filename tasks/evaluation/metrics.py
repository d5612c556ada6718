"""Models side by side on the same rows: metrics, paired gains and segments, each with its interval over days."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from tasks.artifacts.evaluation import MODELS, CalibrationBin, Evaluation, ModelMetrics, SegmentMetrics
from tasks.artifacts.record import SuiteCondition, Window
from tasks.artifacts.settings import Costs
from tasks.evaluation import bootstrap
from tasks.evaluation.bootstrap import Array, Days
from tasks.model.loss import row_log_loss

log = logging.getLogger(__name__)

CANDIDATE, INCUMBENT = "network", "incumbent"
_FEWEST_SEGMENT_ROWS = 30  # fewer rows, or one class only, are noise and are left out


def row_cost(labels: Array, probabilities: Array, threshold: float, costs: Costs) -> Array:
    """Return the cost of the decision on each row, shape (n,): flagged from the threshold upwards."""
    flagged = probabilities >= threshold
    return np.where(flagged, costs.needless * (1 - labels), costs.missed * labels)


def evaluate(
    scored: pl.DataFrame,
    features: pl.DataFrame,
    segments: Mapping[str, pl.Expr],
    thresholds: Mapping[str, float],
    costs: Costs,
    window: Window,
    candidate_digest: str,
    incumbent_version: int | None,
    suite: Sequence[SuiteCondition],
) -> Evaluation:
    """Evaluate all models on the scored rows.

    Args:
        scored: Columns `batch_day`, `label` and one of probabilities for each model.
        features: The features of the same rows in the same order, for the segments.
        segments: Name to row predicate over the features.
        thresholds: Model to decision threshold.
        costs: Cost of a missed and of a needless flag.
        window: The evaluation days.
        candidate_digest: The candidate's bundle.
        incumbent_version: Version of the champion, None without one.
        suite: Conditions of the deepchecks suite.
    """
    labels = scored.get_column("label").to_numpy().astype(np.float64)
    days = Days.draw(scored.get_column("batch_day").to_numpy())
    models = [m for m in (*MODELS, INCUMBENT) if m != INCUMBENT or incumbent_version is not None]
    probabilities = {m: scored.get_column(m).to_numpy().astype(np.float64) for m in models}
    losses = {m: row_log_loss(labels, p) for m, p in probabilities.items()}
    costed = {m: row_cost(labels, p, thresholds[m], costs) for m, p in probabilities.items()}
    metrics = [
        ModelMetrics(
            model=m,
            threshold=thresholds[m],
            auc=bootstrap.auc(labels, p, days),
            pr_auc=bootstrap.pr_auc(labels, p, days),
            log_loss=bootstrap.mean(losses[m], days),
            brier=bootstrap.mean((p - labels) ** 2, days),
            calibration_error=bootstrap.calibration_error(labels, p, days),
            cost=bootstrap.mean(costed[m], days),
        )
        for m, p in probabilities.items()
    ]
    gains = {m: bootstrap.mean(losses[m] - losses[CANDIDATE], days) for m in models if m != CANDIDATE}
    log.info("%d models on %s rows of %d days", len(models), f"{len(labels):,}", days.count)
    return Evaluation(
        candidate_digest=candidate_digest,
        incumbent_version=incumbent_version,
        window=window,
        rows=len(labels),
        base_rate=float(labels.mean()),
        metrics=metrics,
        gains=gains,
        segments=_segments(features, segments, labels, losses, costed[CANDIDATE], days),
        calibration=[
            CalibrationBin(predicted=p, observed=o, rows=n) for p, o, n in bootstrap.calibration_curve(labels, probabilities[CANDIDATE])
        ],
        suite=list(suite),
    )


def _segments(
    features: pl.DataFrame, segments: Mapping[str, pl.Expr], labels: Array, losses: Mapping[str, Array], cost: Array, days: Days
) -> list[SegmentMetrics]:
    masks = features.select(expr.fill_null(False).alias(name) for name, expr in segments.items())
    named = {"all": np.ones(len(labels), dtype=np.bool_), **{name: masks.get_column(name).to_numpy() for name in segments}}
    found = []
    for name, mask in named.items():
        rows, positives = int(mask.sum()), int(labels[mask].sum())
        if rows < _FEWEST_SEGMENT_ROWS or positives in (0, rows):
            continue
        gain = losses[INCUMBENT] - losses[CANDIDATE] if INCUMBENT in losses else None
        found.append(
            SegmentMetrics(
                segment=name,
                rows=rows,
                days=len(np.unique(days.index[mask])),
                positives=positives,
                log_loss=bootstrap.mean(losses[CANDIDATE], days, mask),
                cost=bootstrap.mean(cost, days, mask),
                gain_over_incumbent=bootstrap.mean(gain, days, mask) if gain is not None else None,
            )
        )
    return found
