"""Two windows: what their difference is worth, by segments and at rare levels, where nothing changed and where something did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from tasks.evidence import windows
from tasks.evidence.bootstrap import Days
from tasks.evidence.windows import Side

pytestmark = pytest.mark.unit

SEGMENTS = 6


def side(values: Any, days: Any, of: int = 0) -> Side:
    return Side(np.asarray(values, np.float64), Days.draw(days, seed=windows.SEEDS[of]))


def skewed(days: int, seed: int, of: int = 0, rows: int = 12) -> Side:
    """Return losses as they come: of a few rows a day, skewed, with days that are better and worse."""
    generator = np.random.default_rng([seed, of])
    day = np.repeat(np.arange(days), rows)
    return side(generator.gamma(2.0, 0.2, len(day)) * generator.gamma(8.0, 1 / 8, days)[day], day, of)


def masks(of: Side) -> list[Any]:
    return [np.arange(len(of.values)) % SEGMENTS == i for i in range(SEGMENTS)]


def pairs(now: Side, before: Side) -> list[tuple[Any, Any]]:
    return list(zip(masks(now), masks(before), strict=True))


def test_a_difference_is_as_uncertain_as_both_windows() -> None:
    """Days of equal size: the root of the sum of both windows' squared standard errors."""
    now, before = skewed(14, 1), skewed(28, 1, 1)
    found = windows.difference(now, before)
    assert found.value == pytest.approx(now.values.mean() - before.values.mean())
    errors = [s.days.sums(s.values / 12).var(ddof=1) / s.days.count for s in (now, before)]
    assert (found.upper - found.lower) / 2 == pytest.approx(t.ppf(0.975, 24) * sum(errors) ** 0.5, rel=0.1)


def test_two_windows_are_not_drawn_alike() -> None:
    """Drawn alike, a window of the same days against itself would have no spread at all."""
    now, before = skewed(20, 3), Side(skewed(20, 3).values, skewed(20, 3, 1).days)
    found = windows.difference(now, before)
    assert found.value == 0
    assert found.lower < -0.05
    assert found.upper > 0.05


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 10)), min_size=3, max_size=40), st.floats(-5, 5))
def test_what_both_windows_share_is_no_difference(rows: list[tuple[int, float]], shift: float) -> None:
    day, values = [d for d, _ in rows], np.array([v for _, v in rows])
    plain = windows.difference(side(values, day), side(values[::-1], day, 1))
    moved = windows.difference(side(values + shift, day), side(values[::-1] + shift, day, 1))
    for name in ("value", "lower", "upper"):
        assert getattr(moved, name) == pytest.approx(getattr(plain, name), abs=1e-9)


# --- where nothing changed --------------------------------------------------------------------------------------------


def _bound(now: Side, before: Side) -> bool:
    return windows.difference(now, before).lower > 0


def _segments(now: Side, before: Side) -> bool:
    return min(windows.higher_p_values(now, before, pairs(now, before))) < 0.05


def _at(now: Side, before: Side) -> bool:
    signed = np.random.default_rng(len(now.values)).choice([-1.0, 1.0], now.days.count)
    return windows.mean_at(Side((now.values - 0.4) * signed[now.days.index], now.days), 0.02).lower > 0


@pytest.mark.parametrize(
    ("days", "is_called", "most"),
    [
        (7, _bound, 14),  # as few as are measured; 2.5 % of 240, and three standard errors
        (28, _bound, 14),
        (7, _segments, 23),  # 5 % of 240: all segments together
        (28, _segments, 23),
        (14, _at, 12),  # 2 %
    ],
)
def test_days_that_did_not_change_are_called_as_rarely_as_the_level_says(days: int, is_called: Callable[..., bool], most: int) -> None:
    assert sum(is_called(skewed(days, seed), skewed(28, seed, 1)) for seed in range(240)) <= most


# --- where something did ----------------------------------------------------------------------------------------------


def test_the_segment_that_changed_is_found_among_the_others() -> None:
    now, before = skewed(28, 5), skewed(28, 5, 1)
    raised = now._replace(values=now.values + 0.25 * masks(now)[2])
    found = windows.higher_p_values(raised, before, pairs(raised, before))
    assert found[2] < 0.01
    assert min(p for i, p in enumerate(found) if i != 2) > 0.2
    alone = windows.higher_p_values(raised, before, pairs(raised, before)[2:3])
    assert alone[0] <= found[2], "adjusted for the others, too"


def test_a_segment_that_few_days_have_is_no_certainty() -> None:
    """Most resamples draw none of its days: those tell nothing, neither for it nor against the others."""
    now, before = skewed(28, 6), skewed(28, 6, 1)
    rare = now.days.index < 2
    found = windows.higher_p_values(now, before, [(rare, masks(before)[0]), *pairs(now, before)])
    assert all(0 < p <= 1 for p in found)


@pytest.mark.parametrize(("level", "quantile"), [(0.025, 2.1604), (0.001, 3.852)])  # of Student's t with 13 degrees of freedom
def test_bounds_of_rare_levels_are_further_out(level: float, quantile: float) -> None:
    now = skewed(14, 7)
    found = windows.mean_at(now, level)
    error = (now.days.sums(now.values / 12).var(ddof=1) / 14) ** 0.5
    assert found.value == pytest.approx(now.values.mean())
    assert found.value - found.lower == pytest.approx(quantile * error, rel=0.06)
    assert found.upper - found.value == pytest.approx(found.value - found.lower)


@pytest.mark.parametrize(("values", "p_value"), [(0.5, 0.0), (0.3, 1.0)])
def test_without_any_spread_nothing_is_in_doubt(values: float, p_value: float) -> None:
    day = np.repeat(np.arange(5), 4)
    now, before = side(np.full(20, values), day), side(np.full(20, 0.4), day, 1)
    assert windows.higher_p_values(now, before, [(day >= 0, day >= 0)]) == [p_value]
    found = windows.difference(now, before)
    assert found.lower == pytest.approx(found.upper)


def test_no_segments_have_no_p_values() -> None:
    assert windows.higher_p_values(skewed(7, 1), skewed(7, 1, 1), []) == []
