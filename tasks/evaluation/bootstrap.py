"""Intervals from a bootstrap over whole days, vectorised.

Rows of one day share their weather and their congestion; days are the exchangeable unit, so whole days are drawn with
replacement (Field and Welsh, "Bootstrapping clustered data", JRSS B 2007). Every statistic here is a function of sums
over days, so one matrix of draws (resamples by days) gives all resamples by a matrix product. Ranking metrics use
histograms of the scores, 1,024 quantile bins, with half credit for ties within a bin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.artifacts.record import Interval

Array = npt.NDArray[np.float64]

_SCORE_BINS = 1024
_CALIBRATION_BINS = 10
_LEVEL = (2.5, 97.5)


@dataclass(frozen=True)
class Days:
    """The day of each row, and how often each day is drawn in each resample.

    Attributes:
        index: Day number of each row, shape (n,).
        draws: Number of times that each day is drawn, shape (resamples, days).
    """

    index: npt.NDArray[np.int64]
    draws: Array

    @classmethod
    def draw(cls, days: npt.ArrayLike, resamples: int = 1000, seed: int = 2013) -> Days:
        """Draw whole days with replacement.

        Args:
            days: The day of each row, shape (n,), of any sortable type.
            resamples: Number of resamples.
            seed: Seed of the draws.
        """
        names, index = np.unique(np.asarray(days), return_inverse=True)
        count = len(names)
        generator = np.random.default_rng(seed)
        draws = generator.multinomial(count, np.full(count, 1 / count), size=resamples)
        return cls(index.astype(np.int64), draws.astype(np.float64))

    @property
    def count(self) -> int:
        """Number of days."""
        return self.draws.shape[1]

    def sums(self, values: Array) -> Array:
        """Return the sum over each day, shape (days,)."""
        return np.bincount(self.index, weights=values, minlength=self.count).astype(np.float64)

    def histogram(self, bins: npt.NDArray[np.int64], count: int, weights: Array) -> Array:
        """Return the sum of weights by day and bin, shape (days, count)."""
        flat = np.bincount(self.index * count + bins, weights=weights, minlength=self.count * count)
        return flat.astype(np.float64).reshape(self.count, count)


def _interval(value: float, resampled: Array) -> Interval:
    finite = resampled[np.isfinite(resampled)]
    lower, upper = np.percentile(finite, _LEVEL) if len(finite) else (value, value)
    return Interval(value=float(value), lower=float(lower), upper=float(upper))


def mean(values: Array, days: Days, rows: npt.NDArray[np.bool_] | None = None) -> Interval:
    """Return the mean of a value a row, over all rows or those of a mask; shape of both (n,)."""
    weight = np.ones(len(values)) if rows is None else rows.astype(np.float64)
    total, number = days.sums(values * weight), days.sums(weight)
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = (days.draws @ total) / (days.draws @ number)
    return _interval(float(total.sum() / number.sum()), resampled)


def _score_bins(scores: Array) -> npt.NDArray[np.int64]:
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, _SCORE_BINS + 1)[1:-1]))
    return np.searchsorted(edges, scores, side="right").astype(np.int64)


def _both_classes(labels: Array, scores: Array, days: Days) -> tuple[Array, Array]:
    """Return positives and negatives by resample and score bin, each of shape (resamples, bins)."""
    bins = _score_bins(scores)
    count = int(bins.max()) + 1
    positive = days.draws @ days.histogram(bins, count, labels)
    negative = days.draws @ days.histogram(bins, count, 1 - labels)
    return positive, negative


def auc(labels: Array, scores: Array, days: Days) -> Interval:
    """Return the area under the ROC curve; the value is exact, the interval from binned scores."""
    from sklearn.metrics import roc_auc_score

    positive, negative = _both_classes(labels, scores, days)
    below = np.cumsum(negative, axis=1) - negative / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = (positive * below).sum(1) / (positive.sum(1) * negative.sum(1))
    return _interval(float(roc_auc_score(labels, scores)), resampled)


def pr_auc(labels: Array, scores: Array, days: Days) -> Interval:
    """Return the average precision; the value is exact, the interval from binned scores."""
    from sklearn.metrics import average_precision_score

    positive, negative = (part[:, ::-1] for part in _both_classes(labels, scores, days))
    found = np.cumsum(positive, axis=1)
    flagged = found + np.cumsum(negative, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(flagged > 0, found / flagged, 0)
        resampled = (positive * precision).sum(1) / positive.sum(1)
    return _interval(float(average_precision_score(labels, scores)), resampled)


def calibration_error(labels: Array, scores: Array, days: Days) -> Interval:
    """Return the expected calibration error over ten equally full bins (Naeini et al., AAAI 2015)."""
    return _interval(*_calibration_error(labels, scores, days))


def calibration_difference(labels: Array, scores: Array, others: Array, days: Days) -> Interval:
    """Return how much larger the calibration error of scores is than that of others, on the same days in each resample."""
    (value, resampled), (other, other_resampled) = (_calibration_error(labels, s, days) for s in (scores, others))
    return _interval(value - other, resampled - other_resampled)


def _calibration_error(labels: Array, scores: Array, days: Days) -> tuple[float, Array]:
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, _CALIBRATION_BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, scores, side="right").astype(np.int64)
    gap = days.histogram(bins, len(edges) + 1, scores - labels)
    number = np.bincount(days.index, minlength=days.count).astype(np.float64)
    resampled = np.abs(days.draws @ gap).sum(1) / (days.draws @ number)
    return float(np.abs(gap.sum(0)).sum() / number.sum()), resampled


def calibration_curve(labels: Array, scores: Array) -> list[tuple[float, float, int]]:
    """Return (mean probability, share of positives, rows) of ten equally full bins."""
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, _CALIBRATION_BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, scores, side="right")
    rows = [np.flatnonzero(bins == i) for i in range(len(edges) + 1)]
    return [(float(scores[r].mean()), float(labels[r].mean()), len(r)) for r in rows if len(r)]
