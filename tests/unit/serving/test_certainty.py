"""Bounds that hold: against exact sums of the binomial, and as often as they promise."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.serving.certainty import Counts, excess, median_bounds, stability

pytestmark = pytest.mark.unit


def tail(n: int, least: int, p: float) -> float:
    """The chance of at least so many of n, summed exactly."""
    chance = Fraction(p)
    return float(sum((math.comb(n, k) * chance**k * (1 - chance) ** (n - k) for k in range(least, n + 1)), Fraction(0)))


levels = st.sampled_from([0.1, 0.0025, 1e-6, 1e-12])


@given(st.data(), st.integers(1, 60), st.integers(0, 60), levels)
def test_bounds_of_shares_are_exact(data: st.DataObject, canary: int, champion: int, level: float) -> None:
    n = Counts(canary, data.draw(st.integers(0, canary)), champion, data.draw(st.integers(0, champion)))
    least, most = excess(n, level)
    assert 0 <= least <= n.canary_failed / canary
    assert n.champion_failed <= most * champion + 1e-9
    if n.canary_failed:
        assert tail(canary, n.canary_failed, least) == pytest.approx(level / 2, rel=1e-6)
    else:
        assert least == 0
    if n.champion_failed < champion:
        assert 1 - tail(champion, n.champion_failed + 1, most) == pytest.approx(level / 2, rel=1e-3, abs=1e-12)
    else:
        assert most == 1


@pytest.mark.parametrize(
    ("n", "expected"),
    # Of scipy.stats.beta.ppf.
    [
        (Counts(50, 3, 450, 0), (0.0068725, 0.0117050)),
        (Counts(2_000, 25, 200_000, 900), (0.0070153, 0.0049000)),  # far beyond what sums of terms would take
    ],
)
def test_bounds_of_shares_are_those_of_the_books(n: Counts, expected: tuple[float, float]) -> None:
    assert excess(n, 0.01) == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), levels)
def test_bounds_of_a_median_hold_it(values: list[float], level: float) -> None:
    low, high = median_bounds(values, level)
    assert low <= np.median(values) <= high
    if math.isfinite(low):
        assert low in values
        assert high in values


@pytest.mark.parametrize("n", [50, 51, 500])
@pytest.mark.parametrize("level", [0.2, 0.01, 1e-5])
def test_the_rank_is_the_last_that_the_level_allows(n: int, level: float) -> None:
    low, high = median_bounds(range(n), level)
    rank = int(low)
    assert high == n - 1 - rank
    assert 1 - tail(n, rank + 1, 0.5) <= level < 1 - tail(n, rank + 2, 0.5)


def test_few_values_say_nothing_of_a_median() -> None:
    assert median_bounds([1.0, 2.0, 3.0], 0.01) == (-math.inf, math.inf)


def tables(p: npt.NDArray[np.float64], n: int, count: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(7).multinomial(n, p.ravel(), count).reshape(count, *p.shape)


def test_the_index_is_the_one_of_the_books() -> None:
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
    table = np.rint(np.outer(p, q) * 1e7).astype(np.int64)
    index, least = stability(table, 0.01)
    assert index == pytest.approx(float(((q - p) * np.log(q / p)).sum()), abs=1e-5)
    assert least == pytest.approx(index, abs=0.005), "of ten million rows little is left to chance"


@given(st.integers(0, 2**32 - 1), st.integers(0, 500))
def test_equal_margins_have_no_distance(seed: int, most: int) -> None:
    square = np.random.default_rng(seed).integers(0, most, (10, 10), endpoint=True)
    index, least = stability(square + square.T, 0.01)
    assert index == pytest.approx(0, abs=1e-9)
    assert least <= 0


@pytest.mark.parametrize("n", [60, 500, 5_000])
def test_the_bound_of_the_index_holds_as_often_as_it_promises(n: int) -> None:
    """Two models that agree on nothing but their distribution; and two that are as far apart as is allowed."""
    level, count = 0.02, 1_000
    equal = np.full((10, 10), 0.01)
    q = np.full(10, 0.1) + np.linspace(-0.07, 0.07, 10)
    apart = np.outer(np.full(10, 0.1), q)
    distance = float(((q - 0.1) * np.log(q / 0.1)).sum())
    for p, truth in ((equal, 0.0), (apart, distance)):
        wrong = sum(stability(table, level)[1] > truth for table in tables(p, n, count))
        assert wrong <= count * level


def test_an_empty_bin_is_no_infinity() -> None:
    table = np.zeros((10, 10), np.int64)
    table[:, 0] = 50  # the canary says the same to all
    index, least = stability(table, 0.01)
    assert math.isfinite(index)
    assert 1 < least < index
