"""PSI and Wasserstein from counts, against their definitions and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from tasks.evidence import reading

pytestmark = pytest.mark.unit

COUNTS = st.lists(st.integers(0, 50), min_size=6, max_size=6).filter(lambda counts: sum(counts) > 0)


def test_psi_of_names_is_by_its_definition() -> None:
    expected = (0.9 - 0.5) * np.log(0.9 / 0.5) + (0.1 - 0.5) * np.log(0.1 / 0.5)
    assert reading.psi(np.array([50, 50]), np.array([90, 10]), is_number=False) == pytest.approx(expected)


def test_psi_of_numbers_has_ten_bins_that_are_equally_full() -> None:
    reference, current = np.full(100, 10), np.repeat([20, 0], 50)
    assert reading.psi(reference, current, is_number=True) == pytest.approx(
        reading.psi(reference.reshape(10, 10).sum(1), current.reshape(10, 10).sum(1), is_number=False)
    )


@pytest.mark.parametrize("is_number", [True, False])
def test_psi_of_the_same_is_nothing_and_of_a_gone_value_finite(is_number: bool) -> None:
    counts = np.arange(1, 21)
    assert reading.psi(counts, 3 * counts, is_number) == pytest.approx(0)
    found = reading.psi(counts, np.where(counts > 10, counts, 0), is_number)
    assert found is not None and 0.2 < found < np.inf


@given(COUNTS, COUNTS)
def test_wasserstein_is_scipy_s_in_standard_deviations(before: list[int], now: list[int]) -> None:
    values = np.array([-3.0, -1.0, 0.0, 0.5, 2.0, 9.0])
    found = reading.wasserstein(values, np.array(before), np.array(now))
    rows = np.repeat(values, before)
    if rows.std() < 1e-9:
        assert found is None
        return
    assert found == pytest.approx(wasserstein_distance(rows, np.repeat(values, now)) / rows.std())


@pytest.mark.parametrize(("before", "now"), [([0, 0], [1, 1]), ([1, 1], [0, 0])])
def test_nothing_to_compare_gives_none(before: list[int], now: list[int]) -> None:
    assert reading.psi(np.array(before), np.array(now), is_number=True) is None
    assert reading.wasserstein(np.array([0.0, 1.0]), np.array(before), np.array(now)) is None
