"""Intervals from a bootstrap over whole days, vectorised.

Rows of one day share their weather and their congestion; days are the exchangeable unit, so whole days are drawn with
replacement (Field and Welsh, "Bootstrapping clustered data", JRSS B 2007). Every statistic here is a function of sums
over days, so one matrix of draws (resamples by days) gives all resamples by a matrix product. Ranking metrics use
histograms of the scores, 256 quantile bins, with half credit for ties within a bin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.artifacts.record import Interval

Array = npt.NDArray[np.float64]

_SCORE_BINS = 256
_CALIBRATION_BINS = 10
_LEVEL = 0.95


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

    def of(self, rows: npt.NDArray[np.bool_]) -> Days:
        """Return the days of some rows, drawn as before; shape of the mask (n,)."""
        return Days(self.index[rows], self.draws)

    @property
    def count(self) -> int:
        """Number of days that are drawn from."""
        return self.draws.shape[1]

    @property
    def seen(self) -> int:
        """Number of days that have a row."""
        return int(np.count_nonzero(np.bincount(self.index, minlength=1)))

    def sums(self, values: Array) -> Array:
        """Return the sum over each day, shape (days,)."""
        return np.bincount(self.index, weights=values, minlength=self.count).astype(np.float64)

    def histogram(self, bins: npt.NDArray[np.int64], count: int, weights: Array) -> Array:
        """Return the sum of weights by day and bin, shape (days, count)."""
        flat = np.bincount(self.index * count + bins, weights=weights, minlength=self.count * count)
        return flat.astype(np.float64).reshape(self.count, count)


def percentiles(days: int) -> tuple[float, float]:
    """Return the percentiles of resamples that bound a 95 % interval, for values of so many days.

    Of few days the usual 2.5 and 97.5 give intervals that are too narrow, as the bootstrap knows neither of the factor n - 1
    nor of Student's t; they are moved outwards by both (Hesterberg, "What teachers should know about the bootstrap", The
    American Statistician 69, 2015, section 4.3). Of 28 days they are 1.8 and 98.2.
    """
    from scipy.stats import norm, t

    if days < 2:
        return 0.0, 100.0
    tail = 100 * float(norm.cdf(np.sqrt(days / (days - 1)) * t.ppf((1 - _LEVEL) / 2, days - 1)))
    return tail, 100 - tail


def interval(value: float, resampled: Array, days: int) -> Interval:
    """Return a value with its interval.

    Args:
        value: Of all rows as they are.
        resampled: Of each resample, shape (resamples,); those that are not finite are left out.
        days: How many days have rows.
    """
    finite = resampled[np.isfinite(resampled)]
    lower, upper = np.percentile(finite, percentiles(days)) if len(finite) else (value, value)
    return Interval(value=float(value), lower=float(lower), upper=float(upper))


def mean(values: Array, days: Days, rows: npt.NDArray[np.bool_] | None = None) -> Interval:
    """Return the mean of a value a row, over all rows or those of a mask; shape of both (n,)."""
    weight = np.ones(len(values)) if rows is None else rows.astype(np.float64)
    total, number = days.sums(values * weight), days.sums(weight)
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = (days.draws @ total) / (days.draws @ number)
    return interval(float(total.sum() / number.sum()), resampled, int((number > 0).sum()))


def ratio(above: Array, below: Array, days: Days, rows: npt.NDArray[np.bool_] | None = None) -> Interval:
    """Return the ratio of two sums over rows, of all or of those of a mask; shape of each (n,)."""
    weight = np.ones(len(above)) if rows is None else rows.astype(np.float64)
    over, under = days.sums(above * weight), days.sums(below * weight)
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = (days.draws @ over) / (days.draws @ under)
    return interval(float(over.sum() / under.sum()), resampled, days.of(weight > 0).seen)


def adjusted_p_values(values: Array, days: Days, groups: Sequence[npt.NDArray[np.bool_]]) -> list[float]:
    """Return for each group of rows the p-value that the mean of its values is not above 0, adjusted for all groups.

    By the largest studentised mean over all groups in the same resampled days (single-step maxT: Westfall and Young,
    "Resampling-based multiple testing", 1993): groups that share rows and days are not counted as if they did not.

    Args:
        values: A value a row, shape (n,).
        days: The day of each row.
        groups: Masks of shape (n,), each with a row.
    """
    if not groups:
        return []
    total = np.stack([days.sums(values * mask) for mask in groups], axis=1)
    number = np.stack([days.sums(mask.astype(np.float64)) for mask in groups], axis=1)
    observed = total.sum(0) / number.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = (days.draws @ total) / (days.draws @ number)  # nothing of a group that no drawn day has
        spread = np.nanstd(resampled, axis=0)
        spread[spread < 1e-12 * np.abs(observed)] = 0  # rounding is none
        known = np.where(spread > 0, spread, np.inf)
        apart = np.where(np.isfinite(resampled), (resampled - observed) / known, -np.inf)
        highest = apart.max(axis=1)
        highest = highest[np.isfinite(highest)]  # a resample without a day of any group tells nothing
        found = (1 + (highest[:, None] >= observed / known).sum(0)) / (1 + len(highest))
    days_of = (number > 0).sum(0)
    # Of one day nothing is known; of several without any spread nothing is in doubt.
    certain = np.where((observed <= 0) | (days_of < 2), 1.0, 0.0)
    return [float(p) if s > 0 else float(c) for p, s, c in zip(found, spread, certain, strict=True)]


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
    return ranking(labels, scores, days)[0]


def pr_auc(labels: Array, scores: Array, days: Days) -> Interval:
    """Return the average precision; the value is exact, the interval from binned scores."""
    return ranking(labels, scores, days)[1]


def ranking(labels: Array, scores: Array, days: Days) -> tuple[Interval, Interval]:
    """Return the area under the ROC curve and the average precision, which share their work."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    positive, negative = _both_classes(labels, scores, days)
    positives, negatives = positive.sum(1, keepdims=True), negative.sum(1, keepdims=True)
    upto, negative_upto = np.cumsum(positive, axis=1), np.cumsum(negative, axis=1)
    found = positives - upto + positive  # of the positives those that are flagged from this bin on
    flagged = found + negatives - negative_upto + negative
    with np.errstate(invalid="ignore", divide="ignore"):
        area = np.einsum("rb,rb->r", positive, negative_upto - negative / 2) / (positives * negatives)[:, 0]
        average = np.einsum("rb,rb->r", positive, np.where(flagged > 0, found / flagged, 0)) / positives[:, 0]
    values = float(roc_auc_score(labels, scores)), float(average_precision_score(labels, scores))
    return interval(values[0], area, days.seen), interval(values[1], average, days.seen)


def calibration_error(labels: Array, scores: Array, days: Days) -> Interval:
    """Return the expected calibration error over ten equally full bins (Naeini et al., AAAI 2015)."""
    return interval(*_calibration_error(labels, scores, days), days.seen)


def calibration_difference(labels: Array, scores: Array, others: Array, days: Days) -> Interval:
    """Return how much larger the calibration error of scores is than that of others, on the same days in each resample."""
    (value, resampled), (other, other_resampled) = (_calibration_error(labels, s, days) for s in (scores, others))
    return interval(value - other, resampled - other_resampled, days.seen)


def calibration_bins(scores: Array) -> npt.NDArray[np.int64]:
    """Return for each row which of ten equally full bins its score is in, shape (n,)."""
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, _CALIBRATION_BINS + 1)[1:-1]))
    return np.searchsorted(edges, scores, side="right").astype(np.int64)


def _calibration_error(labels: Array, scores: Array, days: Days) -> tuple[float, Array]:
    bins = calibration_bins(scores)
    gap = days.histogram(bins, int(bins.max()) + 1, scores - labels)
    number = np.bincount(days.index, minlength=days.count).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = np.abs(days.draws @ gap).sum(1) / (days.draws @ number)
    return float(np.abs(gap.sum(0)).sum() / number.sum()), resampled


def calibration_curve(labels: Array, scores: Array) -> list[tuple[float, float, int]]:
    """Return (mean probability, share of positives, rows) of ten equally full bins."""
    bins = calibration_bins(scores)
    rows = [np.flatnonzero(bins == i) for i in range(int(bins.max()) + 1)]
    return [(float(scores[r].mean()), float(labels[r].mean()), len(r)) for r in rows if len(r)]
