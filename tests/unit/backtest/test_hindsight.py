"""The oracle and chance: by brute force on small histories."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.backtest import hindsight
from tasks.backtest.history import Array
from tests.unit.backtest.toy import history, improving

pytestmark = pytest.mark.unit


def brute(losses: Array, most: int) -> float:
    """Return the least total over all ways to choose, at each start, a model that was trained by then."""
    count = losses.shape[0]
    found = np.inf
    for chosen in product(*(range(slot + 1) for slot in range(count))):
        if sum(a != b for a, b in pairwise(chosen)) <= most:
            found = min(found, sum(losses[model, slot] for slot, model in enumerate(chosen)))
    return found


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), most=st.integers(0, 4))
def test_the_oracle_is_the_best_of_all_choices(seed: int, most: int) -> None:
    days = 14 + 5 * 7
    past = history(0.5 + np.random.default_rng(seed).normal(0, 0.1, (5, days)))
    serving = hindsight.oracle(past)[most]
    first = [*(past.first_served(start) for start in range(5)), days]
    slots = np.stack([past.loss[:, a:b].sum(1) for a, b in pairwise(first)], axis=1)
    total = past.loss[serving, np.arange(days)][past.served :].sum()
    assert total == pytest.approx(brute(slots, most))
    assert np.count_nonzero(np.diff(serving[past.served :])) <= most


def test_more_promotions_never_cost_the_oracle_anything() -> None:
    past = improving(seed=3)
    losses = [float(hindsight.mean_loss(past, serving)) for serving in hindsight.oracle(past)]
    assert losses == sorted(losses, reverse=True)


def test_chance_promotes_as_often_as_it_is_told() -> None:
    past = improving()
    every = hindsight.by_chance(past, 8, 100, 1)
    assert np.ptp(every) == 0, "all starts can be promoted in one way only"
    some = hindsight.by_chance(past, 3, 400, 1)
    assert some.shape == (400,)
    assert np.ptp(some) > 0
    assert (some >= float(hindsight.mean_loss(past, hindsight.oracle(past)[-1])) - 1e-12).all()
