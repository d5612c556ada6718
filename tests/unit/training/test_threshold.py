"""The cheapest threshold against trying every one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.training.threshold import cheapest

pytestmark = pytest.mark.unit

# Few distinct probabilities, so that runs of equal ones are common; both ends belong.
probability = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1)
rows_of = st.lists(st.tuples(st.integers(0, 1), probability), min_size=1, max_size=20)
cost_of = st.sampled_from([0.0, 0.5, 1.0, 4.0, 100.0])


def cost(threshold: float, labels: Any, probabilities: Any, missed: float, needless: float) -> float:
    flagged = np.asarray(probabilities) >= threshold
    y = np.asarray(labels)
    return float(missed * (y * ~flagged).sum() + needless * ((1 - y) * flagged).sum())


@given(rows_of, cost_of, cost_of)
@settings(max_examples=200)
def test_no_threshold_is_cheaper(rows: list[tuple[int, float]], missed: float, needless: float) -> None:
    labels, probabilities = zip(*rows, strict=True)
    found = cheapest(labels, probabilities, missed, needless)
    best = min(cost(t, labels, probabilities, missed, needless) for t in (*probabilities, 2.0))
    assert cost(found, labels, probabilities, missed, needless) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize(
    ("labels", "probabilities", "missed", "needless", "expected"),
    [
        ([0, 1], [0.2, 0.8], 1, 1, 0.8),  # a clean cut
        ([1, 0], [0.2, 0.8], 4, 1, 0.2),  # a miss costs more: flag both
        ([1, 0], [0.2, 0.8], 1, 4, 1.0),  # a needless flag costs more: flag nothing
        ([0, 0], [0.2, 0.8], 4, 1, 1.0),  # nothing to find
        ([1, 1], [0.2, 0.8], 4, 1, 0.2),  # all to find
        ([0, 1, 1], [0.5, 0.5, 0.5], 1, 1, 0.5),  # equal probabilities go together
        ([1, 0], [0.5, 0.5], 1, 2, 1.0),  # ... the needless one with the other
        ([1], [0.3], 1, 1, 0.3),
        ([1], [0.3], 0, 1, 1.0),  # where a miss costs nothing, flagging gains nothing
    ],
)
def test_known_cases(labels: list[int], probabilities: list[float], missed: float, needless: float, expected: float) -> None:
    assert cheapest(labels, probabilities, missed, needless) == expected


def test_a_certain_row_is_not_flagged_where_flagging_nothing_is_cheapest() -> None:
    threshold = cheapest([0, 0], [1.0, 0.5], missed=1, needless=1)
    assert threshold > 1.0
    assert cost(threshold, [0, 0], [1.0, 0.5], 1, 1) == 0


def test_the_order_of_rows_does_not_matter() -> None:
    generator = np.random.default_rng(1)
    labels, probabilities = generator.integers(0, 2, 500), generator.random(500).round(2)
    order = generator.permutation(500)
    assert cheapest(labels, probabilities, 4, 1) == cheapest(labels[order], probabilities[order], 4, 1)
