"""The largest difference and the least ratio between the rates of groups, each with its interval over days.

An interval of a largest difference cannot be the percentiles of the resampled ones: chance alone makes the groups of every
sample, and even more those of every resample, differ, so that these lie above 0 where there is no difference at all. Instead
all pairs of groups get intervals at once: a pair's difference give or take `c` of its standard errors, where in 95 % of the
resamples no pair's difference is further than that from the one found (Beran, "Balanced simultaneous confidence sets", JASA
1988). The largest difference is then at least the largest of their lower bounds, and at most the largest of their upper ones.

Two steps make up for few days and few rows: `c` is taken from Student's t with a degree of freedom less than there are days,
where the resamples have it from the normal distribution and their variance is short by one day in all of them; and a rate's
standard error is never below that of independent rows, nor `c` below that of a single pair, which also keeps rates of exactly
0 or 1 from looking certain. Ratios are handled likewise on the logarithmic scale, with half an event more in each group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from tasks.artifacts.record import Interval
from tasks.evidence import bootstrap
from tasks.evidence.bootstrap import Array, Days

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Rates:
    """A rate of each group that counts, as found and in each resample.

    Attributes:
        events: Rows that count as events, such as those flagged, shape (groups,).
        rows: Of how many, shape (groups,).
        drawn_events: The same in each resample, shape (resamples, groups).
        drawn_rows: Of how many, shape (resamples, groups).
        days: Days with such rows, shape (groups,).
    """

    events: Array
    rows: Array
    drawn_events: Array
    drawn_rows: Array
    days: npt.NDArray[np.int64]

    @classmethod
    def of(cls, codes: npt.NDArray[np.int64], count: int, events: Array, among: Array, days: Days) -> Rates:
        """Count events among some rows by group: codes of the groups of shape (n,), and a 0 or 1 a row each."""
        happened, rows = days.histogram(codes, count, events * among), days.histogram(codes, count, among)
        return cls(happened.sum(0), rows.sum(0), days.draws @ happened, days.draws @ rows, (rows > 0).sum(0))

    def some(self, index: npt.NDArray[np.int64]) -> Rates:
        """Return the rates of some groups."""
        return Rates(self.events[index], self.rows[index], self.drawn_events[:, index], self.drawn_rows[:, index], self.days[index])

    def interval(self, group: int, value: float) -> Interval:
        """Return the value of one group's rate with its own interval."""
        return bootstrap.interval(value, self.drawn[:, group], int(self.days[group]))

    @property
    def drawn(self) -> Array:
        """The rate in each resample, shape (resamples, groups), NaN without a row."""
        return _ratio(self.drawn_events, self.drawn_rows)


def _ratio(events: Array, rows: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return events / rows


def largest(value: float, families: Sequence[Rates], days: Days) -> Interval:
    """Return the interval of the largest difference between two groups, in any of some families of rates."""
    found, errors, away = list[Array](), list[Array](), list[Array]()
    for rates in families:
        smoothed = (rates.events + 0.5) / (rates.rows + 1)
        floor = smoothed * (1 - smoothed) / rates.rows
        pairs = _pairs(_ratio(rates.events, rates.rows), rates.drawn, floor)
        for kept, one in zip((found, errors, away), pairs, strict=True):
            kept.append(one)
    difference, error, critical = _simultaneous(found, errors, away, days)
    lower, upper = (difference - critical * error).max(), (difference + critical * error).max()
    return Interval(value=float(value), lower=float(np.clip(lower, 0, value)), upper=float(np.clip(upper, value, 1)))


def least_ratio(value: float, rates: Rates, days: Days) -> Interval:
    """Return the interval of the least ratio of two groups' rates."""
    logs, drawn = np.log((rates.events + 0.5) / (rates.rows + 1)), np.log((rates.drawn_events + 0.5) / (rates.drawn_rows + 1))
    floor = 1 / (rates.events + 0.5) - 1 / (rates.rows + 1)
    found, errors, away = _pairs(logs, drawn, floor)
    distance, error, critical = _simultaneous([found], [errors], [away], days)
    lower, upper = np.exp(-(distance + critical * error).max()), np.exp(-max(0.0, float((distance - critical * error).max())))
    return Interval(value=float(value), lower=float(min(lower, value)), upper=float(max(upper, value)))


def _pairs(values: Array, drawn: Array, floor: Array) -> tuple[Array, Array, Array]:
    """Compare all pairs of groups.

    Args:
        values: Of each group, shape (groups,).
        drawn: In each resample, shape (resamples, groups), not finite where a resample has none of a group's rows.
        floor: Least variance of each value, shape (groups,).

    Returns:
        Of each pair its absolute difference and standard error, both of shape (pairs,), and how far the difference is from
        that in each resample, shape (resamples, pairs), 0 where the resample cannot tell.
    """
    first, second = np.triu_indices(len(values), 1)
    difference = values[first] - values[second]
    away = drawn[:, first] - drawn[:, second] - difference
    away = np.where(np.isfinite(away), away, 0.0)
    error = np.sqrt(np.maximum((away**2).mean(0), floor[first] + floor[second]))
    return np.abs(difference), error, np.abs(away)


def _simultaneous(differences: Sequence[Array], errors: Sequence[Array], away: Sequence[Array], days: Days) -> tuple[Array, Array, float]:
    """Return differences and standard errors of all pairs, and within how many of the latter all of them are, at 95 %."""
    error = np.concatenate(errors)
    worst = (np.concatenate(away, axis=1) / error).max(1)
    normal = max(float(np.quantile(worst, _CONFIDENCE)), float(stats.norm.isf((1 - _CONFIDENCE) / 2)))
    # Of many groups, whose tails matter most, the normal quantile of few days would be far too short.
    critical = float(stats.t.isf(stats.norm.sf(normal), days.count - 1)) * np.sqrt(days.count / (days.count - 1))
    return np.concatenate(differences), error, critical
