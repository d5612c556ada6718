"""Two windows of days against each other, each drawn anew by its own whole days: both were weeks of weather.

`bootstrap` has the statistics of one window; here are the differences between two, of all rows and of segments, and the bounds of a
paired difference that is looked at night after night.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tasks.artifacts.record import Interval
from tasks.evidence import bootstrap
from tasks.evidence.bootstrap import Array, Days
from tasks.evidence.slices import Mask

SEEDS = 2013, 2014
"""Of the draws of both windows: any two that differ, as equal ones would draw windows of equal length alike."""


class Side(NamedTuple):
    """A window: a value a row, shape (n,), and the day of each row, drawn with a seed of its own."""

    values: Array
    days: Days


class _Means(NamedTuple):
    """Of m masks: their means, shape (m,), how far resampled ones lie from these, (resamples, m), and the days of each, (m,)."""

    means: Array
    apart: Array
    days: Array


def difference(now: Side, before: Side) -> Interval:
    """Return by how much the mean of one window is above that of the other."""
    whole = np.ones(len(now.values), dtype=np.bool_), np.ones(len(before.values), dtype=np.bool_)
    (value,), apart, (days,) = _differences(now, before, [whole])
    return bootstrap.interval(float(value), value + apart[:, 0], int(days))


def higher_p_values(now: Side, before: Side, pairs: Sequence[tuple[Mask, Mask]]) -> list[float]:
    """Return for each segment the p-value that its mean is not above that of the other window, adjusted for all segments.

    By the largest studentised difference over all segments in the same resampled days of both windows (single-step maxT: Westfall and
    Young, "Resampling-based multiple testing", 1993). As days are few, each difference is first brought from the scale of Student's t
    to that of the resamples, as `bootstrap.percentiles` does with the ends of an interval.

    Args:
        now: The window in question.
        before: The other one.
        pairs: Of each segment its rows in both windows, masks of their shapes (n,), each with rows on two days.
    """
    if not pairs:
        return []
    from scipy.stats import norm, t

    observed, apart, days = _differences(now, before, pairs)
    spread = apart.std(axis=0)
    is_known = spread > 1e-12 * np.abs(observed)  # less is rounding
    known = np.where(is_known, spread, np.inf)
    highest = (apart / known).max(axis=1)
    # By the upper tail: where the difference is large, the lower one is 1 in double precision.
    statistic = norm.isf(t.sf(observed / known * np.sqrt((days - 1) / days), days - 1))
    found = (1 + (highest[:, None] >= statistic).sum(0)) / (1 + len(highest))
    certain = np.where(observed > 0, 0.0, 1.0)  # of several days without any spread nothing is in doubt
    return [float(p) if s else float(c) for p, s, c in zip(found, is_known, certain, strict=True)]


def mean_at(side: Side, level: float) -> Interval:
    """Return the mean of a window with bounds of which each is missed with probability `level`, however small that is.

    By Student's t and the standard error of the resamples: percentiles so rare would take a million of them.

    Args:
        side: The window, of two days or more.
        level: Of one bound, above 0 and below 1/2.
    """
    from scipy.stats import t

    days = side.days.seen
    (value,), apart, _ = _means(side, [np.ones(len(side.values), dtype=np.bool_)])
    reach = float(t.ppf(1 - level, days - 1) * apart.std() * (days / (days - 1)) ** 0.5)
    return Interval(value=float(value), lower=float(value) - reach, upper=float(value) + reach)


def _differences(now: Side, before: Side, pairs: Sequence[tuple[Mask, Mask]]) -> _Means:
    """Return the differences of the means of pairs of masks, as those of one window.

    Its days are as many as give one window the same uncertainty of its spread: between those of the shorter window and those of both
    (Welch, Biometrika 34, 1947).
    """
    here, there = _means(now, [pair[0] for pair in pairs]), _means(before, [pair[1] for pair in pairs])
    a, b = here.apart.var(axis=0), there.apart.var(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = (a + b) ** 2 / (a**2 / np.maximum(here.days - 1, 1) + b**2 / np.maximum(there.days - 1, 1))
    days = np.where(np.isfinite(freedom), np.floor(freedom) + 1, np.minimum(here.days, there.days))
    return _Means(here.means - there.means, here.apart - there.apart, days)


def _means(side: Side, masks: Sequence[Mask]) -> _Means:
    weights = [mask.astype(np.float64) for mask in masks]
    total = np.stack([side.days.sums(side.values * weight) for weight in weights], axis=1)
    number = np.stack([side.days.sums(weight) for weight in weights], axis=1)
    means = total.sum(0) / number.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = (side.days.draws @ total) / (side.days.draws @ number) - means
    # Where no day of a segment was drawn, that resample tells nothing of it.
    return _Means(means, np.nan_to_num(apart, posinf=0, neginf=0), (number > 0).sum(0).astype(np.float64))
