"""Intervals of largest differences: they hold where there is no difference at all, and where there is one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.differences import Rates, largest, least_ratio
from tasks.evidence.bootstrap import Days

pytestmark = pytest.mark.unit

CARRIERS = [182, 281, 498, 385, 633, 45, 365, 487, 170, 44, 140]
"""Positives of the carriers that count, in September 2013."""


def drawn(sizes: list[int], effects: list[float], generator: np.random.Generator, days: int = 28) -> tuple[Rates, Days]:
    """Draw events of groups whose rate moves from day to day, for all together, around 0.4 and a group's own effect."""
    rows = generator.poisson(np.array(sizes) / days, (days, len(sizes)))
    rate = np.clip(0.4 + 0.12 * generator.normal(size=(days, 1)) + np.array(effects), 0, 1)
    events = generator.binomial(rows, rate).astype(float)
    draws = generator.multinomial(days, np.full(days, 1 / days), size=400).astype(float)
    return Rates(events.sum(0), rows.sum(0).astype(float), draws @ events, draws @ rows, (rows > 0).sum(0)), Days(np.arange(days), draws)


def spread(rates: Rates) -> tuple[float, float]:
    found = rates.events / rates.rows
    return float(found.max() - found.min()), float(found.min() / found.max())


@pytest.mark.parametrize("sizes", [[3_000, 3_000], [47, 3_203], CARRIERS])  # alike, one small, many
def test_no_difference_is_not_called_certain_more_often_than_it_may(sizes: list[int]) -> None:
    generator, wrong, wrong_ratio, naive = np.random.default_rng(1), 0, 0, 0
    for _ in range(200):
        rates, days = drawn(sizes, [0.0] * len(sizes), generator)
        difference, ratio = spread(rates)
        wrong += largest(difference, [rates], days).lower > 0
        wrong_ratio += least_ratio(ratio, rates, days).upper < 1
        naive += bool(np.percentile(np.ptp(rates.drawn, axis=1), 2.5) > 0)
    assert wrong / 200 <= 0.09, "0.05 and three standard errors of 200 draws"
    assert wrong_ratio / 200 <= 0.09
    assert naive / 200 > 0.9, "percentiles of the resampled largest differences are always above 0"


def test_a_difference_is_within_its_interval_and_found() -> None:
    generator, missed, found = np.random.default_rng(2), 0, 0
    for _ in range(150):
        rates, days = drawn(CARRIERS, [0.25, *[0.0] * 10], generator)
        interval = largest(spread(rates)[0], [rates], days)
        missed += not interval.lower <= 0.25 <= interval.upper
        found += interval.lower > 0.05
    assert missed / 150 <= 0.09
    assert found / 150 > 0.9, "0.25 is more than 0.05 for nearly certain"


def test_of_two_families_the_interval_covers_both() -> None:
    generator = np.random.default_rng(3)
    narrow, days = drawn([2_000, 2_000], [0.0, 0.0], generator)
    wide = Rates(
        np.array([900.0, 100.0]),
        np.array([1_000.0, 1_000.0]),
        np.tile([900.0, 100.0], (400, 1)),
        np.full((400, 2), 1_000.0),
        np.array([28, 28]),
    )
    both = largest(0.8, [narrow, wide], days)
    assert both.lower > 0.7
    assert both.value == 0.8


@pytest.mark.parametrize("events", [[0.0, 0.0], [50.0, 50.0], [0.0, 50.0]])  # none, all, and one of each
def test_rates_of_exactly_none_and_all_have_an_interval(events: list[float]) -> None:
    rates = Rates(np.array(events), np.array([50.0, 50.0]), np.tile(events, (200, 1)), np.full((200, 2), 50.0), np.array([20, 20]))
    days = Days(np.arange(20), np.ones((200, 20)))
    difference = float(np.ptp(rates.events / 50))
    interval = largest(difference, [rates], days)
    assert 0 <= interval.lower <= interval.value == difference <= interval.upper <= 1
    assert interval.upper > interval.lower or difference == 1
    ratio = least_ratio(1.0 if events[0] == events[1] else 0.0, rates, days)
    assert 0 <= ratio.lower <= ratio.value <= ratio.upper <= 1


@given(data=st.data(), groups=st.integers(2, 6))
def test_intervals_are_finite_in_order_and_do_not_mind_the_order_of_groups(data: st.DataObject, groups: int) -> None:
    generator = np.random.default_rng(data.draw(st.integers(0, 1_000)))
    sizes = data.draw(st.lists(st.integers(40, 900), min_size=groups, max_size=groups))
    rates, days = drawn(sizes, [0.0] * groups, generator)
    difference, ratio = spread(rates)
    turned = rates.some(np.arange(groups)[::-1])
    for value, found, again in (
        (difference, largest(difference, [rates], days), largest(difference, [turned], days)),
        (ratio, least_ratio(ratio, rates, days), least_ratio(ratio, turned, days)),
    ):
        assert 0 <= found.lower <= found.value == value <= found.upper <= 1
        np.testing.assert_allclose([found.lower, found.upper], [again.lower, again.upper], atol=1e-9)


def test_a_resample_without_a_groups_rows_says_nothing() -> None:
    rates, days = drawn([500, 40], [0.0, 0.0], np.random.default_rng(4))
    drawn_rows = rates.drawn_rows.copy()
    drawn_events = rates.drawn_events.copy()
    drawn_rows[0, 1] = drawn_events[0, 1] = 0
    holed = Rates(rates.events, rates.rows, drawn_events, drawn_rows, rates.days)
    assert np.isnan(holed.drawn[0, 1])
    interval = largest(spread(rates)[0], [holed], days)
    assert interval.lower <= interval.value <= interval.upper
    assert holed.interval(1, 0.4).lower < 0.4
