"""What a sample says for certain: bounds of shares, of medians and of the distance of two distributions, at a level.

For the guard, in the server's process: no scipy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Counts(NamedTuple):
    """Requests of both models, and how many of them failed."""

    canary: int = 0
    canary_failed: int = 0
    champion: int = 0
    champion_failed: int = 0


def excess(n: Counts, level: float) -> tuple[float, float]:
    """Return the least share of failures of the canary and the largest one of the champion, both certain at a level.

    Exact bounds (Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial", 1934),
    each at half of the level.

    Args:
        n: What was counted.
        level: Chance that either bound is wrong.
    """
    half = level / 2
    least = 0.0 if n.canary_failed == 0 else _solve(lambda p: _beta(p, n.canary_failed, n.canary - n.canary_failed + 1), half)
    answered = n.champion - n.champion_failed
    most = 1.0 if answered == 0 else 1 - _solve(lambda q: _beta(q, answered, n.champion_failed + 1), half)
    return least, most


def median_bounds(values: Sequence[float], level: float) -> tuple[float, float]:
    """Return the bounds of a median, each wrong with a chance of at most a level, whatever the distribution is.

    The values of the ranks that a binomial count of values below the median allows (David and Nagaraja, "Order statistics", 2003, 7.1).

    Args:
        values: Independent values.
        level: Chance that one bound is wrong.
    """
    n, ordered = len(values), sorted(values)
    low, high = -1, n // 2  # the largest rank r with P(at most r of n are below the median) <= level
    while high - low > 1:
        rank = (low + high) // 2
        low, high = (rank, high) if _beta(0.5, n - rank, rank + 1) <= level else (low, rank)
    return (-math.inf, math.inf) if low < 0 else (ordered[low], ordered[n - 1 - low])


def stability(table: npt.NDArray[np.int64], level: float) -> tuple[float, float]:
    """Return the population stability index of two models, and what it is at least, at a level.

    The index is the sum of (q - p) ln(q / p) over the bins. The bound takes off what equal distributions reach by chance (two over n
    times the quantile of chi-square; Yurdakul and Naranjo, "Statistical properties of the population stability index", 2020) and the
    index's own error by the delta method, over the pairs, as the rows are the same.

    Args:
        table: Rows counted by bin of the champion (first axis) and of the canary.
        level: Chance that the bound is wrong.
    """
    n, bins = int(table.sum()), len(table)
    if n == 0:
        return 0.0, 0.0
    joint = (table + 0.5 / bins) / (n + 0.5 * bins)  # half a row a bin: an empty bin has no logarithm
    p, q = joint.sum(axis=1), joint.sum(axis=0)
    ratio = np.log(q / p)
    slope = (1 - ratio - q / p)[:, None] + (1 + ratio - p / q)[None, :]
    error = math.sqrt(max(float((joint * slope**2).sum() - (joint * slope).sum() ** 2), 0.0) / n)
    index, z, degrees = float(((q - p) * ratio).sum()), NormalDist().inv_cdf(1 - level / 2), bins - 1
    # Wilson and Hilferty, "The distribution of chi-square", 1931
    by_chance = 2 / n * degrees * (1 - 2 / (9 * degrees) + z * math.sqrt(2 / (9 * degrees))) ** 3
    return index, index - by_chance - z * error


def _solve(rising: Callable[[float], float], value: float) -> float:
    """Return where a rising function on [0, 1] has a value, from below: by halves, to twelve digits."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) <= value else (low, middle)
    return low


def _beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b): the chance of at least a successes in a + b - 1 tries of chance x.

    By Lentz's continued fraction (Press et al., "Numerical recipes", 2007, 6.4).
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly, its complement does not
        return 1 - _beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, 10 * math.isqrt(int(a + b)) + 200):
        for term in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            d, c = 1 / (1 + term * d), 1 + term / c
            found *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return front * found
