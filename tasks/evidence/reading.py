"""Sizes of a difference for people to read, from counts of values: population stability and Wasserstein distance. They decide nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

_BINS = 10
_LEAST = 0.5
"""Rows that an empty bin counts as, so that the index stays finite."""


def psi(reference: Counts, current: Counts, is_number: bool) -> float | None:
    """Return the population stability index (Siddiqi, "Credit Risk Scorecards", 2006).

    Args:
        reference: How often each value occurs, sorted by value, shape (values,).
        current: The same of the newest days.
        is_number: Ten bins that are equally full in the reference; of names each is a bin.

    Returns:
        The index; None where one of both has no value.
    """
    if not reference.sum() or not current.sum():
        return None
    if is_number:
        upto = (np.cumsum(reference) - reference / 2) / reference.sum()
        bins = np.minimum((upto * _BINS).astype(np.int64), _BINS - 1)
        reference, current = (np.bincount(bins, weights=counts, minlength=_BINS) for counts in (reference, current))
    there = (reference > 0) | (current > 0)
    before, now = (np.maximum(counts[there], _LEAST) for counts in (reference, current))
    before, now = before / before.sum(), now / now.sum()
    return float(((now - before) * np.log(now / before)).sum())


def wasserstein(values: npt.NDArray[np.float64], reference: Counts, current: Counts) -> float | None:
    """Return the Wasserstein distance of first order, in standard deviations of the reference.

    Args:
        values: Sorted, shape (values,).
        reference: How often each occurs, shape (values,).
        current: The same of the newest days.

    Returns:
        The distance; None where one of both has no value, or the reference no spread.
    """
    if not reference.sum() or not current.sum():
        return None
    at = values.astype(np.float64)
    before, now = reference / reference.sum(), current / current.sum()
    mean = before @ at
    deviation = float(np.sqrt(before @ (at - mean) ** 2))
    if deviation <= 1e-9 * max(1.0, abs(float(mean))):
        return None
    apart = np.abs(np.cumsum(before - now))[:-1] @ np.diff(at)
    return float(apart / deviation)
