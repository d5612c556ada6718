"""Loss and cost of a row."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.artifacts.settings import Costs
from tasks.model.loss import row_cost, row_log_loss

pytestmark = pytest.mark.unit

COSTS = Costs(missed=4, needless=1)


@pytest.mark.parametrize(
    ("label", "probability", "loss"),
    [
        (1, 1.0, 0.0),
        (0, 0.0, 0.0),
        (1, 0.0, -np.log(1e-7)),  # a certain error is bounded
        (0, 1.0, -np.log(1e-7)),
        (1, 0.5, np.log(2)),
    ],
)
def test_row_loss(label: int, probability: float, loss: float) -> None:
    assert row_log_loss(np.array([float(label)]), np.array([probability]))[0] == pytest.approx(loss, abs=2e-7)


@pytest.mark.parametrize(
    ("label", "probability", "cost"),
    [(1, 0.5, 0), (1, 0.49, 4), (0, 0.5, 1), (0, 0.49, 0)],  # the threshold itself is flagged
)
def test_row_cost(label: int, probability: float, cost: float) -> None:
    assert row_cost(np.array([float(label)]), np.array([probability]), 0.5, COSTS)[0] == cost
